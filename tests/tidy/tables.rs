//! Who may name which table. How a noun is stored changes in one place if nobody else knows it.

use std::collections::BTreeSet;

use super::{complain, files, product};

/// Each table with the one module, folder or file that writes it, and the files outside of it that read it: in a join that
/// would else be a query a row, or many rows at once. A new name is an edit here, to be talked about in review.
#[rustfmt::skip]
const OWNERS: &[(&str, &str, &str)] = &[
    ("schema_migrations", "storage/", ""),
    ("probes", "storage/", ""),
    ("tenants", "tenant/", "oauth/integration.rs oauth/prompt.rs registry/attachment.rs registry/server/list.rs storage/probe.rs"),
    ("users", "tenant/user.rs", "academy/person.rs auth/ career/resume.rs guard/look.rs learner/info.rs oauth/prompt.rs registry/connection/list.rs registry/grant/ storage/probe.rs"),
    ("mentors", "tenant/mentor/", "guard/look.rs learner/details.rs oauth/prompt.rs registry/attachment.rs registry/connection/list.rs registry/grant/list.rs registry/server/list.rs storage/probe.rs"),
    ("tokens", "auth/", "guard/look.rs storage/probe.rs"),
    ("browser_sessions", "auth/browser.rs", ""),
    ("audit", "audit/", "storage/probe.rs"),
    ("servers", "registry/", "guard/look.rs oauth/found.rs oauth/prompt.rs storage/probe.rs"),
    ("server_images", "registry/server/image.rs", ""),
    ("mentor_servers", "registry/attachment.rs", "guard/look.rs registry/grant/list.rs registry/server/mod.rs storage/probe.rs"),
    ("connections", "registry/", "credentials/resolve.rs guard/look.rs storage/probe.rs"),
    ("connected_services", "registry/grant/", "guard/look.rs oauth/client.rs oauth/prompt.rs registry/connection/list.rs registry/server/write.rs storage/probe.rs"),
    ("chat_models", "registry/chat_model.rs", ""),
    ("master_keys", "registry/keys/", ""),
    ("webhooks", "webhook/store.rs", "webhook/queue.rs"),
    ("webhook_deliveries", "webhook/queue.rs", ""),
    ("mail_templates", "mail/", ""),
    ("mails", "mail/outbox.rs", ""),
    ("oauth_providers", "oauth/provider.rs", "oauth/found.rs oauth/service.rs registry/grant/lease.rs"),
    ("oauth_services", "oauth/", "registry/grant/"),
    ("integration_credentials", "oauth/integration.rs", ""),
    ("oauth_clients", "oauth/client.rs", ""),
    ("oauth_states", "oauth/state.rs", "oauth/client.rs"),
    ("sign_in_prompts", "oauth/prompt.rs", ""),
    ("sign_in_obstacles", "credentials/obstacle.rs", ""),
    ("academy_accesses", "academy/", ""),
    ("academy_bookings", "academy/", ""),
    ("academy_certificates", "academy/", ""),
    ("academy_chat_messages", "academy/", ""),
    ("academy_cohorts", "academy/", ""),
    ("academy_conversations", "academy/", ""),
    ("academy_course_instructors", "academy/", ""),
    ("academy_courses", "academy/", ""),
    ("academy_enrollments", "academy/", ""),
    ("academy_instructors", "academy/", ""),
    ("academy_materials", "academy/", ""),
    ("academy_notifications", "academy/", ""),
    ("academy_organizations", "academy/", ""),
    ("academy_page_words", "academy/", ""),
    ("academy_pages", "academy/", ""),
    ("academy_people", "academy/", "learner/info.rs"),
    ("academy_realms", "academy/", "learner/info.rs"),
    ("academy_slots", "academy/", ""),
    ("learner_events", "learner/", ""),
    ("career_companies", "career/company.rs", ""),
    ("career_contents", "career/content.rs", "career/resume.rs"),
    ("career_education", "career/education.rs", "career/institution.rs"),
    ("career_experience", "career/experience.rs", "career/company.rs"),
    ("career_files", "career/resume.rs", "career/content.rs"),
    ("career_institutions", "career/institution.rs", ""),
    ("career_resumes", "career/resume.rs", ""),
    ("chat_generations", "chat/generation.rs", ""),
    ("chat_messages", "chat/message.rs", ""),
    ("chat_sessions", "chat/session.rs", ""),
];

