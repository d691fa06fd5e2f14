//! What was acknowledged is there after the process was killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Client, Gateway, PUBLIC_SERVER};

const KILLS: usize = 3;
const WRITERS: usize = 8;
/// Writes that are acknowledged before the process is killed, with the others still on their way.
const WRITES_MIN: usize = 40;

/// Registers servers until nobody answers; returns the numbers that were acknowledged.
async fn write(admin: Client, acknowledged: Arc<AtomicUsize>) -> Vec<i64> {
    let mut ids = Vec::new();
    loop {
        let server = json!({ "name": "Kept", "url": PUBLIC_SERVER, "tool_prefix": "" });
        let request = admin.request(Method::POST, "mcp-servers/").json(&server);
        let Ok(response) = request.send().await else {
            return ids;
        };
        assert_eq!(response.status(), 201);
        // The answer may be cut off: then it says nothing.
        let Ok(made) = response.json::<serde_json::Value>().await else {
            return ids;
        };
        ids.push(made["id"].as_i64().unwrap());
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_killed_process_has_every_write_that_it_acknowledged() {
    let gateway = Gateway::start_today().await;
    let admin = gateway.admin().await;
    for _ in 0..KILLS {
        let (mut process, address) = gateway.process().await;
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let there = Client::new(&address, "acme", "alice", admin.key.clone());
            writers.spawn(write(there, acknowledged.clone()));
        }
        while acknowledged.load(Ordering::SeqCst) < WRITES_MIN {
            tokio::task::yield_now().await;
        }
        process.kill().await.unwrap();

        let ids = writers.join_all().await.concat();
        assert!(ids.len() >= WRITES_MIN);
        for id in ids {
            let kept = admin.get(&format!("mcp-servers/{id}/")).await.expect(200);
            assert_eq!(kept["name"], "Kept");
        }
    }
    let rows = admin
        .get("mcp-servers/?page_size=1&is_featured=false")
        .await
        .expect(200);
    let log = admin.get("audit/?page_size=1").await.expect(200);
    // One row for each write, also for those whose answer got lost.
    assert_eq!(log["count"], rows["count"]);
}

/// How many replicas start together.
const REPLICAS: usize = 6;

#[tokio::test]
async fn replicas_that_start_together_with_a_new_database_all_serve() {
    let gateway = Gateway::start_today().await;
    let starting = (0..REPLICAS).map(|_| gateway.process());
    let replicas = futures_util::future::join_all(starting).await;
    for (_, address) in &replicas {
        let admin = gateway.admin().await.at(address);
        let featured = admin.get("mcp-servers/?is_featured=true").await.expect(200);
        let native = featured["results"].as_array().unwrap().iter();
        let named = native.filter(|server| server["url"].as_str().unwrap().contains("/mcp/v"));
        assert_eq!(named.count(), 2, "{featured}");
    }
}
