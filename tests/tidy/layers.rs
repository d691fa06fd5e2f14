//! Who may use whom, and which modules alone may do a dangerous thing.

use std::collections::BTreeSet;

use super::{complain, product, read};

/// The crates, lowest floor first, and the modules of each. The binary's, at the top of the repository, has no name here.
/// A crate of one module is that module.
#[rustfmt::skip]
pub(super) const FLOORS: &[(&str, &str)] = &[
    ("base", "error clock cache descriptors trace tasks metrics secret storage fields queue"),
    ("egress", "egress"),
    ("mcp", "mcp"),
    ("tenancy", "tenant auth audit rate_limit"),
    ("broker", "registry oauth credentials guard model"),
    ("delivery", "webhook mail"),
    ("learning", "files academy learner career"),
    ("native", "native"),
    ("relay", "upstream gateway chat"),
    ("", "config jobs app http cli"),
];

/// Bottom first: a module may use those that are named in its row and stand in a row above it.
/// A new edge is an edit here, to be talked about in review; an edge downwards in the table does not exist.
#[rustfmt::skip]
const MAY_USE: &[(&str, &str)] = &[
    ("error", ""),
    ("clock", ""),
    ("cache", "clock"),
    ("descriptors", ""),
    ("trace", "clock"),
    ("tasks", "clock error trace"),
    ("metrics", "tasks"),
    ("secret", "clock"),
    ("storage", "clock error"),
    ("fields", "clock error storage"),
    ("queue", "clock error storage"),
    ("egress", "descriptors error"),
    ("mcp", "error"),
    ("tenant", "clock error fields storage"),
    ("auth", "cache clock egress error secret storage tenant"),
    ("audit", "auth cache clock error mcp metrics storage tasks tenant"),
    ("rate_limit", "auth clock error tenant"),
    ("registry", "auth clock egress error fields secret storage tenant"),
    ("oauth", "audit auth clock egress error registry secret storage tasks tenant"),
    ("credentials", "clock error oauth registry secret storage tenant"),
    ("guard", "auth clock error metrics registry storage tenant"),
    ("model", "credentials egress error registry secret storage tenant"),
    ("webhook", "auth clock egress error queue registry secret storage tenant"),
    ("mail", "auth clock egress error queue secret storage tenant"),
    ("files", "egress error secret"),
    ("academy", "auth clock error mail model secret storage tenant webhook"),
    ("learner", "academy auth clock error storage tenant"),
    ("career", "academy auth clock error fields files learner secret storage tenant"),
    ("native", "academy audit auth career clock error fields files guard learner mail mcp model rate_limit secret storage tasks trace"),
    ("upstream", "clock credentials egress error mcp registry secret tasks tenant trace"),
    ("gateway", "audit auth cache clock credentials error guard mcp native oauth registry secret storage tasks tenant trace upstream"),
    ("chat", "auth clock error gateway guard learner mcp model storage tasks tenant trace upstream"),
    ("config", "files secret storage"),
    ("jobs", "academy career clock egress error files mail oauth secret storage tasks webhook"),
    ("app", "audit auth chat clock config egress error files gateway guard jobs mail metrics model native oauth rate_limit registry secret storage tasks trace upstream webhook"),
    ("http", "academy app audit auth career chat clock config credentials descriptors egress error fields gateway guard learner mail mcp metrics native oauth rate_limit registry secret storage tasks tenant trace upstream webhook"),
    ("cli", "academy app audit auth career clock config credentials egress error files http learner mcp native oauth registry secret storage tasks tenant trace upstream"),
];

/// Texts that only these files or folders may contain, and why.
#[rustfmt::skip]
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("clippy::disallowed_types", &["crates/egress/src/"], "only `egress` opens a socket to the outside"),
    ("clippy::disallowed_methods", &["crates/base/src/clock.rs", "src/config.rs"], "only `clock` reads the clock and only `config` the environment"),
    (".expose()", &["crates/base/src/secret/", "src/config.rs", "crates/learning/src/files/bucket.rs", "crates/broker/src/credentials/headers.rs", "crates/broker/src/credentials/echo.rs", "crates/broker/src/oauth/", "crates/broker/src/registry/sealed.rs", "crates/broker/src/registry/keys/mod.rs", "crates/relay/src/gateway/bond.rs", "src/http/tenant/api_keys.rs", "src/http/webhooks/hooks.rs", "crates/delivery/src/webhook/sign.rs", "crates/delivery/src/mail/send.rs", "crates/tenancy/src/auth/session.rs", "src/http/pages/cookie.rs", "src/cli/"], "a secret is read in the clear where it is sent, shown or typed, and nowhere else"),
    ("Tx::Sqlite", &["crates/base/src/storage/"], "only `storage` knows that there are two databases"),
    ("Tx::Postgres", &["crates/base/src/storage/"], "only `storage` knows that there are two databases"),
    ("StatusCode", &["src/http/", "crates/egress/src/", "crates/broker/src/oauth/", "crates/relay/src/upstream/"], "only the modules that speak HTTP know status codes"),
    ("println!", &["src/cli/", "src/main.rs"], "only the command line prints"),
    ("std::process", &["src/main.rs"], "nothing but `main` ends the process or starts another"),
];

/// Whether a crate is one module.
pub(super) fn is_one_module(floor: &str) -> bool {
    FLOORS.contains(&(floor, floor))
}

