//! One legacy session: its streams, its running calls and what it was asked.
//! Must never outlive its end: everything that waits on it hangs on `ended`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::call::{Frame, Outlet};
use crate::revision::Revision;
use crate::rpc::RpcError;
use crate::seen::Headers;

pub(crate) struct Session {
    pub(crate) id: String,
    /// Headers of the request that opened the session: the SSE `GET` or the WebSocket handshake.
    pub(crate) headers: Headers,
    pub(crate) ended: CancellationToken,
    asked: AtomicU64,
    counter: AtomicU64,
    changing: Mutex<Changing>,
}

#[derive(Default)]
struct Changing {
    revision: Option<Revision>,
    capabilities: Value,
    log_level: Option<String>,
    subscriptions: HashSet<String>,
    streams: Vec<Outlet>,
    waiting: HashMap<String, oneshot::Sender<Value>>,
    running: HashMap<String, CancellationToken>,
}

impl Session {
    pub(crate) fn new(headers: Headers, stopped: &CancellationToken) -> Session {
        Session {
            id: uuid::Uuid::new_v4().to_string(),
            headers,
            ended: stopped.child_token(),
            asked: AtomicU64::new(0),
            counter: AtomicU64::new(0),
            changing: Mutex::default(),
        }
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what `initialize` agreed on.
    pub(crate) fn agree(&self, revision: Revision, capabilities: Value) {
        let mut changing = self.changing();
        changing.revision = Some(revision);
        changing.capabilities = capabilities;
    }

    /// Returns the agreed revision, if there was an `initialize`.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.changing().revision
    }

    pub(crate) fn has_capability(&self, name: &str) -> bool {
        self.changing().capabilities[name].is_object()
    }

    pub(crate) fn count(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn set_log_level(&self, level: &str) {
        self.changing().log_level = Some(level.to_owned());
    }

    pub(crate) fn log_level(&self) -> Option<String> {
        self.changing().log_level.clone()
    }

    pub(crate) fn subscribe(&self, uri: &str) {
        self.changing().subscriptions.insert(uri.to_owned());
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.changing().subscriptions.remove(uri);
    }

    pub(crate) fn is_subscribed(&self, params: &Value) -> bool {
        params["uri"]
            .as_str()
            .is_some_and(|uri| self.changing().subscriptions.contains(uri))
    }

    /// Adds a stream on which the server may speak first.
    pub(crate) fn open_stream(&self, outlet: Outlet) {
        self.changing().streams.push(outlet);
    }

    /// Finds the one stream of a session that has only one.
    pub(crate) fn stream(&self) -> Option<Outlet> {
        self.changing().streams.first().cloned()
    }

    pub(crate) fn stream_count(&self) -> usize {
        self.changing()
            .streams
            .iter()
            .filter(|stream| !stream.is_closed())
            .count()
    }

    /// Sends on one open stream, never on two; lost when there is none.
    pub(crate) fn notify(&self, text: String) {
        let mut changing = self.changing();
        changing.streams.retain(|stream| !stream.is_closed());
        if let Some(stream) = changing.streams.first() {
            stream.push(Frame::Message(text));
        }
    }

    /// Puts this frame on every stream; used to end or to break them.
    pub(crate) fn end_streams(&self, last: fn() -> Frame) {
        for stream in self.changing().streams.drain(..) {
            stream.push(last());
        }
    }

    /// Sends a request to the client on the stream of a call, and waits for its answer.
    ///
    /// # Errors
    /// The client's own error, or -32000 when the stream or the session ended first.
    pub(crate) async fn ask(
        &self,
        outlet: &Outlet,
        method: &str,
        params: &Value,
    ) -> Result<Value, RpcError> {
        let gone = || RpcError::new(-32000, "the client left before it answered");
        // Small numbers on purpose: they collide with the client's own ids, which is legal.
        let id = Value::from(self.asked.fetch_add(1, Ordering::SeqCst));
        let (sender, answer) = oneshot::channel();
        self.changing().waiting.insert(id.to_string(), sender);
        let text = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        outlet.send(Frame::Message(text.to_string())).await;
        let answer = tokio::select! {
            answer = answer => answer.map_err(|_| gone())?,
            () = self.ended.cancelled() => return Err(gone()),
        };
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(RpcError::new(
                answer["error"]["code"].as_i64().unwrap_or(-32603),
                format!("the client refused: {}", answer["error"]["message"]),
            )),
        }
    }

    /// Hands the client's answer to whoever asked; says whether somebody had.
    pub(crate) fn answered(&self, response: Value) -> bool {
        let waiting = self.changing().waiting.remove(&response["id"].to_string());
        waiting.is_some_and(|waiting| waiting.send(response).is_ok())
    }

    pub(crate) fn begin(&self, id: &Value, token: &CancellationToken) {
        self.changing()
            .running
            .insert(id.to_string(), token.clone());
    }

    pub(crate) fn finish(&self, id: &Value) {
        self.changing().running.remove(&id.to_string());
    }

    pub(crate) fn cancel(&self, id: &Value) {
        if let Some(token) = self.changing().running.remove(&id.to_string()) {
            token.cancel();
        }
    }
}
