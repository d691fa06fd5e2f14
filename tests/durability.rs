//! What was acknowledged is there after the process was killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mentor_gateway::registry::server::built_in;
use mentor_gateway::sql;
use mentor_gateway::storage::Tx;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Client, Gateway, PUBLIC_SERVER, eventually};

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

#[tokio::test]
async fn replicas_that_start_together_with_a_new_database_all_serve() {
    let gateway = Gateway::start().await;
    let app = &gateway.app;
    let mut first = app.db.write().await.unwrap();
    let stored = built_in::store(&mut first, &[], &gateway.base, app.clock.now()).await;
    stored.unwrap();
    let mut second = JoinSet::new();
    let other = app.clone();
    second.spawn(async move { other.offer_own_servers().await });
    // On SQLite the second cannot even begin before the first is done.
    if matches!(first, Tx::Postgres(_)) {
        let process = sql!(&mut first, scalar as i32, "SELECT pg_backend_pid()").unwrap();
        eventually("the second waits for the first", async || {
            let mut tx = app.db.read().await.unwrap();
            let waiting = sql!(
                &mut tx,
                scalar as i64,
                "SELECT COUNT(*) FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))",
                process
            );
            (waiting.unwrap() > 0).then_some(())
        })
        .await;
    }
    first.commit().await.unwrap();
    second.join_next().await.unwrap().unwrap().unwrap();
    let mut tx = app.db.read().await.unwrap();
    let native = sql!(
        &mut tx,
        scalar as i64,
        "SELECT COUNT(*) FROM servers JOIN tenants ON tenants.id = tenant_id
         WHERE key = 'built-in' AND native <> ''"
    );
    assert_eq!(native.unwrap(), 3);
}
