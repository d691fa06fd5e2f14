//! `subscriptions/listen`, and the list changes that a session's own stream carries.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast;

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

/// Opens a subscription: an acknowledgement, then what was asked for, until the client closes the stream.
pub(super) fn open(
    gateway: &Arc<Gateway>,
    request: &Request,
    message: &Message,
    view: &View,
) -> Outcome {
    let id = message.id.clone().unwrap_or_default();
    let filter = RawObject::parse(message.params_or_empty())
        .ok()
        .and_then(|params| params.get("notifications").map(<[u8]>::to_vec))
        .unwrap_or_else(|| b"{}".to_vec());
    let filter = RawObject::parse(&filter).unwrap_or_default();
    let mut granted = RawObject::default();
    let mut wanted = Vec::new();
    for (capability, name) in FILTERS {
        if filter.get(name) == Some(b"true") {
            granted.set(name, &b"true"[..]);
            wanted.push(capability);
        }
    }
    let mut metadata = RawObject::default();
    metadata.set(meta::SUBSCRIPTION_ID, &id[..]);
    let mut params = RawObject::default();
    params.set("_meta", metadata.to_json());
    params.set("notifications", granted.to_json());
    let first = message::notification(
        "notifications/subscriptions/acknowledged",
        &params.to_json(),
    );
    let listening = Listening::to(gateway, view, wanted);
    tracing::debug!(request.id = &*request.request_id, "subscription opened");
    Outcome::Listen(Box::new(Subscription {
        listening,
        id,
        first: Some(first.into()),
        stop: gateway.tasks.stop.clone(),
        is_over: false,
    }))
}

/// An open subscription.
#[derive(Debug)]
pub struct Subscription {
    listening: Listening,
    id: Bytes,
    first: Option<Bytes>,
    stop: tokio_util::sync::CancellationToken,
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
            () = self.stop.cancelled() => None,
            changed = self.listening.next() => changed,
        };
        match changed {
            Some(capability) => Some(list_changed(capability, Some(&self.id))),
            None => {
                self.is_over = true;
                let mut metadata = RawObject::default();
                metadata.set(meta::SUBSCRIPTION_ID, &self.id[..]);
                let mut result = RawObject::default();
                result.set("resultType", string("complete"));
                result.set("_meta", metadata.to_json());
                Some(message::result(&self.id, &result.to_json()).into())
            }
        }
    }
}
