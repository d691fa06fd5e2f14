//! What a session upstream says that belongs to no call: where it goes.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::exchange::Ask;
use super::uri::Namer;
use mcp::{Message, RawObject};

/// Messages that wait for a client that does not read, at most; what comes then is dropped.
const INBOX_MESSAGES_MAX: usize = 256;
/// Subscriptions by a plain URI that are remembered; updates of further ones name the marked one.
const SUBSCRIBED_MAX: usize = 1024;

/// A notification or request from an upstream outside of any call.
#[derive(Debug)]
pub enum Unsolicited {
    /// A notification.
    Notification(Message),
    /// A request.
    Ask(Ask),
}

/// A server, and a URI as the server has it.
type Subscribed = (i64, String);

/// The sending end: given to a session that is bound to one client's session.
#[derive(Debug, Clone)]
pub struct Inbox {
    queue: mpsc::Sender<Box<Unsolicited>>,
    is_read: Arc<AtomicBool>,
    /// For a client of a union: the resources that it subscribed to by their plain URIs, with their servers.
    plain: Option<Arc<Mutex<HashSet<Subscribed>>>>,
}

/// The reading end of an inbox. Items are boxed: an empty channel sets aside the room of 32 of them, and every session
/// has one.
#[derive(Debug)]
pub struct Unread(mpsc::Receiver<Box<Unsolicited>>);

impl Unread {
    /// The next item; `None` once no session can put one in any more. May be dropped and asked again.
    pub async fn recv(&mut self) -> Option<Unsolicited> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same for those who share it: the last who asked is woken.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Unsolicited>> {
        let next = self.0.poll_recv(context);
        next.map(|item| item.map(|item| *item))
    }
}

impl Inbox {
    /// An inbox and its reading end.
    pub fn new(is_of_union: bool) -> (Self, Unread) {
        let (sender, receiver) = mpsc::channel(INBOX_MESSAGES_MAX);
        (
            Self {
                queue: sender,
                is_read: Arc::default(),
                plain: is_of_union.then(Arc::default),
            },
            Unread(receiver),
        )
    }

    /// Whether somebody reads.
    pub fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Acquire)
    }

    /// Says whether somebody reads. Until then notifications wait, but a request cannot.
    pub(crate) fn set_read(&self, is_read: bool) {
        self.is_read.store(is_read, Ordering::Release);
    }

    /// Notes by which URI the client subscribes to a resource, so that updates name it so.
    pub fn subscribed(&self, server: i64, own: &str, shown: &str) {
        let Some(plain) = &self.plain else { return };
        let mut plain = plain.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (server, own.to_owned());
        if own != shown {
            plain.remove(&key);
        } else if plain.len() < SUBSCRIBED_MAX {
            plain.insert(key);
        }
    }

    /// What a server says, with its resources as the client knows them.
    fn named(&self, server: i64, message: Message) -> Message {
        let Some(plain) = &self.plain else {
            return message;
        };
        let namer = Namer::of(server);
        let uri = RawObject::parse(message.params_or_empty())
            .ok()
            .and_then(|params| params.get_str("uri"));
        match uri.map(|uri| (server, uri)) {
            Some(key)
                if plain
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .contains(&key) =>
            {
                namer.asked(key.1.clone(), key.1).message(message)
            }
            _ => namer.message(message),
        }
    }

    /// Puts a message of a server in. `false` if it cannot be taken.
    pub(super) fn put_of(&self, server: i64, item: Unsolicited) -> bool {
        self.put(match item {
            Unsolicited::Notification(message) => {
                Unsolicited::Notification(self.named(server, message))
            }
            Unsolicited::Ask(mut ask) => {
                ask.message = self.named(server, ask.message);
                Unsolicited::Ask(ask)
            }
        })
    }

    /// Puts a message in as it is. `false` if it cannot be taken.
    pub fn put(&self, item: Unsolicited) -> bool {
        let can_wait = matches!(item, Unsolicited::Notification(_));
        (can_wait || self.is_read()) && self.queue.try_send(Box::new(item)).is_ok()
    }
}
