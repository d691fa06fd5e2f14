//! `get_company`.

use serde_json::json;

use super::{acme, only_its_learner_lists};

const TOOL: &str = "get_company";

#[tokio::test]
async fn a_learner_and_their_administrator_see_it_and_nobody_else() {
    let academy = only_its_learner_lists(TOOL).await;
    let made = acme(&academy).await;
    for person in [&academy.learner, &academy.admin] {
        let listed = academy
            .call(person, TOOL, json!({ "username": "bob" }))
            .await;
        assert_eq!(listed, json!({ "results": [made] }));
    }
    let own = academy
        .call(&academy.admin, TOOL, json!({ "username": "alice" }))
        .await;
    assert_eq!(own, json!({ "results": [] }));
}
