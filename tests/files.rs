//! Where files are kept: the data directory, or a bucket of an S3-compatible service.

use std::error::Error as _;
use std::io::Write as _;

use bytes::Bytes;
use http::StatusCode;
use mentor_gateway::app::{App, StartError};
use mentor_gateway::clock::{Clock, random_hex};
use mentor_gateway::config::Settings;
use mentor_gateway::egress::{Egress, Policy};
use mentor_gateway::error::Error;
use mentor_gateway::files::{BucketSettings, Files, FilesError};
use mentor_gateway::secret::Secret;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::harness::{Bucket, Client, Gateway, closed_address, send};

const RESUME: &str = "/api/career/resume/orgs/acme/users/bob/";
const PDF: &[u8] = b"%PDF-1.7\n%resume of bob";
/// Where something lies.
const PLACE: &str = "7/resume";

/// A way out that may go to this machine.
fn way_out() -> Egress {
    let policy = Policy {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    };
    Egress::new(policy).unwrap()
}

fn files(settings: &BucketSettings) -> Files {
    Files::in_bucket(settings, way_out()).unwrap()
}

async fn upload(client: &Client) -> crate::harness::Answer {
    let form = Form::new().part("resume", Part::bytes(PDF).file_name("cv.pdf"));
    send(
        client
            .request(reqwest::Method::POST, RESUME)
            .multipart(form),
    )
    .await
}

#[tokio::test]
async fn a_resume_lies_in_the_bucket_and_nowhere_else() {
    let bucket = Bucket::start().await;
    let gateway = Gateway::start_with(|settings| bucket.set(settings)).await;
    let bob = gateway.learner().await;
    let resume = upload(&bob).await.expect(200);
    let [name] = &bucket.names()[..] else {
        panic!("{:?}", bucket.names())
    };
    assert!(name.starts_with("resumes/"), "{name}");
    let data_dir = &gateway.app.config.data_dir;
    assert!(!data_dir.join("files").exists());
    let url = resume["files"][0]["url"].as_str().unwrap();
    let path = url.strip_prefix(&gateway.base).unwrap();
    let file = gateway.anonymous().get(path).await;
    assert_eq!((file.status, &file.bytes[..]), (200, PDF));
}

#[tokio::test]
async fn what_was_put_is_there_until_it_is_deleted() {
    let bucket = Bucket::start().await;
    let files = files(&bucket.settings());
    files.check().await.unwrap();
    let whole = Bytes::from(vec![b'x'; 25_000_000]);
    files.put(PLACE, whole.clone()).await.unwrap();
    assert_eq!(files.get(PLACE).await.unwrap(), whole);
    for _ in 0..2 {
        files.delete(PLACE).await.unwrap();
        let gone = files.get(PLACE).await;
        assert!(matches!(gone, Err(Error::NotFound("file"))), "{gone:?}");
    }
    assert_eq!(bucket.names(), ["resumes/probe"]);
}

#[tokio::test]
async fn a_service_that_has_a_bad_moment_is_asked_again() {
    let bucket = Bucket::start().await;
    let files = files(&bucket.settings());
    bucket.answers(&[
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::INTERNAL_SERVER_ERROR,
    ]);
    files.put(PLACE, PDF.into()).await.unwrap();
    bucket.answers(&[StatusCode::SERVICE_UNAVAILABLE; 3]);
    let failed = files.get(PLACE).await;
    assert!(
        matches!(failed, Err(Error::Unavailable("files"))),
        "{failed:?}"
    );
    assert_eq!(files.get(PLACE).await.unwrap(), PDF);
}

