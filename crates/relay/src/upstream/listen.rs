//! Listening to a stateless upstream for changes of its lists: `subscriptions/listen`, opened again when it ends.
//! A session upstream announces its changes on the session's own stream, which is always read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::exchange::{Event, Reply};
use super::outgoing::{Client, Outgoing};
use super::session::{Session, changed_list};
use base::tasks::Backoff;
use mcp::RawObject;

/// Streams that only listen, all upstreams together; beyond that a list is as fresh as its `ttlMs`.
pub(super) const LISTENERS_MAX: usize = 1024;
/// Waits before an ended subscription is opened again.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};

/// What a capability that announces changes is called in a subscription's filter.
const FILTERS: [(&str, &str); 3] = [
    ("tools", "toolsListChanged"),
    ("prompts", "promptsListChanged"),
    ("resources", "resourcesListChanged"),
];

impl Session {
    /// Listens for as long as the session lives, if the upstream is stateless and announces changes.
    pub(crate) fn listen_to_lists(self: &Arc<Self>, client: &Client) {
        let filter = filter(&self.handshake());
        if !self.version().is_modern()
            || filter.0.is_empty()
            || self.is_listening.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let Ok(permit) = self.upstream.listeners.clone().try_acquire_owned() else {
            return;
        };
        let mut params = RawObject::default();
        params.set("notifications", filter.to_json());
        let params = params.to_json();
        let (session, client) = (self.clone(), client.clone());
        self.upstream.tasks.spawn(async move {
            let _permit = permit;
            let mut wait = RETRY.first;
            while session.is_open() {
                if listen(&session, &params, &client).await {
                    wait = RETRY.first;
                }
                tokio::select! {
                    () = session.closed() => return,
                    () = tokio::time::sleep(wait) => wait = RETRY.next(wait),
                }
            }
        });
    }
}

fn filter(handshake: &[u8]) -> RawObject<'static> {
    let handshake = RawObject::parse(handshake).unwrap_or_default();
    let capabilities = handshake
        .get("capabilities")
        .and_then(|json| RawObject::parse(json).ok())
        .unwrap_or_default();
    let mut filter = RawObject::default();
    for (capability, name) in FILTERS {
        let capability = capabilities
            .get(capability)
            .and_then(|json| RawObject::parse(json).ok());
        if capability.is_some_and(|c| c.get("listChanged") == Some(b"true")) {
            filter.set(name, &b"true"[..]);
        }
    }
    filter
}

/// One subscription until it ends. Returns whether it was open at all.
async fn listen(session: &Arc<Session>, params: &[u8], client: &Client) -> bool {
    let Ok(params) = RawObject::parse(params) else {
        return false;
    };
    let out = Outgoing {
        method: "subscriptions/listen",
        person: None,
        params,
        client,
        param_headers: Vec::new(),
        is_idempotent: true,
    };
    let Ok(Reply::Stream(mut exchange)) = session.request(&out).await else {
        return false;
    };
    let mut was_open = false;
    loop {
        let event = tokio::select! {
            () = session.closed() => return was_open,
            event = exchange.next() => event,
        };
        match event {
            Ok(Event::Notification(message)) => {
                was_open = true;
                if let Some(list) = message.method.as_deref().and_then(changed_list) {
                    session.upstream.changed(list);
                }
            }
            Ok(Event::Ask(ask)) => ask.refuse(),
            Ok(Event::Answer(_)) | Err(_) => return was_open,
        }
    }
}
