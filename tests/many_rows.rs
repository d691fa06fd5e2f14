//! What a call and a list cost in a full database, counted by the database itself, and that their counts stay right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mentor_gateway::audit::{self, Counts, retention};
use mentor_gateway::clock::UnixMs;
use mentor_gateway::credentials::{Resolution, Subject, resolve};
use mentor_gateway::registry::connection;
use mentor_gateway::registry::server::{self, ServerId};
use mentor_gateway::storage::{Db, PageRequest, Tx};
use mentor_gateway::tenant::user::{self, UserId};
use mentor_gateway::tenant::{self, TenantId};
use mentor_gateway::{sql, sql_many};
use serde_json::json;

use crate::harness::{Gateway, PUBLIC_SERVER, connect, register};

/// Enough for a difference between one row and all of them.
const OTHERS: i64 = 3000;

/// More rows than a count is made from each time.
const AUDIT_ROWS: i64 = 11_000;
/// Most that a database does for a page of few rows, however many there are: steps of SQLite, or rows of PostgreSQL.
const WORK_MAX: u64 = 3000;
/// The first page of a list.
const FIRST: PageRequest = PageRequest {
    number: 1,
    size: 25,
};

/// What a database did: steps of SQLite's machine, or rows that PostgreSQL read from the tables of the registry. Counted
/// the second time: the first time it reads its schema, and the statements are prepared.
async fn work<T>(db: &Db, what: impl AsyncFn(&mut Tx) -> T) -> (T, u64) {
    let mut tx = db.read().await.unwrap();
    what(&mut tx).await;
    let steps = Arc::new(AtomicU64::new(0));
    if let Tx::Sqlite(tx) = &mut tx {
        let counted = steps.clone();
        let mut handle = tx.lock_handle().await.unwrap();
        handle.set_progress_handler(1, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            true
        });
    }
    let before = rows_read(&mut tx).await;
    let came = what(&mut tx).await;
    let after = rows_read(&mut tx).await;
    if let Tx::Sqlite(tx) = &mut tx {
        tx.lock_handle().await.unwrap().remove_progress_handler();
    }
    (came, steps.load(Ordering::Relaxed) + after - before)
}

/// Rows that this transaction read on PostgreSQL.
async fn rows_read(tx: &mut Tx) -> u64 {
    let Tx::Postgres(_) = tx else { return 0 };
    let rows = sql!(
        tx,
        scalar as i64,
        "SELECT CAST(COALESCE(SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0)), 0) AS BIGINT)
         FROM pg_stat_xact_user_tables
         WHERE relname IN ('connections', 'servers', 'audit') AND schemaname = current_schema()"
    );
    u64::try_from(rows.unwrap()).unwrap()
}

/// Tells PostgreSQL's planner what there is now, as it finds out by itself some time later. SQLite's never knows.
async fn analyze(db: &Db) {
    let mut tx = db.write().await.unwrap();
    if let Tx::Postgres(_) = tx {
        // Without their names it would look at every other test's.
        sql!(
            &mut tx,
            execute,
            "ANALYZE connections, servers, users, audit"
        )
        .unwrap();
    }
    tx.commit().await.unwrap();
}

/// Gives that many new people of a tenant a connection each to a server.
async fn fill(db: &Db, tenant: TenantId, server: ServerId) {
    let mut tx = db.write().await.unwrap();
    for number in 0..OTHERS {
        let person = sql!(
            &mut tx,
            scalar as UserId,
            "INSERT INTO users (tenant_id, username, email, role, is_active, created_at)
             VALUES ($1, $2, $2, 'learner', TRUE, 0) RETURNING id",
            tenant,
            format!("other-{number}@example.com")
        );
        sql!(
            &mut tx,
            execute,
            "INSERT INTO connections (tenant_id, server_id, scope, auth_type, user_id, origin, credentials_sealed,
                 authorization_scheme, extra_headers_sealed, is_active, is_shared, created_at, updated_at)
             VALUES ($1, $2, 'user', 'token', $3, '', 'sealed', '', '', TRUE, FALSE, 0, 0)",
            tenant,
            server,
            person.unwrap()
        )
        .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn acme(db: &Db) -> TenantId {
    let mut tx = db.read().await.unwrap();
    tenant::get(&mut tx, "acme").await.unwrap().id
}

/// What a call of bob's at a server is resolved to, and what that cost.
async fn resolved(gateway: &Gateway, server: ServerId) -> (Resolution, u64) {
    let db = &gateway.app.db;
    let mut tx = db.read().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let bob = user::get(&mut tx, acme.id, "bob").await.unwrap();
    let server = server::get_visible(&mut tx, acme.id, server).await.unwrap();
    drop(tx);
    let subject = Subject {
        tenant: acme.id,
        user: bob.id,
        mentor: None,
    };
    let now = gateway.app.clock.now();
    work(db, async |tx| {
        resolve(tx, &server, subject, now).await.unwrap()
    })
    .await
}

#[tokio::test]
async fn a_call_costs_the_same_however_many_others_have_connections() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let fields = json!({"auth_type": "token", "auth_scope": "platform"});
    let server = register(&admin, "Drive", PUBLIC_SERVER, fields).await;
    for fields in [
        json!({"scope": "platform", "auth_type": "token", "credentials": "of all"}),
        json!({"scope": "user", "user": "carol", "auth_type": "token", "credentials": "carol's"}),
    ] {
        connect(&admin, server, fields).await;
    }
    let server = ServerId(server);
    analyze(&gateway.app.db).await;
    let (before, few) = resolved(&gateway, server).await;

    let acme = acme(&gateway.app.db).await;
    fill(&gateway.app.db, acme, server).await;
    analyze(&gateway.app.db).await;
    let (after, many) = resolved(&gateway, server).await;

    assert_eq!(after, before);
    assert_eq!(after.step_word(), "platform");
    assert!(many <= few + few / 20, "{few} before, {many} after");
}

