//! Audit rows are deleted when their time is over, and not before.

use std::time::Duration;

use mentor_gateway::audit::retention;
use mentor_gateway::clock::UnixMs;
use serde_json::json;

use crate::harness::{Gateway, PUBLIC_SERVER, register};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn old_rows_go_and_newer_ones_stay() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    for name in ["first", "second"] {
        register(&admin, name, PUBLIC_SERVER, json!({})).await;
    }
    gateway.advance(DAY);
    register(&admin, "third", PUBLIC_SERVER, json!({})).await;
    let db = &gateway.app.db;
    let now = gateway.app.clock.now();

    assert_eq!(
        retention::expire(db, UnixMs(now.0 - 86_400_000))
            .await
            .unwrap(),
        0
    );
    assert_eq!(retention::expire(db, now).await.unwrap(), 2);
    let left = admin.get("audit/").await.expect(200);
    assert_eq!(left["count"], 1);
    assert_eq!(retention::expire(db, now.plus(DAY)).await.unwrap(), 1);
}
