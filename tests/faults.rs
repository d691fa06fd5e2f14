//! Faults of the database: what fails meanwhile, what readiness says of it, and that nothing of it stays.

use std::time::Duration;

use mentor_gateway::academy::sandbox;
use mentor_gateway::auth::token::Environment;
use mentor_gateway::clock::UnixMs;
use mentor_gateway::mail::{Campaign, Letter, Priority, State, enqueue};
use mentor_gateway::sql;
use mentor_gateway::storage::{Db, Tx};
use mentor_gateway::tenant;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::harness::{
    Academy, Answer, Client, Gateway, MailServer, Mcp, PUBLIC_SERVER, Reply, eventually,
};

/// Within this a service is there again by itself.
const RECOVERY: Duration = Duration::from_secs(15);

async fn register(admin: &Client) -> Answer {
    let server = json!({ "name": "Kept", "url": PUBLIC_SERVER, "tool_prefix": "" });
    admin.post("mcp-servers/", server).await
}

async fn readiness(gateway: &Gateway) -> u16 {
    gateway.anonymous().get("/health/ready").await.status
}

async fn ready(gateway: &Gateway, status: u16) {
    let what = format!("readiness {status}");
    eventually(&what, async || {
        (readiness(gateway).await == status).then_some(())
    })
    .await;
}

async fn execute(gateway: &Gateway, statements: &[&str]) {
    let mut tx = gateway.app.db.write().await.unwrap();
    for statement in statements {
        let statement = AssertSqlSafe((*statement).to_owned());
        sql!(&mut tx, execute, statement).unwrap();
    }
    tx.commit().await.unwrap();
}

fn is_postgres(gateway: &Gateway) -> bool {
    matches!(gateway.app.db, Db::Postgres(_))
}

/// How a table is broken so that whoever writes to it fails, and how it is mended.
struct Fault {
    name: &'static str,
    sqlite: &'static [&'static str],
    postgres: &'static [&'static str],
    mend: &'static [&'static str],
}

/// `{table}` is the one that is broken.
const FAULTS: [Fault; 3] = [
    Fault {
        name: "the database rolls back by itself, as for a full disk",
        sqlite: &[
            "CREATE TRIGGER fault BEFORE INSERT ON {table} BEGIN SELECT RAISE(ROLLBACK, 'fault'); END",
        ],
        postgres: &[
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               RAISE EXCEPTION 'fault' USING ERRCODE = 'disk_full'; END $$",
            "CREATE TRIGGER fault BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fault()",
        ],
        mend: &["DROP TRIGGER fault"],
    },
    Fault {
        name: "a statement fails",
        sqlite: &[
            "CREATE TRIGGER fault BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'fault'); END",
        ],
        postgres: &[
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               RAISE EXCEPTION 'fault'; END $$",
            "CREATE TRIGGER fault BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fault()",
        ],
        mend: &["DROP TRIGGER fault"],
    },
    Fault {
        name: "the commit fails",
        sqlite: &[
            "CREATE TABLE faulty (id INTEGER REFERENCES tenants (id) DEFERRABLE INITIALLY DEFERRED)",
            "CREATE TRIGGER fault AFTER INSERT ON {table} BEGIN INSERT INTO faulty (id) VALUES (-1); END",
        ],
        postgres: &[
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               RAISE EXCEPTION 'fault'; END $$",
            "CREATE CONSTRAINT TRIGGER fault AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
               FOR EACH ROW EXECUTE FUNCTION fault()",
        ],
        mend: &["DROP TRIGGER fault"],
    },
];

impl Fault {
    async fn begin(&self, gateway: &Gateway, table: &str) {
        let statements = match is_postgres(gateway) {
            true => self.postgres,
            false => self.sqlite,
        };
        let statements: Vec<String> = statements
            .iter()
            .map(|statement| statement.replace("{table}", table))
            .collect();
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        execute(gateway, &statements).await;
    }

    async fn end(&self, gateway: &Gateway, table: &str) {
        let on = format!(" ON {table}");
        let of_postgres: Vec<String> = self.mend.iter().map(|text| format!("{text}{on}")).collect();
        let statements: Vec<&str> = match is_postgres(gateway) {
            true => of_postgres.iter().map(String::as_str).collect(),
            false => self.mend.to_vec(),
        };
        execute(gateway, &statements).await;
    }
}

#[tokio::test]
async fn a_write_that_fails_takes_no_other_with_it() {
    for fault in &FAULTS {
        let gateway = Gateway::start().await;
        let admin = gateway.admin().await;
        fault.begin(&gateway, "servers").await;
        for _ in 0..3 {
            let refused = register(&admin).await;
            assert!(
                matches!(refused.status, 500 | 503),
                "{}: {refused:?}",
                fault.name
            );
            // The next write is another one's, and works.
            let kept = json!({ "name": "Another Mentor" });
            let changed = admin
                .patch(&format!("mentors/{}/", gateway.mentor), kept)
                .await;
            assert!(changed.status < 500, "{}: {changed:?}", fault.name);
        }
        assert_eq!(readiness(&gateway).await, 200, "{}", fault.name);
        fault.end(&gateway, "servers").await;
        assert_eq!(register(&admin).await.status, 201, "{}", fault.name);
    }
}

