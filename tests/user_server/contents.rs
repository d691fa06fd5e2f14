//! The contents of resumes: in their places before a file has them, and gone when none does for a day.

use std::time::Duration;

use bytes::Bytes;
use mentor_gateway::career::content::{self, Content};
use mentor_gateway::career::resume::{self, Draft, Upload};
use mentor_gateway::error::Error;
use mentor_gateway::jobs::{Parts, remove_unused};
use mentor_gateway::learner::Learner;
use mentor_gateway::sql;
use mentor_gateway::tenant::{self, user};
use reqwest::Method;
use reqwest::multipart::{Form, Part};

use super::PDF;
use crate::harness::{Bucket, Client, Gateway, send};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

fn path(user: &str) -> String {
    format!("/api/career/resume/orgs/acme/users/{user}/")
}

/// A gateway that keeps its files in a bucket, which shows what is in it.
async fn with_bucket() -> (Gateway, Bucket) {
    let bucket = Bucket::start().await;
    let gateway = Gateway::start_with(|settings| bucket.set(settings)).await;
    (gateway, bucket)
}

async fn upload(client: &Client, user: &str) -> crate::harness::Answer {
    let form = Form::new().part("resume", Part::bytes(PDF.as_bytes()).file_name("cv.pdf"));
    send(client.request(Method::POST, &path(user)).multipart(form)).await
}

/// The file of a resume, by the link in it.
async fn file(gateway: &Gateway, client: &Client, user: &str) -> (u16, Bytes) {
    let resume = client.get(&path(user)).await.expect(200);
    let url = resume["files"][0]["url"].as_str().unwrap();
    let file = gateway.anonymous();
    let answer = file.get(url.strip_prefix(&gateway.base).unwrap()).await;
    (answer.status, answer.bytes.into())
}

/// What the job does.
async fn look(gateway: &Gateway) -> mentor_gateway::error::Result<()> {
    let app = &gateway.app;
    let parts = Parts {
        db: app.db.clone(),
        vault: app.vault.clone(),
        clock: app.clock.clone(),
        files: app.files.clone(),
        egress: app.egress.clone(),
        tasks: app.tasks.clone(),
    };
    remove_unused(&parts).await
}

/// How many contents are known.
async fn known(gateway: &Gateway) -> i64 {
    let mut tx = gateway.app.db.read().await.unwrap();
    let count = sql!(
        &mut tx,
        scalar as i64,
        "SELECT COUNT(*) FROM career_contents"
    );
    count.unwrap()
}

/// Bob's resume on its way: noted, and its content in its place.
async fn on_its_way(gateway: &Gateway) -> (Learner, resume::Noted) {
    let draft = Draft {
        uploads: vec![Upload {
            field: "resume".to_owned(),
            name: "cv.pdf".to_owned(),
            content: PDF.into(),
            is_resume: true,
            declared: None,
        }],
        ..Draft::default()
    };
    let app = &gateway.app;
    let mut tx = app.db.write().await.unwrap();
    let tenant = tenant::get(&mut tx, "acme").await.unwrap().id;
    let bob = user::get(&mut tx, tenant, "bob").await.unwrap();
    let bob = Learner::of(&mut tx, &bob, "bob").await.unwrap();
    let change = (draft.check(), false);
    let noted = resume::note(&mut tx, &bob, change, app.clock.now()).await;
    tx.commit().await.unwrap();
    let noted = noted.unwrap();
    noted.put(&app.files).await.unwrap();
    (bob, noted)
}

#[tokio::test]
async fn a_content_goes_with_its_last_file() {
    let (gateway, bucket) = with_bucket().await;
    let (bob, carol) = (
        gateway.learner().await,
        gateway.client("acme", "carol").await,
    );
    upload(&bob, "bob").await.expect(200);
    upload(&carol, "carol").await.expect(200);
    let lies = bucket.names();
    assert_eq!(lies.len(), 1, "{lies:?}");
    send(bob.request(Method::DELETE, &path("bob"))).await;
    gateway.advance(DAY + SECOND);
    look(&gateway).await.unwrap();
    assert_eq!(file(&gateway, &carol, "carol").await, (200, PDF.into()));
    send(carol.request(Method::DELETE, &path("carol"))).await;
    look(&gateway).await.unwrap();
    assert_eq!((bucket.names().len(), known(&gateway).await), (0, 0));
}