/// That many successful calls of a tenant, one of each thousand of which is unlike the others.
async fn fill_audit(db: &Db, tenant: TenantId, rows: std::ops::Range<i64>) {
    let mut tx = db.write().await.unwrap();
    let rows: Vec<i64> = rows.collect();
    for part in rows.chunks(500) {
        sql_many!(
            &mut tx,
            "INSERT INTO audit (at, tenant_id, username, actor, token_id, action, object, mentor, server_id, tool,
                                step, outcome, duration_us, request_id, detail, peer) ",
            part,
            |to, row| {
                let word = |usual, seldom| if row % 1000 == 0 { seldom } else { usual };
                to.push_bind(*row)
                    .push_bind(tenant.0)
                    .push_bind(word("bob", "carol"))
                    .push_bind(word("", "alice"))
                    .push_bind(1)
                    .push_bind(word("tools/call", "connection.create"))
                    .push_bind(word("", "connection:7"))
                    .push_bind(word("one", "another"))
                    .push_bind(if row % 1000 == 0 { 8 } else { 7 })
                    .push_bind(word("search", "find"))
                    .push_bind("platform")
                    .push_bind(word("ok", "timeout"))
                    .push_bind(1)
                    .push_bind(word("request", "seldom"))
                    .push_bind("")
                    .push_bind("")
            }
        )
        .unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_list_costs_what_its_filter_leaves() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let fields = json!({"auth_type": "token"});
    let server = ServerId(register(&admin, "Drive", PUBLIC_SERVER, fields).await);
    let db = &gateway.app.db;
    let acme = acme(db).await;
    fill(db, acme, server).await;
    fill_audit(db, acme, 0..AUDIT_ROWS).await;
    analyze(db).await;

    let person = connection::Filter {
        user: Some("other-7@example.com".into()),
        ..connection::Filter::default()
    };
    let (found, cost) = work(db, async |tx| {
        connection::list(tx, acme, &person, FIRST).await.unwrap()
    })
    .await;
    assert_eq!((found.total, found.rows.len()), (1, 1));
    assert!(cost <= WORK_MAX, "connections of a person: {cost}");

    let counts = Counts::new(&gateway.app.clock);
    for name in [
        "user", "actor", "action", "object", "server", "outcome", "mentor", "tool", "request",
    ] {
        let is = |wanted: &str, value: &str| (name == wanted).then(|| value.to_owned());
        let filter = audit::Filter {
            username: is("user", "carol"),
            actor: is("actor", "alice"),
            action: is("action", "connection.create"),
            object: is("object", "connection:7"),
            server_id: (name == "server").then_some(8),
            outcome: is("outcome", "timeout"),
            mentor: is("mentor", "another"),
            tool: is("tool", "find"),
            request_id: is("request", "seldom"),
            ..audit::Filter::default()
        };
        let list = async |tx: &mut Tx| {
            audit::list(tx, &counts, acme, &filter, FIRST)
                .await
                .unwrap()
        };
        let (found, cost) = work(db, list).await;
        assert_eq!((found.total, found.rows.len()), (11, 11), "{name}");
        assert!(cost <= WORK_MAX, "audit by {name}: {cost}");
    }
}

#[tokio::test]
async fn the_count_of_very_many_rows_is_right_when_some_come_and_some_go() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let db = &gateway.app.db;
    let acme = acme(db).await;
    let count = async || {
        let list = admin.get("audit/?server=7&page_size=1").await.expect(200);
        list["count"].as_i64().unwrap()
    };
    let left = |rows: i64| rows - (rows + 999) / 1000;

    fill_audit(db, acme, 0..AUDIT_ROWS).await;
    assert_eq!(count().await, left(AUDIT_ROWS));
    fill_audit(db, acme, AUDIT_ROWS..AUDIT_ROWS + 500).await;
    assert_eq!(count().await, left(AUDIT_ROWS + 500));
    let gone = retention::expire(db, UnixMs(300)).await.unwrap();
    assert_eq!(gone, 300);
    assert_eq!(count().await, left(AUDIT_ROWS + 500) - left(300));
}