/// What stands before the name of a table in a statement, or where one is put together, and whether it is written there.
const BEFORE: &[(&[&str], bool)] = &[
    (&["insert", "into"], true),
    (&["update"], true),
    (&["delete", "from"], true),
    (&["queue_in!"], true),
    (&["from"], false),
    (&["join"], false),
];

/// Words of Rust or SQL, with nothing that stands around them but a `!`.
fn words(text: &str) -> Vec<&str> {
    let around = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | ',' | ';');
    let words = text.split(around).filter(|word| !word.is_empty());
    words.collect()
}

/// The tables that there are after every migration, and the one that counts migrations.
fn tables() -> BTreeSet<String> {
    let mut tables = BTreeSet::from(["schema_migrations".to_owned()]);
    for file in files(&["migrations"], &["sql"]) {
        let lines = file.text.lines();
        let lines: Vec<&str> = lines
            .filter(|line| !line.starts_with("--") && !line.starts_with("{{"))
            .collect();
        for statement in lines.join("\n").split(';') {
            let statement = statement
                .replace("IF NOT EXISTS ", "")
                .replace("IF EXISTS ", "");
            match words(&statement).as_slice() {
                ["CREATE", "TABLE", name, ..] => tables.insert((*name).to_owned()),
                ["DROP", "TABLE", name, ..] => tables.remove(*name),
                ["ALTER", "TABLE", name, "RENAME", "TO", new] => {
                    tables.remove(*name) && tables.insert((*new).to_owned())
                }
                _ => false,
            };
        }
    }
    tables
}

/// The tables that a text names in statements, each with whether it is written.
fn named(text: &str, tables: &BTreeSet<String>) -> BTreeSet<(String, bool)> {
    let words = words(text);
    let mut found = BTreeSet::new();
    for (at, table) in words.iter().enumerate() {
        if !tables.contains(*table) {
            continue;
        }
        let is_before = |how: &[&str]| {
            let mut pairs = words[..at].iter().rev().zip(how.iter().rev());
            at >= how.len() && pairs.all(|(word, how)| word.eq_ignore_ascii_case(how))
        };
        if let Some((_, is_written)) = BEFORE.iter().find(|(how, _)| is_before(how)) {
            found.insert(((*table).to_owned(), *is_written));
        }
    }
    found
}

fn is_in(path: &str, places: &str) -> bool {
    places
        .split_whitespace()
        .any(|place| path.starts_with(place))
}

#[test]
fn every_table_of_the_schema_has_one_owner() {
    let tables = tables();
    let listed: Vec<&str> = OWNERS.iter().map(|(name, ..)| *name).collect();
    let unlisted = tables
        .iter()
        .filter(|table| !listed.contains(&table.as_str()));
    let mut complaints: Vec<String> = unlisted
        .map(|table| format!("migrations: `{table}` has no owner"))
        .collect();
    for (at, name) in listed.iter().enumerate() {
        if !tables.contains(*name) {
            complaints.push(format!("OWNERS: no migration leaves a table `{name}`"));
        }
        if listed[..at].contains(name) {
            complaints.push(format!("OWNERS: `{name}` is listed twice"));
        }
    }
    complain("Say in OWNERS which module writes it.", &complaints);
}

#[test]
fn a_table_is_named_by_its_owner_and_by_who_is_known_to_read_it() {
    let tables = tables();
    let mut complaints = Vec::new();
    let mut readers = BTreeSet::new();
    for source in product() {
        let path = source.inside();
        let path = path.as_str();
        let lines: Vec<&str> = source.product_lines().map(|(_, line)| line).collect();
        for (table, is_written) in named(&lines.join("\n"), &tables) {
            let Some((name, owner, others)) = OWNERS.iter().find(|(name, ..)| *name == table)
            else {
                continue;
            };
            if is_in(path, owner) {
                continue;
            }
            if is_written {
                complaints.push(format!("{path}: writes `{table}`, which is `{owner}`'s"));
            } else if is_in(path, others) {
                readers.extend(
                    others
                        .split_whitespace()
                        .filter(|place| path.starts_with(place))
                        .map(|place| (*name, place)),
                );
            } else {
                complaints.push(format!("{path}: reads `{table}`, which is `{owner}`'s"));
            }
        }
    }
    for (name, _, others) in OWNERS {
        let idle = others
            .split_whitespace()
            .filter(|place| !readers.contains(&(*name, *place)));
        complaints.extend(
            idle.map(|place| format!("{place}: reads `{name}` no more: take it out of the table")),
        );
    }
    complain(
        "Call a function of the owner, or defend a new reader in OWNERS.",
        &complaints,
    );
}
