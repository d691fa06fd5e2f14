//! A receiver of webhooks.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::response::Redirect;
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::Sha256;

use super::upstream::eventually;

/// Somebody who is told: keeps what comes and answers as it is set to.
pub struct Receiver {
    pub url: String,
    pub told: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    answer: Arc<Mutex<StatusCode>>,
    server: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let told = Arc::<Mutex<Vec<(HeaderMap, Bytes)>>>::default();
        let answer = Arc::new(Mutex::new(StatusCode::NO_CONTENT));
        let (keep, say) = (told.clone(), answer.clone());
        let hook = post(async move |headers: HeaderMap, body: Bytes| {
            keep.lock().unwrap().push((headers, body));
            *say.lock().unwrap()
        });
        let elsewhere = post(async || Redirect::temporary("/hook"));
        let router = Router::new()
            .route("/hook", hook)
            .route("/elsewhere", elsewhere);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the receiver, in drop"
        )]
        let server =
            tokio::task::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            told,
            answer,
            server,
        }
    }

    pub fn answers(&self, status: StatusCode) {
        *self.answer.lock().unwrap() = status;
    }

    pub fn bodies(&self) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        let parsed = told
            .iter()
            .map(|(_, body)| serde_json::from_slice(body).unwrap());
        parsed.collect()
    }

    /// What came about an enrollment, in its order.
    pub fn about(&self, enrollment: &str) -> Vec<Value> {
        let mut bodies = self.bodies();
        bodies.retain(|body| body["data"]["enrollmentId"] == enrollment);
        bodies
    }

    /// The `n` of each `data` that came.
    pub fn numbers(&self) -> Vec<i64> {
        let bodies = self.bodies();
        let numbers = bodies
            .iter()
            .map(|body| body["data"]["n"].as_i64().unwrap());
        numbers.collect()
    }

    pub async fn has(&self, count: usize) {
        eventually("the receiver is told", async || {
            (self.told.lock().unwrap().len() >= count).then_some(())
        })
        .await;
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A signature as a receiver computes it.
pub fn signed(secret: &Value, seconds: &str, body: &[u8]) -> String {
    let secret = secret.as_str().unwrap().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v1={hex}")
}
