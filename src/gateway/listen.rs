//! `subscriptions/listen`, and the list changes that a session's own stream carries.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::view::View;
use super::{Gateway, Outcome, Request};
use crate::mcp::raw::string;
use crate::mcp::{Message, RawObject, message, meta};
use crate::registry::server::ServerId;
use crate::upstream::Change;

/// The lists whose changes can be listened to: the capability and the member of the filter.
const FILTERS: [(&str, &str); 3] = [
    ("tools", "toolsListChanged"),
    ("prompts", "promptsListChanged"),
    ("resources", "resourcesListChanged"),
];

/// A stream of list changes behind one endpoint.
#[derive(Debug)]
pub struct Listening {
    changes: broadcast::Receiver<Change>,
    servers: HashSet<ServerId>,
    /// The capabilities that are listened to.
    wanted: Vec<&'static str>,
    /// Waiting to be sent.
    ready: Vec<&'static str>,
}

impl Listening {
    /// Changes of everything behind a view.
    pub fn to(gateway: &Gateway, view: &View, wanted: Vec<&'static str>) -> Self {
        let servers = view.members.iter().map(|member| member.server.id).collect();
        Self {
            changes: gateway.catalogs.changes(),
            servers,
            wanted,
            ready: Vec::new(),
        }
    }

    /// Changes of every list.
    pub fn to_all(gateway: &Gateway, view: &View) -> Self {
        Self::to(
            gateway,
            view,
            FILTERS.iter().map(|(capability, _)| *capability).collect(),
        )
    }

    /// The capability whose list changed next; `None` when the gateway stops.
    pub async fn next(&mut self) -> Option<&'static str> {
        loop {
            if let Some(capability) = self.ready.pop() {
                return Some(capability);
            }
            match self.changes.recv().await {
                Ok(change) if self.servers.contains(&change.server) => {
                    self.ready
                        .extend(self.wanted.iter().find(|wanted| **wanted == change.list));
                }
                Ok(_) => {}
                // What was missed may have been anything.
                Err(broadcast::error::RecvError::Lagged(_)) => self.ready.clone_from(&self.wanted),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// The notification that a list changed.
pub fn list_changed(capability: &str, subscription: Option<&[u8]>) -> Bytes {
    let mut params = RawObject::default();
    if let Some(id) = subscription {
        let mut metadata = RawObject::default();
        metadata.set(meta::SUBSCRIPTION_ID, id.to_vec());
        params.set("_meta", metadata.to_json());
    }
    message::notification(
        &format!("notifications/{capability}/list_changed"),
        &params.to_json(),
    )
    .into()
}

/// Resources that a subscription watches.
#[derive(Debug)]
pub(super) struct Watched {
    /// Those that can be watched, as the client named them.
    pub(super) uris: Vec<String>,
    /// Their updates.
    pub(super) updates: mpsc::Receiver<Message>,
    /// Ends the watches.
    pub(super) stop: CancellationToken,
}

/// Opens a subscription: an acknowledgement, then what was asked for, until the client closes the stream.
pub(super) fn open(
    gateway: &Arc<Gateway>,
    (request, message): (&Request, &Message),
    view: &View,
    (filter, watched): (&RawObject<'_>, Watched),
) -> Outcome {
    let id = message.id.clone().unwrap_or_default();
    let mut granted = RawObject::default();
    let mut wanted = Vec::new();
    for (capability, name) in FILTERS {
        if filter.get(name) == Some(b"true") {
            granted.set(name, &b"true"[..]);
            wanted.push(capability);
        }
    }
    if !watched.uris.is_empty() {
        granted.set(
            "resourceSubscriptions",
            serde_json::json!(watched.uris).to_string().into_bytes(),
        );
    }
    let mut params = RawObject::default();
    params.set("_meta", subscription_meta(&id));
    params.set("notifications", granted.to_json());
    let first = message::notification(
        "notifications/subscriptions/acknowledged",
        &params.to_json(),
    );
    tracing::debug!(request.id = &*request.request_id, "subscription opened");
    Outcome::Listen(Box::new(Subscription {
        listening: Listening::to(gateway, view, wanted),
        watched,
        id,
        first: Some(first.into()),
        stop: gateway.tasks.stop.clone(),
        cancelled: request.cancelled.clone(),
        is_over: false,
    }))
}

fn subscription_meta(id: &[u8]) -> Vec<u8> {
    let mut metadata = RawObject::default();
    metadata.set(meta::SUBSCRIPTION_ID, id.to_vec());
    metadata.to_json()
}

/// An open subscription.
#[derive(Debug)]
pub struct Subscription {
    listening: Listening,
    watched: Watched,
    id: Bytes,
    first: Option<Bytes>,
    stop: CancellationToken,
    cancelled: CancellationToken,
    is_over: bool,
}

impl Subscription {
    /// The next message; the last one is the response that closes the subscription gracefully.
    pub async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.is_over {
            return None;
        }
        let changed = tokio::select! {
            () = self.cancelled.cancelled() => return None,
            () = self.stop.cancelled() => None,
            Some(update) = self.watched.updates.recv() => return Some(self.tagged(&update)),
            changed = self.listening.next() => changed,
        };
        match changed {
            Some(capability) => Some(list_changed(capability, Some(&self.id))),
            None => {
                self.is_over = true;
                let mut result = RawObject::default();
                result.set("resultType", string("complete"));
                result.set("_meta", subscription_meta(&self.id));
                Some(message::result(&self.id, &result.to_json()).into())
            }
        }
    }

    /// An upstream's notification under the id of this subscription.
    fn tagged(&self, update: &Message) -> Bytes {
        let mut params = RawObject::parse(update.params_or_empty()).unwrap_or_default();
        let own = params.get("_meta").map(<[u8]>::to_vec);
        let mut metadata = own
            .as_deref()
            .and_then(|m| RawObject::parse(m).ok())
            .unwrap_or_default();
        metadata.set(meta::SUBSCRIPTION_ID, &self.id[..]);
        let metadata = metadata.to_json();
        params.set("_meta", metadata);
        message::notification(
            update.method.as_deref().unwrap_or_default(),
            &params.to_json(),
        )
        .into()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.watched.stop.cancel();
    }
}