/// A text of this crate as it would be if there were one for all.
pub(super) fn in_one_crate(floor: Option<&str>, text: &str) -> String {
    let mut text = match floor.filter(|floor| is_one_module(floor)) {
        Some(floor) => with_path(text, "crate::", &format!("crate::{floor}::")),
        None => text.to_owned(),
    };
    for (other, _) in FLOORS.iter().filter(|(other, _)| !other.is_empty()) {
        let is_own = floor == Some(other);
        text = match is_one_module(other) {
            _ if is_own => text,
            // A module may bear the name of a crate: what it begins is not surely the crate's.
            true => with_path(
                &with_path(&text, &format!("::{other}::"), &format!("crate::{other}::")),
                &format!("use {other}::"),
                &format!("use crate::{other}::"),
            ),
            false => with_path(&text, &format!("{other}::"), "crate::"),
        };
    }
    text
}

/// The text with another beginning for the paths that begin so.
fn with_path(text: &str, begin: &str, other: &str) -> String {
    let mut changed = String::new();
    let mut rest = 0;
    for (at, _) in text.match_indices(begin) {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '$');
        if !text[..at].ends_with(is_word) {
            changed.extend([&text[rest..at], other]);
            rest = at + begin.len();
        }
    }
    changed + &text[rest..]
}

/// The modules that a text names after `crate::`.
fn used(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => rest,
        };
        for name in names
            .split(',')
            .take(if rest.starts_with('{') { usize::MAX } else { 1 })
        {
            let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            let name = name.trim().split(end).next().unwrap_or_default();
            // Macros are exported at the root.
            let module = match name {
                "queue_in" => "queue",
                "request" => "fields",
                "words" => "storage",
                sql if sql.starts_with("sql") => "storage",
                module => module,
            };
            found.insert(module.to_owned());
        }
    }
    found
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut complaints = Vec::new();
    for source in product() {
        let module = source.module();
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            complaints.push(format!(
                "{}: the table does not know `{module}`",
                source.path
            ));
            continue;
        };
        for (number, line) in source.product_lines() {
            for other in used(line) {
                if other != module && !allowed.split(' ').any(|name| name == other) {
                    complaints.push(format!(
                        "{}:{number}: `{module}` uses `{other}`",
                        source.path
                    ));
                }
            }
        }
    }
    complain(
        "Turn the dependency round, or defend a new edge in MAY_USE.",
        &complaints,
    );
}

#[test]
fn the_table_of_layers_has_no_circle() {
    for (at, (module, allowed)) in MAY_USE.iter().enumerate() {
        for other in allowed.split_whitespace() {
            let is_below = MAY_USE[..at].iter().any(|(name, _)| *name == other);
            assert!(
                is_below,
                "`{module}` may not use `{other}`, which is not above it in the table"
            );
        }
    }
}

#[test]
fn floors_are_crates() {
    let modules = FLOORS.iter().flat_map(|(_, modules)| modules.split(' '));
    assert!(
        modules.eq(MAY_USE.iter().map(|(module, _)| *module)),
        "FLOORS and MAY_USE name the same modules in the same order"
    );
    let floor_of = |module: &str| {
        let mut floors = FLOORS.iter();
        let found = floors.find(|(_, modules)| modules.split(' ').any(|name| name == module));
        found.map(|(floor, _)| *floor).unwrap()
    };
    for (floor, modules) in FLOORS {
        let (root, manifest) = match *floor {
            "" => ("src/lib.rs".to_owned(), "Cargo.toml".to_owned()),
            floor => (
                format!("crates/{floor}/src/lib.rs"),
                format!("crates/{floor}/Cargo.toml"),
            ),
        };
        if !is_one_module(floor) {
            let text = read(&root);
            let declared = text
                .lines()
                .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
            assert!(
                declared.eq(modules.split(' ')),
                "{root} declares the modules of FLOORS, bottom up"
            );
        }
        let rows = MAY_USE
            .iter()
            .filter(|(module, _)| modules.split(' ').any(|name| name == *module));
        let used = rows.flat_map(|(_, allowed)| allowed.split_whitespace().map(floor_of));
        let used: BTreeSet<&str> = used.filter(|other| other != floor).collect();
        let text = read(&manifest);
        let (_, dependencies) = text.split_once("\n[dependencies]\n").unwrap();
        let named = dependencies
            .lines()
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.strip_suffix(".workspace = true"));
        let named: BTreeSet<&str> = named
            .filter(|name| FLOORS.iter().any(|(floor, _)| floor == name))
            .collect();
        assert_eq!(named, used, "{manifest}: the floors that its modules use");
    }
}

#[test]
fn dangerous_things_happen_in_one_place() {
    let mut complaints = Vec::new();
    for source in product() {
        for (number, line) in source.product_lines() {
            for (text, places, why) in ONLY_IN {
                if line.contains(text) && !places.iter().any(|place| source.path.starts_with(place))
                {
                    complaints.push(format!("{}:{number}: `{text}`: {why}", source.path));
                }
            }
        }
    }
    complain(
        "Move it there, or defend a new place in ONLY_IN.",
        &complaints,
    );
}

/// Calls that wait for somebody outside.
const WAITS: &[&str] = &[
    ".session(",
    ".ask(",
    ".request(",
    ".websocket(",
    "egress.send(",
    "files.put(",
    "files.get(",
    "files.delete(",
];

#[test]
fn files_that_open_a_transaction_do_not_wait_for_the_network() {
    let mut complaints = Vec::new();
    // `demo` sets up its tenant, and then is its own client.
    for source in product()
        .into_iter()
        .filter(|source| !source.path.starts_with("src/cli/demo/"))
    {
        let opens = |line: &str| line.contains("db.read()") || line.contains("db.write()");
        if !source.product_lines().any(|(_, line)| opens(line)) {
            continue;
        }
        for (number, line) in source.product_lines() {
            if WAITS.iter().any(|call| line.contains(call)) {
                complaints.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    complain(
        "Read first, close the transaction, call from another file.",
        &complaints,
    );
}
