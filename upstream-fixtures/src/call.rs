//! A request being answered, and the stream its answer goes out on.
//! Must never know the transport: that turns frames into bytes.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::behaviour::Transport;
use crate::dispatch;
use crate::ill::{self, Ill};
use crate::modern;
use crate::revision::Revision;
use crate::rpc::{self, Answer, Message, Outcome};
use crate::seen::Headers;
use crate::session::Session;
use crate::state::App;

/// Frames under way to one reader; a slow reader slows the sender down.
const FRAMES_MAX: usize = 256;

/// A piece of what goes to the client.
pub(crate) enum Frame {
    /// A JSON-RPC message that something follows.
    Message(String),
    /// The answer to the call, and the status it has where it is the whole HTTP response.
    Answer(u16, String),
    /// Bytes as they are; a binary message on a WebSocket.
    Raw(Bytes),
    /// A whole HTTP response in place of the answer; nothing on other transports.
    Whole(Box<Response>),
    /// The end of the stream, in good order.
    Close,
    /// The end of the connection, in the middle of whatever is under way.
    Die,
}

/// Where frames go in.
#[derive(Clone)]
pub(crate) struct Outlet(mpsc::Sender<Frame>);

/// Where frames come out.
pub(crate) type Frames = mpsc::Receiver<Frame>;

impl Outlet {
    pub(crate) fn open() -> (Outlet, Frames) {
        let (sender, frames) = mpsc::channel(FRAMES_MAX);
        (Outlet(sender), frames)
    }

    /// Sends, waiting for a slow reader; says whether there still is one.
    pub(crate) async fn send(&self, frame: Frame) -> bool {
        self.0.send(frame).await.is_ok()
    }

    /// Sends without waiting; lost when the reader is too slow.
    pub(crate) fn push(&self, frame: Frame) {
        let _ = self.0.try_send(frame);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    pub(crate) fn is_same(&self, other: &Outlet) -> bool {
        self.0.same_channel(&other.0)
    }
}

/// A request being answered.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) session: Arc<Session>,
    pub(crate) revision: Revision,
    pub(crate) message: Message,
    /// Headers of the HTTP request that carried the message.
    pub(crate) headers: Headers,
    pub(crate) outlet: Outlet,
    pub(crate) ill: Option<Ill>,
}

impl Call {
    pub(crate) fn id(&self) -> &Value {
        self.message.id().unwrap_or(&Value::Null)
    }

    pub(crate) fn params(&self) -> &Value {
        self.message.params()
    }

    pub(crate) fn arguments(&self) -> &Value {
        &self.message.params()["arguments"]
    }

    pub(crate) fn transport(&self) -> Transport {
        self.app.behaviour.transport
    }

    /// Says whether the client declared this capability.
    pub(crate) fn client_can(&self, capability: &str) -> bool {
        if self.revision.is_modern() {
            let declared = self
                .message
                .meta("io.modelcontextprotocol/clientCapabilities");
            declared[capability].is_object()
        } else {
            self.session.has_capability(capability)
        }
    }

    /// Sends a notification on the stream of this call.
    pub(crate) async fn notify(&self, method: &str, params: &Value) -> bool {
        self.outlet
            .send(Frame::Message(rpc::notification_text(method, params)))
            .await
    }

    /// Answers this call.
    pub(crate) async fn answer(&self, outcome: Outcome) {
        let status = match &outcome {
            Err(error) if self.revision.is_modern() => modern::status_of(error),
            _ => 200,
        };
        self.outlet
            .send(Frame::Answer(status, self.answer_text(outcome)))
            .await;
    }

    /// Returns the answer's text, in the words of the caller's revision.
    pub(crate) fn answer_text(&self, outcome: Outcome) -> String {
        match outcome {
            Err(error) => rpc::error_text(self.id(), &error),
            Ok(Answer::Raw(text)) if self.revision.is_modern() => {
                let typed = text.replacen('{', r#"{"resultType":"complete","#, 1);
                rpc::result_text(self.id(), &typed)
            }
            Ok(Answer::Raw(text)) => rpc::result_text(self.id(), &text),
            Ok(Answer::Value(value)) => {
                rpc::result_text(self.id(), &self.worded(value).to_string())
            }
        }
    }

    fn worded(&self, mut result: Value) -> Value {
        if !self.revision.is_modern() {
            self.revision.trim(&mut result);
            return result;
        }
        let mut worded = json!({ "resultType": "complete" });
        let members = result.as_object().cloned().unwrap_or_default();
        for (member, value) in members {
            worded[member] = value;
        }
        let name = &self.app.behaviour.name;
        worded["_meta"]["io.modelcontextprotocol/serverInfo"] =
            json!({ "name": name, "version": env!("CARGO_PKG_VERSION") });
        worded
    }
}

/// Answers a call until it is done or `cancelled`.
pub(crate) async fn run(call: Call, cancelled: CancellationToken) {
    let work = async {
        match &call.ill {
            Some(ill) => ill::act(ill, &call).await,
            None => call.answer(dispatch::dispatch(&call).await).await,
        }
    };
    // The work first: a stream that ended after the answer is no cancellation.
    tokio::select! {
        biased;
        () = work => {}
        () = cancelled.cancelled() => {
            let is_listening = call.message.method() == "subscriptions/listen";
            let what = if is_listening { "closed" } else { "cancelled" };
            call.app.unlisten(call.id(), &call.outlet);
            call.app.log.happened(what, &call.headers, call.message.id().cloned());
        }
    }
    call.session.finish(call.id());
}