#[tokio::test]
async fn readiness_tells_when_nothing_can_be_written_and_when_it_can_again() {
    for table in ["probes", "audit"] {
        for fault in &FAULTS {
            let gateway = Gateway::start().await;
            let (stage_admin, what) = (gateway.admin().await, format!("{table}: {}", fault.name));
            ready(&gateway, 200).await;
            fault.begin(&gateway, table).await;
            if table == "audit" {
                // Somebody is refused, which leaves a row that cannot be written.
                let learner = gateway.learner().await;
                let refused = learner.post("mcp-servers/", json!({})).await;
                assert_eq!(refused.status, 403, "{what}");
            }
            ready(&gateway, 503).await;
            let answer = gateway.anonymous().get("/health/ready").await;
            assert_eq!(answer.header("retry-after"), Some("5"), "{what}");
            fault.end(&gateway, table).await;
            let began = tokio::time::Instant::now();
            ready(&gateway, 200).await;
            assert!(began.elapsed() < RECOVERY, "{what}");
            assert_eq!(register(&stage_admin).await.status, 201, "{what}");
        }
    }
}

/// A row that takes more room than there is.
#[tokio::test]
async fn a_full_disk_fails_what_does_not_fit_and_nothing_after_it() {
    let gateway = Gateway::start().await;
    if is_postgres(&gateway) {
        return;
    }
    let admin = gateway.admin().await;
    // No page more than there are.
    execute(&gateway, &["PRAGMA max_page_count = 1"]).await;
    let large = "x".repeat(9_000);
    let server = json!({ "name": "Large", "url": PUBLIC_SERVER, "description": large });
    let refused = admin.post("mcp-servers/", server.clone()).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("5"));
    ready(&gateway, 503).await;
    // There is room again.
    execute(&gateway, &["PRAGMA max_page_count = 1073741823"]).await;
    assert_eq!(admin.post("mcp-servers/", server).await.status, 201);
    ready(&gateway, 200).await;
}

#[tokio::test]
async fn a_lock_that_another_process_holds_is_said_and_waited_out() {
    let gateway = Gateway::start().await;
    if is_postgres(&gateway) {
        return;
    }
    let admin = gateway.admin().await;
    let url = gateway.app.config.database_url.clone();
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = register(&admin).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("5"))
    );
    assert_eq!(
        refused.body,
        json!({ "detail": "Temporarily unavailable." })
    );
    ready(&gateway, 503).await;
    // What only reads goes on.
    assert_eq!(admin.get("mcp-servers/").await.status, 200);
    other.execute("ROLLBACK").await.unwrap();
    ready(&gateway, 200).await;
    assert_eq!(register(&admin).await.status, 201);
}

#[tokio::test]
async fn a_locked_table_is_no_wait_without_end_on_any_face() {
    let gateway = Gateway::start().await;
    let Db::Postgres(pool) = &gateway.app.db else {
        return;
    };
    let admin = gateway.admin().await;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE tokens")
        .execute(&mut *other)
        .await
        .unwrap();
    let began = tokio::time::Instant::now();
    let rest = admin.get("mcp-servers/").await;
    assert_eq!((rest.status, rest.header("retry-after")), (503, Some("5")));
    for path in [
        format!("/mcp/mentors/{}/", gateway.mentor),
        "/mcp/v1/".to_owned(),
        "/mcp/v2/".to_owned(),
        "/mcp/user/".to_owned(),
    ] {
        let mcp = Mcp::modern(&admin, path.clone());
        let list = mcp.message(Some(1.into()), "tools/list", json!({}));
        let refused = Reply::of(mcp.post(&list)).await;
        assert_eq!(refused.status, 503, "{path}");
        assert_eq!(refused.headers["retry-after"], "5", "{path}");
    }
    ready(&gateway, 503).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    other.rollback().await.unwrap();
    ready(&gateway, 200).await;
    assert_eq!(admin.get("mcp-servers/").await.status, 200);
}

#[tokio::test]
async fn connections_that_the_database_ends_are_made_again() {
    let gateway = Gateway::start().await;
    let Db::Postgres(pool) = &gateway.app.db else {
        return;
    };
    let admin = gateway.admin().await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(pool.begin().await.unwrap());
    }
    let mut pids: Vec<i32> = Vec::new();
    for tx in &mut open {
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()");
        pids.push(pid.fetch_one(&mut **tx).await.unwrap());
    }
    let killer = open.pop().unwrap();
    drop(open);
    let (mut killer, own) = (killer, pids.pop().unwrap());
    for pid in pids {
        assert_ne!(pid, own);
        let end = sqlx::query("SELECT pg_terminate_backend($1)").bind(pid);
        end.execute(&mut *killer).await.unwrap();
    }
    drop(killer);
    for _ in 0..4 {
        assert_eq!(register(&admin).await.status, 201);
    }
    ready(&gateway, 200).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_with_the_reason() {
    let address = crate::harness::closed_address().await;
    let url = format!("postgres://somebody:password-of-somebody@{address}/gateway");
    let refused = Db::open(&url).await.unwrap_err();
    let text = mentor_gateway::error::Error::internal(refused).chain();
    assert!(
        text.contains(&format!("the database at {address} cannot be reached"))
            && text.contains("onnection refused")
            && !text.contains("password"),
        "{text}"
    );
}

