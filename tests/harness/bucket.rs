//! A service with one bucket, in memory, in the words of S3: it takes one key and can have a bad moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode, Uri};
use mentor_gateway::config::Settings;
use mentor_gateway::files::BucketSettings;
use mentor_gateway::secret::Secret;

/// The number of the key that it takes.
const KEY_ID: &str = "harness-key";

pub struct Bucket {
    pub endpoint: String,
    inside: Arc<Inside>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Inside {
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// What it answers next, whatever it is asked.
    trouble: Mutex<Vec<StatusCode>>,
}

impl Bucket {
    pub async fn start() -> Self {
        let inside = Arc::<Inside>::default();
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(inside.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the bucket, in drop"
        )]
        let server =
            tokio::task::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            endpoint,
            inside,
            server,
        }
    }

    /// How it is reached, below a prefix.
    pub fn settings(&self) -> BucketSettings {
        BucketSettings {
            url: "s3://files/resumes".to_owned(),
            endpoint: Some(self.endpoint.clone()),
            region: "us-east-1".to_owned(),
            key_id: Secret::new(KEY_ID),
            key: Secret::new("harness-key-secret"),
        }
    }

    /// Has a gateway keep its files in it.
    pub fn set(&self, settings: &mut Settings) {
        let own = self.settings();
        settings.files_url = Some(own.url);
        settings.files_endpoint = own.endpoint;
        settings.files_key = Some((own.key_id, own.key));
        settings.egress_allow = vec!["127.0.0.0/8".parse().unwrap()];
    }

    /// The names of what is in it.
    pub fn names(&self) -> Vec<String> {
        let objects = self.inside.objects.lock().unwrap();
        objects.keys().cloned().collect()
    }

    /// The next answers, whatever is asked.
    pub fn answers(&self, trouble: &[StatusCode]) {
        *self.inside.trouble.lock().unwrap() = trouble.to_vec();
    }

    /// Nobody listens there any more.
    pub async fn leave(&mut self) {
        self.server.abort();
        let ended = (&mut self.server).await;
        assert!(ended.unwrap_err().is_cancelled());
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(inside): State<Arc<Inside>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(trouble) = inside.trouble.lock().unwrap().pop() {
        return trouble.into_response();
    }
    let signed = headers[AUTHORIZATION].to_str().unwrap();
    if !signed.contains(&format!("Credential={KEY_ID}/")) {
        let text = format!("<Error><Code>InvalidAccessKeyId</Code><Key>{signed}</Key></Error>");
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let missing = (
        StatusCode::NOT_FOUND,
        "<Error><Code>NoSuchKey</Code></Error>",
    );
    let Some(name) = uri.path().strip_prefix("/files/") else {
        return missing.into_response();
    };
    let mut objects = inside.objects.lock().unwrap();
    let tag = [
        ("etag", "\"1\""),
        ("last-modified", "Sat, 21 Nov 2026 00:00:00 GMT"),
    ];
    match method {
        Method::PUT => {
            objects.insert(name.to_owned(), body);
            (tag, "").into_response()
        }
        Method::GET => match objects.get(name) {
            Some(content) => (tag, content.clone()).into_response(),
            None => missing.into_response(),
        },
        Method::DELETE => {
            objects.remove(name);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}
