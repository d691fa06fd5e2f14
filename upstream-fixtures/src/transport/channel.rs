//! What HTTP+SSE and WebSocket share: a session whose messages all go down one stream.
//! Must never wait: a slow call must not hold up the next message.

use std::sync::Arc;

use crate::call::{self, Call, Frame};
use crate::dispatch;
use crate::ill::Ill;
use crate::modern;
use crate::revision::Revision;
use crate::rpc::{self, Kind, Message, RpcError};
use crate::seen::Headers;
use crate::session::Session;
use crate::state::App;

/// A message that came in on a session.
pub(super) struct Incoming {
    pub(super) app: Arc<App>,
    pub(super) session: Arc<Session>,
    pub(super) message: Message,
    /// Headers of the HTTP request that carried it.
    pub(super) headers: Headers,
    pub(super) ill: Option<Ill>,
}

/// Takes a message and starts its answer.
pub(super) fn receive(incoming: Incoming) {
    let Incoming {
        app,
        session,
        message,
        ..
    } = &incoming;
    match message.kind() {
        Kind::Request => {}
        Kind::Response => {
            session.answered(message.value.clone());
            return;
        }
        Kind::Notification => {
            if message.method() == "notifications/cancelled" {
                session.cancel(&message.params()["requestId"]);
            }
            return;
        }
        Kind::Invalid => {
            return refuse(session, message, &RpcError::new(-32600, "Invalid Request"));
        }
    }
    match revision(app, session, message) {
        Ok(revision) => begin(incoming, revision),
        Err(error) => refuse(session, message, &error),
    }
}

/// Finds the revision to answer in.
fn revision(app: &App, session: &Session, message: &Message) -> Result<Revision, RpcError> {
    let is_initialize = message.method() == "initialize";
    if dispatch::is_modern_message(app.behaviour.era, message.params()) {
        modern::check_meta(&app.behaviour, message)?;
        return Ok(Revision::V2026_07_28);
    }
    if is_initialize {
        return Ok(dispatch::agreed(
            &app.behaviour,
            &message.params()["protocolVersion"],
        ));
    }
    match session.revision() {
        Some(revision) => Ok(revision),
        None if message.method() == "ping" => Ok(Revision::V2025_11_25),
        None => Err(RpcError::invalid_params(
            "Received request before initialization was complete",
        )),
    }
}

fn begin(incoming: Incoming, revision: Revision) {
    let Incoming {
        app,
        session,
        message,
        headers,
        ill,
    } = incoming;
    let Some(outlet) = session.stream() else {
        return;
    };
    let cancelled = session.ended.child_token();
    if let Some(id) = message.id() {
        session.begin(id, &cancelled);
    }
    let tasks = app.tasks.clone();
    let call = Call {
        app,
        session,
        revision,
        message,
        headers,
        outlet,
        ill,
    };
    if call.message.method() == "subscriptions/listen" && revision.is_modern() {
        dispatch::subscribe(&call);
    }
    tasks.spawn(call::run(call, cancelled));
}

fn refuse(session: &Session, message: &Message, error: &RpcError) {
    let id = message.id().cloned().unwrap_or_default();
    if let Some(outlet) = session.stream() {
        outlet.push(Frame::Answer(200, rpc::error_text(&id, error)));
    }
}

/// Ends the session with its stream.
pub(super) struct Ending {
    pub(super) app: Arc<App>,
    pub(super) session: Arc<Session>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.session.ended.cancel();
        self.app.end_session(&self.session.id);
        self.app.log.happened("closed", &self.session.headers, None);
    }
}