#[tokio::test]
async fn nobody_else_reads_the_file_of_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.db");
    let mode = |name: &str| {
        let metadata = std::fs::metadata(dir.path().join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    let url = format!("sqlite:{}", path.display());
    let db = Db::open(&url).await.unwrap();
    for name in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    db.close().await;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let db = Db::open(&url).await.unwrap();
    assert_eq!(mode("gateway.db"), 0o640, "as it was, save for everybody");
    db.close().await;
}

/// What each name becomes in `To`, and the mail after it.
#[tokio::test]
async fn whatever_a_name_holds_a_mail_has_one_line_of_it_and_the_next_one_goes_out() {
    let server = MailServer::start().await;
    let gateway = Gateway::start_with(|settings| {
        server.set(settings);
    })
    .await;
    let now = gateway.app.clock.now();
    let names = [
        "A\nBcc: x@example.com",
        "A\r\nBcc: x@example.com",
        "A\rBcc: x",
        "A\0B",
        "A\tB\u{b}C\u{c}D\u{7f}E\u{85}F",
        "A\u{2028}B\u{2029}C",
        "\n",
        "  ",
        "Quoted \"A\" <b@c>, (d); \\ é",
        "plain",
    ];
    let mut tx = gateway.app.db.write().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    for (number, name) in names.iter().enumerate() {
        let campaign = Campaign {
            tenant: acme.id,
            environment: Environment::Live,
            id: "camp_1",
            send_at: UnixMs(0),
            priority: Priority::Normal,
        };
        let letter = Letter {
            address: &format!("p{number}@example.com"),
            name,
            subject: &format!("S{name}"),
            text: "T",
            ..Letter::default()
        };
        // PostgreSQL keeps no NUL.
        let name_fits = !(is_postgres(&gateway) && name.contains('\0'));
        if name_fits {
            let state = enqueue(&mut tx, &campaign, &letter, now).await.unwrap();
            assert_eq!(state, State::Waiting);
        }
    }
    tx.commit().await.unwrap();
    let expected = names.len() - usize::from(is_postgres(&gateway));
    eventually("all mails", async || {
        (server.recipients().len() == expected).then_some(())
    })
    .await;
    for head in server.heads() {
        let lines: Vec<&str> = head.lines().collect();
        let named = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
        assert_eq!(
            (named("To:"), named("Subject:"), named("Bcc:")),
            (1, 1, 0),
            "{head}"
        );
    }
    assert_eq!(gateway.app.tasks.panics(), []);
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_reset_holds_up_no_other() {
    let academy = Academy::v2().await;
    academy
        .gateway
        .with_sandbox_key("alice", "mcp", &["enrollments:read"])
        .await;
    let mut tx = academy.write().await;
    let globex = tenant::get(&mut tx, "globex").await.unwrap();
    let now = academy.gateway.app.clock.now();
    sandbox::of(&mut tx, globex.id, now).await.unwrap();
    tx.commit().await.unwrap();
    // The first of the two cannot be made again.
    let acme_only = match is_postgres(&academy.gateway) {
        true => vec![
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               RAISE EXCEPTION 'fault'; END $$",
            "CREATE TRIGGER fault BEFORE INSERT ON academy_realms FOR EACH ROW WHEN (NEW.tenant_id = 1)
               EXECUTE FUNCTION fault()",
        ],
        false => vec![
            "CREATE TRIGGER fault BEFORE INSERT ON academy_realms WHEN NEW.tenant_id = 1
             BEGIN SELECT RAISE(ROLLBACK, 'fault'); END",
        ],
    };
    execute(&academy.gateway, &acme_only).await;
    academy.gateway.advance(Duration::from_secs(24 * 3600));
    let today = academy.gateway.app.clock.now();
    eventually("the other sandbox", async || {
        let mut tx = academy.gateway.app.db.read().await.unwrap();
        let made_at = sql!(
            &mut tx,
            scalar_optional as UnixMs,
            "SELECT created_at FROM academy_realms WHERE environment = 'test' AND tenant_id = $1",
            globex.id
        );
        (made_at.unwrap() == Some(today)).then_some(())
    })
    .await;
}

/// The transaction of a database, to be sure that a test means what it says.
#[tokio::test]
async fn a_transaction_that_the_database_ended_is_no_ones_any_more() {
    let gateway = Gateway::start().await;
    if is_postgres(&gateway) {
        return;
    }
    FAULTS[0].begin(&gateway, "probes").await;
    for _ in 0..3 {
        let mut tx: Tx = gateway.app.db.write().await.unwrap();
        let failed = sql!(
            &mut tx,
            execute,
            "INSERT INTO probes (id, filling) VALUES (1, x'00')"
        );
        assert!(failed.is_err());
    }
    let _: Value = register(&gateway.admin().await).await.expect(201);
}
