//! A language model's Chat Completions endpoint that says what a test tells it to.
//! Must never answer anything that no test wrote down.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures_util::stream::{StreamExt, iter, pending};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the model does with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Says this, piece by piece.
    Text(Vec<&'static str>),
    /// Asks for these tools to be called: name and arguments.
    Calls(Vec<(&'static str, &'static str)>),
    /// Says this in one piece that is no stream.
    Whole(&'static str),
    /// The same, and what it cost in tokens.
    Counted(&'static str, u64),
    /// Says this, and then nothing more, without an end.
    Stall(&'static str),
    /// Refuses with this status.
    Status(u16),
    /// Answers with something else.
    Html,
}

/// A running endpoint on 127.0.0.1, stopped when dropped.
pub struct Model {
    script: Arc<Script>,
    addr: SocketAddr,
    stopped: CancellationToken,
}

#[derive(Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<(Option<String>, Value)>>,
}

impl Model {
    /// Starts an endpoint that gives these replies, one for each request, in their order.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(replies: Vec<Reply>) -> std::io::Result<Model> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let script = Arc::new(Script::default());
        lock(&script.replies).extend(replies);
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .with_state(script.clone());
        let stopped = CancellationToken::new();
        let serve =
            axum::serve(listener, router).with_graceful_shutdown(stopped.clone().cancelled_owned());
        TaskTracker::new().spawn(async move { serve.await });
        Ok(Model {
            script,
            addr,
            stopped,
        })
    }

    /// Returns the base URL that a tenant's setting needs.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Returns what was asked so far: the `Authorization` and the body of each request.
    pub fn asked(&self) -> Vec<(Option<String>, Value)> {
        lock(&self.script.asked).clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}

async fn answer(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    let authorization = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let body = serde_json::from_slice(&body).unwrap_or_default();
    lock(&script.asked).push((authorization.map(str::to_owned), body));
    match lock(&script.replies).pop_front() {
        Some(Reply::Text(pieces)) => stream(pieces.into_iter().map(said), true),
        Some(Reply::Stall(piece)) => stream([said(piece)], false),
        Some(Reply::Calls(calls)) => stream(calls.into_iter().enumerate().flat_map(called), true),
        Some(Reply::Whole(text)) => axum::Json(whole(text)).into_response(),
        Some(Reply::Counted(text, tokens)) => {
            let mut answer = whole(text);
            answer["usage"] = json!({ "total_tokens": tokens });
            axum::Json(answer).into_response()
        }
        Some(Reply::Html) => ([(CONTENT_TYPE, "text/html")], "<html>").into_response(),
        Some(Reply::Status(status)) => StatusCode::from_u16(status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response(),
        None => StatusCode::NOT_IMPLEMENTED.into_response(),
    }
}

fn whole(text: &str) -> Value {
    let message = json!({ "role": "assistant", "content": text });
    json!({ "choices": [{ "index": 0, "message": message }] })
}

fn said(piece: &str) -> Value {
    json!({ "content": piece })
}

/// A call in the two pieces in which real endpoints send one: what, then with what.
fn called((index, (name, arguments)): (usize, (&str, &str))) -> [Value; 2] {
    let id = format!("call_{index}");
    let begin = json!({ "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": "" } });
    let more = json!({ "index": index, "function": { "arguments": arguments } });
    [
        json!({ "tool_calls": [begin] }),
        json!({ "tool_calls": [more] }),
    ]
}

/// An event stream of these pieces, with its end or without one.
fn stream(deltas: impl IntoIterator<Item = Value>, has_end: bool) -> Response {
    let chunk = |delta| json!({ "object": "chat.completion.chunk", "choices": [{ "index": 0, "delta": delta }] });
    let mut events: Vec<String> = deltas
        .into_iter()
        .map(|delta| format!("data: {}\n\n", chunk(delta)))
        .collect();
    if has_end {
        events.push("data: [DONE]\n\n".to_owned());
    }
    let events = iter(events.into_iter().map(Ok::<_, Infallible>));
    let body = match has_end {
        true => Body::from_stream(events),
        false => Body::from_stream(events.chain(pending())),
    };
    ([(CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
