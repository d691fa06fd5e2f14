//! The calls of one session that are under way, and the way to each for what comes outside of its own stream.
//! Knows to which call a message belongs; nothing of what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::ids;
use base::error::UpstreamFailureKind;
use mcp::message::Kind;
use mcp::{Message, RawObject, heard, meta};

/// Messages that wait for one call that does not read; then the session waits for it.
const SLOT_MESSAGES_MAX: usize = 64;

/// The way to a call. Boxed: most calls get nothing, and an empty channel sets aside the room of 32 items.
pub(super) type Route = mpsc::Sender<Box<Message>>;

/// The calls under way, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Slots {
    calls: Mutex<BTreeMap<u64, Route>>,
    /// Those whose answer came and was larger than allowed.
    too_large: Mutex<BTreeSet<u64>>,
}

/// A call's place in its session, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    /// The call's number: its id, and its progress token.
    pub(super) id: u64,
    receiver: mpsc::Receiver<Box<Message>>,
    slots: Arc<Slots>,
}

impl Slots {
    /// A place for a call.
    pub(super) fn take(this: &Arc<Self>) -> Slot {
        let id = ids::next();
        let (route, receiver) = mpsc::channel(SLOT_MESSAGES_MAX);
        this.lock().insert(id, route);
        Slot {
            id,
            receiver,
            slots: this.clone(),
        }
    }

    /// The answer of a call is larger than allowed: the call gets nothing more, and the others go on.
    pub(super) fn too_large(&self, number: u64) {
        if self.lock().contains_key(&number) {
            self.lock_large().insert(number);
        }
        self.lock().remove(&number);
    }

    /// Forgets every call: none gets anything more.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The way to the call that a message belongs to: an answer to the one with its id, progress to the one with its
    /// token, a question or a log line to the latest, and what a stateless server says to its subscription.
    pub(super) fn route(&self, message: &Message, is_modern: bool) -> Option<Route> {
        match message.kind() {
            Kind::Response => self.find(message.id.as_deref()),
            Kind::Request => self.latest(),
            Kind::Notification => match message.method.as_deref() {
                Some("notifications/message") => self.latest(),
                Some("notifications/progress") => {
                    let params = RawObject::parse(message.params_or_empty()).ok()?;
                    self.find(params.get("progressToken"))
                }
                _ if is_modern => {
                    let params = RawObject::parse(message.params_or_empty()).ok()?;
                    let about = RawObject::parse(params.get("_meta")?).ok()?;
                    self.find(about.get(meta::SUBSCRIPTION_ID))
                }
                _ => None,
            },
        }
    }

    fn find(&self, number: Option<&[u8]>) -> Option<Route> {
        let number = heard::number(number?)?;
        self.lock().get(&number).cloned()
    }

    fn latest(&self) -> Option<Route> {
        let calls = self.lock();
        calls.last_key_value().map(|(_, route)| route.clone())
    }

    fn lock_large(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        let large = self.too_large.lock();
        large.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Route>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The next message; `None` once the session is over. May be dropped and asked again.
    pub(super) async fn recv(&mut self) -> Option<Message> {
        self.receiver.recv().await.map(|message| *message)
    }

    /// Why there is no next message.
    pub(super) fn end(&self) -> UpstreamFailureKind {
        if self.slots.lock_large().contains(&self.id) {
            UpstreamFailureKind::TooLarge
        } else {
            UpstreamFailureKind::Closed
        }
    }

    /// Takes no more; what is there already can still be received.
    pub(super) fn close(&mut self) {
        self.slots.lock().remove(&self.id);
        self.receiver.close();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().remove(&self.id);
        self.slots.lock_large().remove(&self.id);
    }
}
