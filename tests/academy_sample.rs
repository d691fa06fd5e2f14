//! The sample as it stands today, whatever day that is: what has happened has happened, and what was upcoming is.

use mentor_gateway::academy::{RealmId, sample};
use mentor_gateway::auth::token::Environment;
use mentor_gateway::clock::UnixMs;
use mentor_gateway::storage::Tx;
use mentor_gateway::{sql, tenant};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::harness::Gateway;

/// Moments that say that something has happened.
const FACTS: [(&str, &str); 7] = [
    ("academy_enrollments", "enrolled_at"),
    ("academy_enrollments", "completed_at"),
    ("academy_enrollments", "last_activity_at"),
    ("academy_certificates", "issued_at"),
    ("academy_certificates", "completed_at"),
    ("academy_materials", "updated_at"),
    ("academy_accesses", "last_at"),
];

/// The rows of a question about the sample.
async fn found(tx: &mut Tx, question: String) -> Vec<String> {
    let rows = sql!(tx, fetch_all as (String,), AssertSqlSafe(question));
    rows.unwrap().into_iter().map(|(id,)| id).collect()
}

#[tokio::test]
async fn nothing_has_happened_yet_and_cohorts_are_where_their_days_are() {
    let gateway = Gateway::start().await;
    for now in [
        UnixMs(1_795_219_200_000),
        UnixMs(1_795_770_482_123),
        UnixMs(1_803_859_199_999),
    ] {
        let mut tx = gateway.app.db.write().await.unwrap();
        let tenant = tenant::get(&mut tx, "acme").await.unwrap().id;
        let realm = RealmId::make(&mut tx, tenant, Environment::Live, now).await;
        sample::load_today(&mut tx, realm.unwrap(), now)
            .await
            .unwrap();
        for (table, column) in FACTS {
            let question = format!(
                "SELECT CAST({column} AS TEXT) FROM {table} WHERE {column} > {}",
                now.0
            );
            assert_eq!(found(&mut tx, question).await, [""; 0], "{table}.{column}");
        }
        let astray = format!(
            "SELECT id FROM academy_cohorts WHERE status = 'open' AND starts_at <= {0}
                OR status = 'completed' AND ends_at > {0} OR status = 'in_progress' AND starts_at > {0}",
            now.0
        );
        assert_eq!(found(&mut tx, astray).await, [""; 0]);
        let rows = sql!(
            &mut tx,
            fetch_all as (String, UnixMs, UnixMs),
            "SELECT sessions, starts_at, ends_at FROM academy_cohorts"
        );
        for (sessions, starts_at, ends_at) in rows.unwrap() {
            let sessions: Vec<Value> = serde_json::from_str(&sessions).unwrap();
            for session in sessions {
                let date = session["date"].as_str().unwrap();
                let (first, last) = (starts_at.to_iso(), ends_at.to_iso());
                assert!((&first[..10]..=&last[..10]).contains(&date), "{session}");
            }
        }
    }
}
