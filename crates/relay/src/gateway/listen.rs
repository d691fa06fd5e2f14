//! `subscriptions/listen`, and the list changes that a session's own stream carries.
//! Compares what a view offers with what it offered: who changed it, and in which process, is not asked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Gateway;
pub use super::catalog::CAPABILITIES;
use super::catalog::{FIRST_LOOK_PATIENCE, Looked};
use super::item::List;
use super::known::Known;
use super::lists;
use super::request::Request;
use super::target::Target;
use super::view::View;
use base::error::Error;
use broker::guard::Guard;
use mcp::error::RpcError;
use mcp::raw::string;
use mcp::{Message, RawObject, message, meta};
use tenancy::auth::Caller;

/// The lists whose changes can be listened to: the capability and the member of the filter.
const FILTERS: [(&str, &str); 3] = [
    ("tools", "toolsListChanged"),
    ("prompts", "promptsListChanged"),
    ("resources", "resourcesListChanged"),
];
/// How often a view is read again while somebody listens: another process may have changed it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Views read at once for those who listen; the others wait their turn, and calls wait for none of them.
pub(super) const LOOKS_MAX: usize = 8;
/// A server is heard in several of our sessions. What it says again within this time, and nothing of which can be
/// seen, is an echo.
const ECHO: Duration = Duration::from_secs(5);

/// A stream of list changes behind one endpoint.
#[derive(Debug)]
pub struct Listening {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    target: Target,
    /// What servers offered when they were last asked.
    looks: broadcast::Receiver<Looked>,
    /// Changes that this process made.
    changes: watch::Receiver<u64>,
    view: Arc<View>,
    known: Known,
    /// The capabilities that are listened to.
    wanted: Vec<&'static str>,
    /// Said by a server itself since the last comparison.
    said: Vec<&'static str>,
    /// Waiting to be sent.
    ready: VecDeque<&'static str>,
    /// When each capability was announced last.
    announced: Vec<(&'static str, Instant)>,
    due: Due,
    next_look: Instant,
}

/// What is to be done before anybody can be told anything. Outlives a `next` that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Nothing,
    /// To compare the lists.
    Lists,
    /// To read the view again first.
    View,
}

impl Listening {
    /// Changes of everything behind a target for this caller, from what is known on.
    ///
    /// # Errors
    /// As [`Gateway::view`].
    pub async fn open(
        gateway: &Arc<Gateway>,
        (caller, target): (&Arc<Caller>, &Target),
        wanted: &[&'static str],
        known: Known,
    ) -> base::error::Result<Self> {
        // Before the view is read: what comes between would be missed.
        let (looks, changes) = (gateway.catalogs.looks(), gateway.views.changes());
        let view = gateway.view(caller, target).await?;
        let is_first = known.is_empty();
        let is_settled = view.members.iter().all(|member| !member.is_pending());
        if is_first && is_settled {
            known.replace(List::ALL.map(|list| lists::listing(&view, list)));
        }
        let due = match (is_first, is_settled) {
            (true, true) => Due::Nothing,
            (true, false) => Due::Lists,
            (false, _) => Due::View,
        };
        Ok(Self {
            gateway: gateway.clone(),
            caller: caller.clone(),
            target: target.clone(),
            looks,
            changes,
            view,
            due,
            known,
            wanted: wanted.to_vec(),
            said: Vec::new(),
            ready: VecDeque::new(),
            announced: Vec::new(),
            next_look: Instant::now() + LOOK_EVERY,
        })
    }

    /// Whether a mentor's servers are listened to.
    pub fn is_union(&self) -> bool {
        self.view.mentor.is_some()
    }

    /// The capability whose list changed next; `None` when the gateway stops. May be dropped and asked again.
    pub async fn next(&mut self) -> Option<&'static str> {
        if self.wanted.is_empty() {
            return std::future::pending().await;
        }
        loop {
            if let Some(capability) = self.ready.pop_front() {
                return Some(capability);
            }
            if self.due > Due::Nothing {
                self.compare().await;
                continue;
            }
            tokio::select! {
                looked = self.looks.recv() => match looked {
                    Ok(looked) => self.heard(&looked),
                    // What was missed may have been anything.
                    Err(RecvError::Lagged(_)) => self.due = Due::Lists,
                    Err(RecvError::Closed) => return None,
                },
                changed = self.changes.changed() => {
                    changed.ok()?;
                    self.due = Due::View;
                }
                () = tokio::time::sleep_until(self.next_look) => self.due = Due::View,
            }
        }
    }

    fn heard(&mut self, looked: &Looked) {
        let mut opens = self.view.members.iter().filter_map(|member| member.ready());
        if opens.any(|open| looked.is_of(&open.cell)) {
            self.due = self.due.max(Due::Lists);
            self.said.extend(looked.said());
        }
    }

    /// Compares what is offered now with what is known.
    async fn compare(&mut self) {
        if self.due == Due::View {
            let turn = self.gateway.listening.acquire().await;
            let read = self.gateway.fresh_view(&self.caller, &self.target).await;
            drop(turn);
            match read {
                Ok(view) => self.view = view,
                // Who may listen no more is told by another; a database that fails is asked again.
                Err(error) => {
                    tracing::debug!(error = %error.chain(), "a view that is listened to cannot be read")
                }
            }
            self.next_look = Instant::now() + LOOK_EVERY;
        }
        // A list would have waited for it too: nobody has seen one without it.
        lists::settle(&self.view, FIRST_LOOK_PATIENCE).await;
        let offer = List::ALL.map(|list| lists::listing(&self.view, list));
        let now = Instant::now();
        let changed = self.known.replace(offer);
        let said = std::mem::take(&mut self.said);
        self.due = Due::Nothing;
        for capability in self.wanted_of(&changed, &said, now) {
            self.announced.retain(|(known, _)| *known != capability);
            self.announced.push((capability, now));
            self.ready.push_back(capability);
        }
    }

    fn wanted_of(&self, changed: &[&str], said: &[&str], now: Instant) -> Vec<&'static str> {
        let is_echo = |capability: &str| {
            let last = self
                .announced
                .iter()
                .find(|(known, _)| *known == capability);
            last.is_some_and(|(_, at)| now.duration_since(*at) < ECHO)
        };
        let is_new = |capability: &&&'static str| {
            changed.contains(*capability) || said.contains(*capability) && !is_echo(capability)
        };
        self.wanted.iter().filter(is_new).copied().collect()
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
///
/// # Errors
/// As [`Gateway::view`].
pub(super) async fn open(
    gateway: &Arc<Gateway>,
    (request, message): (&Request, &Message),
    (filter, watched): (&RawObject<'_>, Watched),
) -> base::error::Result<Box<Subscription>> {
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
    let of = (&request.caller, &request.target);
    Ok(Box::new(Subscription {
        listening: Listening::open(gateway, of, &wanted, Known::default()).await?,
        watched,
        id,
        first: Some(first.into()),
        stop: gateway.tasks.stop.clone(),
        cancelled: request.cancelled.clone(),
        guard: request.guard.clone(),
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
    guard: Guard,
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
            why = self.guard.ended() => {
                self.is_over = true;
                let error = RpcError::from(&Error::Ended(why));
                return Some(message::error(&self.id, &error.to_json()).into());
            }
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
