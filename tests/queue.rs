//! The queue under mails and deliveries: a row has one owner at a time, and comes to one end.

use std::time::Duration;

use mentor_gateway::clock::UnixMs;
use mentor_gateway::queue::{Attempt, Ending, Queue};
use mentor_gateway::storage::{Db, Tx};
use mentor_gateway::{queue_in, sql};

use crate::harness::Gateway;

/// When every row is made.
const START: UnixMs = UnixMs(1_795_219_200_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

static TRIED: Queue = queue_in!(
    "tried",
    pauses: &[MINUTE, HOUR],
    lease: Duration::from_secs(10),
    kept: HOUR,
    done: "done",
    set_aside: "given up",
);

/// A row as it is stored: state, attempts, when it is due, its lease, its result and when it ended.
type Row = (String, i64, i64, i64, String, Option<i64>);

/// A table with one row that is due.
async fn table() -> (Gateway, Db) {
    let gateway = Gateway::start().await;
    let db = gateway.app.db.clone();
    let mut tx = db.write().await.unwrap();
    sql!(
        &mut tx,
        execute,
        "CREATE TABLE tried (id BIGINT PRIMARY KEY, state TEXT NOT NULL, attempts BIGINT NOT NULL, next_at BIGINT NOT NULL,
             lease_until BIGINT NOT NULL, result TEXT NOT NULL, ended_at BIGINT)"
    )
    .unwrap();
    add(&mut tx, 1).await;
    tx.commit().await.unwrap();
    (gateway, db)
}

async fn add(tx: &mut Tx, id: i64) {
    let statement = "INSERT INTO tried (id, state, attempts, next_at, lease_until, result) VALUES ($1, 'waiting', 0, $2, 0, '')";
    sql!(tx, execute, statement, id, START).unwrap();
}

async fn row(tx: &mut Tx, id: i64) -> Row {
    let statement =
        "SELECT state, attempts, next_at, lease_until, result, ended_at FROM tried WHERE id = $1";
    sql!(tx, fetch_one as Row, statement, id).unwrap()
}

/// Settles row 1, of which so many attempts were made before.
async fn settle(tx: &mut Tx, made: i64, ended: (Ending, &str), now: UnixMs) {
    TRIED
        .settle(tx, Attempt { row: 1, made }, ended, now)
        .await
        .unwrap();
}

fn waiting(attempts: i64, next_at: UnixMs, result: &str) -> Row {
    let (state, result) = ("waiting".to_owned(), result.to_owned());
    (state, attempts, next_at.0, 0, result, None)
}

fn ended(state: &str, attempts: i64, at: UnixMs, result: &str) -> Row {
    let (state, result) = (state.to_owned(), result.to_owned());
    (state, attempts, at.0, 0, result, Some(at.0))
}

#[tokio::test]
async fn a_row_is_claimed_once_until_its_lease_is_over() {
    let (_gateway, db) = table().await;
    assert!(TRIED.is_idle(&db, UnixMs(START.0 - 1)).await.unwrap());
    assert!(!TRIED.is_idle(&db, START).await.unwrap());
    let mut tx = db.write().await.unwrap();
    let seen = (1, UnixMs(0));
    assert!(TRIED.take(&mut tx, seen, START).await.unwrap());
    assert!(!TRIED.take(&mut tx, seen, START).await.unwrap());
    assert!(!TRIED.any_due(&mut tx, START).await.unwrap());
    let lease_until = START.plus(TRIED.lease);
    assert!(TRIED.any_due(&mut tx, lease_until).await.unwrap());
    let seen = (1, lease_until);
    assert!(TRIED.take(&mut tx, seen, lease_until).await.unwrap());
    assert!(!TRIED.take(&mut tx, seen, lease_until).await.unwrap());
}

#[tokio::test]
async fn a_row_that_fails_is_tried_after_each_pause_and_then_set_aside() {
    let (_gateway, db) = table().await;
    let mut tx = db.write().await.unwrap();
    settle(&mut tx, 0, (Ending::Failed, "busy"), START).await;
    assert_eq!(
        row(&mut tx, 1).await,
        waiting(1, START.plus(MINUTE), "busy")
    );
    settle(&mut tx, 1, (Ending::Failed, "busy"), START).await;
    assert_eq!(row(&mut tx, 1).await, waiting(2, START.plus(HOUR), "busy"));
    settle(&mut tx, 2, (Ending::Failed, "gone"), START).await;
    assert_eq!(row(&mut tx, 1).await, ended("given up", 3, START, "gone"));
}

#[tokio::test]
async fn what_was_no_attempt_is_not_counted() {
    let (_gateway, db) = table().await;
    let mut tx = db.write().await.unwrap();
    let put_off = (Ending::PutOff(HOUR), "not reached");
    settle(&mut tx, 0, put_off, START).await;
    let expected = waiting(0, START.plus(HOUR), "not reached");
    assert_eq!(row(&mut tx, 1).await, expected);
    settle(&mut tx, 0, (Ending::GivenUp, "not reached"), START).await;
    let expected = ended("given up", 0, START, "not reached");
    assert_eq!(row(&mut tx, 1).await, expected);
}

#[tokio::test]
async fn an_outcome_that_comes_late_changes_nothing() {
    let (_gateway, db) = table().await;
    let mut tx = db.write().await.unwrap();
    settle(&mut tx, 0, (Ending::Failed, "slow"), START).await;
    // The lease was over, and another process made an attempt meanwhile.
    settle(&mut tx, 0, (Ending::Done, ""), START).await;
    assert_eq!(
        row(&mut tx, 1).await,
        waiting(1, START.plus(MINUTE), "slow")
    );
    settle(&mut tx, 1, (Ending::Refused, "no"), START).await;
    settle(&mut tx, 2, (Ending::Done, ""), START).await;
    assert_eq!(row(&mut tx, 1).await, ended("given up", 2, START, "no"));
}

#[tokio::test]
async fn rows_are_counted_by_state_and_deleted_long_after_their_end() {
    let (_gateway, db) = table().await;
    let mut tx = db.write().await.unwrap();
    for id in 2..=4 {
        add(&mut tx, id).await;
    }
    settle(&mut tx, 0, (Ending::Done, "200"), START).await;
    assert_eq!(row(&mut tx, 1).await, ended("done", 1, START, "200"));
    let refused = (Ending::Refused, "550");
    let attempt = Attempt { row: 2, made: 0 };
    TRIED
        .settle(&mut tx, attempt, refused, START)
        .await
        .unwrap();
    let counted = TRIED.by_state(&mut tx).await.unwrap();
    assert_eq!(counted, [("given up", 1), ("waiting", 2)]);
    let kept_until = START.plus(TRIED.kept);
    assert_eq!(TRIED.expire(&mut tx, kept_until).await.unwrap(), 0);
    let over = UnixMs(kept_until.0 + 1);
    assert_eq!(TRIED.expire(&mut tx, over).await.unwrap(), 2);
    let counted = TRIED.by_state(&mut tx).await.unwrap();
    assert_eq!(counted, [("waiting", 2)]);
}
