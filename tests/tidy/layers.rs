//! Who may use whom, and which modules alone may do a dangerous thing.

use std::collections::BTreeSet;

use super::{complain, sources};

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
    ("egress", "descriptors error"),
    ("metrics", "tasks"),
    ("secret", "clock"),
    ("storage", "clock error"),
    ("fields", "clock error storage"),
    ("queue", "clock error storage"),
    ("files", "egress error secret"),
    ("config", "files secret storage"),
    ("mcp", "error"),
    ("tenant", "clock error storage"),
    ("auth", "cache clock egress error secret storage tenant"),
    ("audit", "auth cache clock error mcp metrics storage tasks tenant"),
    ("rate_limit", "auth clock error tenant"),
    ("registry", "auth clock egress error fields secret storage tenant"),
    ("webhook", "auth clock egress error queue registry secret storage tenant"),
    ("mail", "auth clock egress error queue secret storage tenant"),
    ("oauth", "audit auth clock egress error queue registry secret storage tasks tenant"),
    ("credentials", "clock error oauth registry secret storage tenant"),
    ("guard", "auth clock error metrics registry storage tenant"),
    ("model", "credentials egress error registry secret storage tenant"),
    ("academy", "auth clock error mail model secret storage tenant webhook"),
    ("learner", "academy auth clock error storage tenant"),
    ("career", "academy auth clock error fields files learner secret storage tenant"),
    ("native", "academy audit auth career clock error fields files guard learner mail mcp model rate_limit secret storage tasks trace"),
    ("upstream", "clock credentials egress error mcp registry secret tasks tenant trace"),
    ("gateway", "audit auth cache clock credentials error guard mcp native oauth registry secret storage tasks tenant trace upstream"),
    ("chat", "auth clock error gateway guard learner mcp model storage tasks tenant trace upstream"),
    ("jobs", "academy career clock egress error files mail oauth secret storage tasks webhook"),
    ("app", "audit auth chat clock config egress error files gateway guard jobs mail metrics model native oauth rate_limit registry secret storage tasks trace upstream webhook"),
    ("http", "academy app audit auth career chat clock config credentials descriptors egress error fields gateway guard learner mail mcp metrics native oauth rate_limit registry secret storage tasks tenant trace upstream webhook"),
    ("cli", "academy app audit auth career clock config credentials egress error files http learner mcp native oauth registry secret storage tasks tenant trace upstream"),
];

/// Texts that only these files or folders may contain, and why.
#[rustfmt::skip]
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("clippy::disallowed_types", &["src/egress/"], "only `egress` opens a socket to the outside"),
    ("clippy::disallowed_methods", &["src/clock.rs", "src/config.rs"], "only `clock` reads the clock and only `config` the environment"),
    (".expose()", &["src/secret/", "src/config.rs", "src/files/bucket.rs", "src/credentials/headers.rs", "src/credentials/echo.rs", "src/oauth/", "src/registry/sealed.rs", "src/registry/keys/mod.rs", "src/gateway/bond.rs", "src/http/tenant/api_keys.rs", "src/http/webhooks/hooks.rs", "src/webhook/sign.rs", "src/mail/send.rs", "src/auth/session.rs", "src/http/pages/cookie.rs", "src/cli/"], "a secret is read in the clear where it is sent, shown or typed, and nowhere else"),
    ("Tx::Sqlite", &["src/storage/"], "only `storage` knows that there are two databases"),
    ("Tx::Postgres", &["src/storage/"], "only `storage` knows that there are two databases"),
    ("StatusCode", &["src/http/", "src/egress/", "src/oauth/", "src/upstream/"], "only the modules that speak HTTP know status codes"),
    ("println!", &["src/cli/", "src/main.rs"], "only the command line prints"),
    ("std::process", &["src/main.rs"], "nothing but `main` ends the process or starts another"),
];

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
    for source in sources(&["src"]) {
        let module = source.module();
        if matches!(module, "lib" | "main") {
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
fn the_crate_lists_its_modules_bottom_up() {
    let text = super::read("src/lib.rs");
    let declared: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let mut below = BTreeSet::new();
    for module in declared {
        let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == module).unwrap();
        for other in allowed.split_whitespace() {
            assert!(
                below.contains(other),
                "src/lib.rs: `{other}` must stand above `{module}`"
            );
        }
        below.insert(module);
    }
    assert_eq!(
        below.len(),
        MAY_USE.len(),
        "src/lib.rs and MAY_USE name different modules"
    );
}

#[test]
fn dangerous_things_happen_in_one_place() {
    let mut complaints = Vec::new();
    for source in sources(&["src"]) {
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
    for source in sources(&["src"])
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
