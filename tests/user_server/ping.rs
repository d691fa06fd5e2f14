//! `ping`.

use serde_json::json;

use super::NOW;
use crate::harness::Academy;

#[tokio::test]
async fn the_server_says_what_time_it_has() {
    let academy = Academy::user().await;
    let answer = academy.call(&academy.learner, "ping", json!({})).await;
    assert_eq!(answer, json!({ "timestamp": NOW }));
}
