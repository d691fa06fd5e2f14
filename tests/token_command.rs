//! `token create`, `list`, `rotate` and `revoke` for the keys of the academy, beside a running gateway.

use serde_json::json;

use crate::harness::cli::{complained, said};
use crate::harness::{Gateway, Mcp, eventually};

/// Kind, scope, beginning of a key, and what it opens.
const KINDS: [(&str, &str, &str, &str); 2] = [
    ("aea", "learner", "aea_learner_", "/mcp/v1/"),
    ("mcp", "enrollments:read", "sk_mcp_live_", "/mcp/v2/"),
];

/// The status with which an endpoint answers a key.
async fn status(gateway: &Gateway, key: &str, path: &str) -> u16 {
    let mut person = gateway.anonymous();
    person.key = Some(key.to_owned());
    let client = Mcp::modern(&person, path);
    client.request("tools/list", json!({})).await.status
}

/// The rows of the list with this name, newest last, each in its columns.
async fn listed(gateway: &Gateway, name: &str) -> Vec<Vec<String>> {
    let list = said(gateway, &["token", "list", "--tenant", "acme"]).await;
    let rows = list.lines().map(|line| line.split('\t'));
    let rows = rows.map(|columns| columns.map(str::to_owned).collect::<Vec<_>>());
    let mut rows: Vec<Vec<String>> = rows.filter(|row| row[5] == name).collect();
    rows.sort_by_key(|row| row[0].parse::<i64>().unwrap());
    rows
}

fn row(id: &str, kind: &str, key: &str, state: &str) -> Vec<String> {
    let last = format!("…{}", &key[key.len() - 4..]);
    [id, kind, "bob", &last, state, "Agent"]
        .map(str::to_owned)
        .to_vec()
}

#[tokio::test]
async fn a_key_is_made_listed_replaced_and_revoked() {
    for (kind, scope, prefix, path) in KINDS {
        let gateway = Gateway::start().await;
        let create = [
            "token", "create", "--tenant", "acme", "--user", "bob", "--kind", kind, "--scope",
            scope, "--name", "Agent",
        ];
        let made = said(&gateway, &create).await;
        let old = made.strip_suffix('\n').unwrap();
        assert!(old.starts_with(prefix) && !old.contains(char::is_whitespace));
        assert_eq!(status(&gateway, old, path).await, 200);
        let rows = listed(&gateway, "Agent").await;
        let id = rows[0][0].clone();
        assert_eq!(rows, [row(&id, kind, old, "works")]);

        let rotate = ["token", "rotate", &id, "--overlap", "1h"];
        let made = said(&gateway, &rotate).await;
        let new = made.strip_suffix('\n').unwrap();
        assert!(new.starts_with(prefix) && new != old);
        for key in [old, new] {
            assert_eq!(status(&gateway, key, path).await, 200);
        }
        let rows = listed(&gateway, "Agent").await;
        let next = rows[1][0].clone();
        let both = [row(&id, kind, old, "works"), row(&next, kind, new, "works")];
        assert_eq!(rows, both);

        let revoked = said(&gateway, &["token", "revoke", &id]).await;
        assert_eq!(revoked, format!("revoked {id}\n"));
        eventually("the old key to stop", async || {
            (status(&gateway, old, path).await == 401).then_some(())
        })
        .await;
        assert_eq!(status(&gateway, new, path).await, 200);
        let rows = listed(&gateway, "Agent").await;
        assert_eq!(rows[0], row(&id, kind, old, "revoked"));
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_nothing_is_made() {
    let gateway = Gateway::start().await;
    let before = said(&gateway, &["token", "list", "--tenant", "acme"]).await;
    let create = |kind, scope| {
        [
            "token", "create", "--tenant", "acme", "--user", "bob", "--kind", kind, "--scope",
            scope,
        ]
    };
    for (arguments, code, word) in [
        (
            &create("aea", "enrollments:read")[..],
            1,
            "enrollments:read",
        ),
        (&create("mcp", "learner")[..], 1, "learner"),
        (&create("paper", "learner")[..], 2, "paper"),
        (&["token", "rotate", "999999"][..], 1, "not found"),
        (&["token", "revoke", "999999"][..], 1, "not found"),
        (
            &["token", "rotate", "1", "--overlap", "soon"][..],
            2,
            "soon",
        ),
    ] {
        let said = complained(&gateway, arguments, code).await;
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    let after = said(&gateway, &["token", "list", "--tenant", "acme"]).await;
    assert_eq!(after, before);
}