#[tokio::test]
async fn what_was_brought_within_a_day_stays() {
    let (gateway, bucket) = with_bucket().await;
    let (bob, noted) = on_its_way(&gateway).await;
    gateway.advance(DAY);
    look(&gateway).await.unwrap();
    assert_eq!(bucket.names().len(), 1);
    // Whoever is still at it gets through.
    let app = &gateway.app;
    let mut tx = app.db.write().await.unwrap();
    let saved = resume::save(&mut tx, &bob, noted, app.clock.now()).await;
    saved.unwrap();
    tx.commit().await.unwrap();
    gateway.advance(DAY + SECOND);
    look(&gateway).await.unwrap();
    let client = gateway.learner().await;
    assert_eq!(file(&gateway, &client, "bob").await, (200, PDF.into()));
}

#[tokio::test]
async fn an_upload_that_came_to_nothing_leaves_nothing() {
    let (gateway, bucket) = with_bucket().await;
    let (bob, noted) = on_its_way(&gateway).await;
    gateway.advance(DAY + SECOND);
    look(&gateway).await.unwrap();
    assert_eq!((bucket.names().len(), known(&gateway).await), (0, 0));
    // Somebody was still at it.
    let app = &gateway.app;
    let mut tx = app.db.write().await.unwrap();
    let late = resume::save(&mut tx, &bob, noted, app.clock.now()).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
}

#[tokio::test]
async fn what_cannot_be_put_has_no_file() {
    let (gateway, bucket) = with_bucket().await;
    let bob = gateway.learner().await;
    bucket.answers(&[http::StatusCode::FORBIDDEN]);
    assert_eq!(upload(&bob, "bob").await.status, 503);
    assert_eq!(bob.get(&path("bob")).await.status, 404);
    upload(&bob, "bob").await.expect(200);
    assert_eq!(file(&gateway, &bob, "bob").await, (200, PDF.into()));
    assert_eq!(known(&gateway).await, 1);
}

#[tokio::test]
async fn what_is_brought_while_it_is_removed_is_brought_anew() {
    let (gateway, bucket) = with_bucket().await;
    drop(on_its_way(&gateway).await);
    gateway.advance(DAY + SECOND);
    let mark = async || {
        let mut tx = gateway.app.db.write().await.unwrap();
        let marked = content::mark_unused(&mut tx, gateway.app.clock.now()).await;
        tx.commit().await.unwrap();
        marked.unwrap()
    };
    let marked: Vec<Content> = mark().await;
    assert_eq!(marked.len(), 1);
    let bob = gateway.learner().await;
    upload(&bob, "bob").await.expect(200);
    assert_eq!(bucket.names().len(), 2);
    // Whoever marked it is gone, and the next one finishes.
    assert_eq!(mark().await, marked);
    look(&gateway).await.unwrap();
    assert_eq!(file(&gateway, &bob, "bob").await, (200, PDF.into()));
    assert_eq!((bucket.names().len(), known(&gateway).await), (1, 1));
}

#[tokio::test]
async fn what_cannot_be_removed_is_removed_the_next_time() {
    let (gateway, bucket) = with_bucket().await;
    drop(on_its_way(&gateway).await);
    gateway.advance(DAY + SECOND);
    bucket.answers(&[http::StatusCode::FORBIDDEN]);
    let failed = look(&gateway).await;
    assert!(
        matches!(failed, Err(Error::Unavailable("files"))),
        "{failed:?}"
    );
    assert_eq!((bucket.names().len(), known(&gateway).await), (1, 1));
    look(&gateway).await.unwrap();
    assert_eq!((bucket.names().len(), known(&gateway).await), (0, 0));
}