#[tokio::test]
async fn a_wrong_key_is_told_of_and_what_to_do_about_it() {
    let bucket = Bucket::start().await;
    let files = files(&BucketSettings {
        key_id: Secret::new("canary-key"),
        ..bucket.settings()
    });
    let refused = files.check().await.unwrap_err();
    assert_eq!(
        (refused.to_string().as_str(), refused.source().is_none()),
        (
            "the service refuses the key: compare AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and let it write to the bucket",
            true
        )
    );
    for failed in [
        files.put(PLACE, PDF.into()).await,
        files.get(PLACE).await.map(drop),
        files.delete(PLACE).await,
    ] {
        assert!(
            matches!(failed, Err(Error::Unavailable("files"))),
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_of() {
    let bucket = Bucket::start().await;
    let files = files(&BucketSettings {
        url: "s3://other".to_owned(),
        ..bucket.settings()
    });
    let refused = files.check().await;
    assert!(matches!(refused, Err(FilesError::NoBucket)), "{refused:?}");
}

#[tokio::test]
async fn while_the_service_is_away_everything_else_goes_on() {
    let mut bucket = Bucket::start().await;
    let gateway = Gateway::start_with(|settings| bucket.set(settings)).await;
    let bob = gateway.learner().await;
    bucket.leave().await;
    let refused = gateway.app.files.check().await;
    assert!(matches!(refused, Err(FilesError::Store(_))), "{refused:?}");
    let away = upload(&bob).await;
    let text = r#"{"detail":"Temporarily unavailable."}"#;
    assert_eq!(away.brief(), (503, text.into()));
    assert_eq!(bob.get(RESUME).await.status, 404);
    let path = "/api/career/orgs/acme/companies/users/bob/";
    assert_eq!(bob.get(path).await.expect(200), json!([]));
}

#[tokio::test]
async fn settings_that_make_no_sense_end_the_start() {
    let key = Some((Secret::new("id"), Secret::new("key")));
    let dir = tempfile::tempdir().unwrap();
    let with = |url: &str, endpoint: Option<&str>| Settings {
        data_dir: Some(dir.path().into()),
        files_url: Some(url.to_owned()),
        files_endpoint: endpoint.map(str::to_owned),
        files_key: key.clone(),
        ..Settings::default()
    };
    let closed = format!("http://{}", closed_address().await);
    for (settings, text) in [
        (
            with("/srv/files", None),
            r#""/srv/files" is no bucket: write s3://BUCKET or s3://BUCKET/PREFIX"#.to_owned(),
        ),
        (
            with("s3://files", Some(&closed)),
            format!(
                "{closed:?} may not be dialled: write https://HOST, or open its range with --egress-allow"
            ),
        ),
    ] {
        let config = settings.resolve().unwrap();
        let Err(StartError::Files(refused)) = App::start(config, Clock::default()).await else {
            panic!("it started with {text}")
        };
        assert_eq!(refused.to_string(), text);
    }
    let lonely = Settings {
        files_region: Some("eu-central-1".to_owned()),
        ..Settings::default()
    };
    let text = "--files-endpoint and --files-region are about the bucket of --files-url";
    assert_eq!(lonely.resolve().unwrap_err().to_string(), text);
    let keyless = Settings {
        files_url: Some("s3://files".to_owned()),
        ..Settings::default()
    };
    let text = "the bucket of --files-url needs its key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";
    assert_eq!(keyless.resolve().unwrap_err().to_string(), text);
}

/// A bucket of a real service, if one runs; says so if it does not.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to be told"
)]
fn real_bucket() -> Option<BucketSettings> {
    let read = |name: &str| std::env::var(format!("TEST_S3_{name}")).ok();
    let Some(endpoint) = read("ENDPOINT") else {
        // Not `eprintln!`, which the test runner keeps to itself when the test passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: TEST_S3_ENDPOINT names no service"
        );
        return None;
    };
    Some(BucketSettings {
        url: read("URL")?,
        endpoint: Some(endpoint),
        region: "us-east-1".to_owned(),
        key_id: Secret::new(read("KEY_ID")?),
        key: Secret::new(read("KEY")?),
    })
}

#[tokio::test]
async fn a_real_service_keeps_and_forgets_what_it_is_given() {
    let Some(settings) = real_bucket() else {
        return;
    };
    let real = files(&settings);
    real.check().await.unwrap();
    let content = Bytes::from(format!("resume {}", random_hex::<8>()));
    real.put(PLACE, content.clone()).await.unwrap();
    assert_eq!(real.get(PLACE).await.unwrap(), content);
    let other = real.get("8/resume").await;
    assert!(matches!(other, Err(Error::NotFound("file"))), "{other:?}");
    for _ in 0..2 {
        real.delete(PLACE).await.unwrap();
        let gone = real.get(PLACE).await;
        assert!(matches!(gone, Err(Error::NotFound("file"))), "{gone:?}");
    }
    let wrong = files(&BucketSettings {
        key: Secret::new("not the key"),
        ..settings.clone()
    });
    let refused = wrong.check().await;
    assert!(matches!(refused, Err(FilesError::Denied)), "{refused:?}");
    let elsewhere = files(&BucketSettings {
        url: "s3://nobody-has-this-bucket".to_owned(),
        ..settings
    });
    let refused = elsewhere.check().await;
    assert!(matches!(refused, Err(FilesError::NoBucket)), "{refused:?}");
}
