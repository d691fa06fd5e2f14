//! What a session upstream says that belongs to no call: where it goes.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::exchange::Ask;
use crate::mcp::Message;

/// Messages that wait for a client that does not read, at most; what comes then is dropped.
const INBOX_MESSAGES_MAX: usize = 256;

/// A notification or request from an upstream outside of any call.
#[derive(Debug)]
pub enum Unsolicited {
    /// A notification.
    Notification(Message),
    /// A request.
    Ask(Ask),
}

/// The sending end: given to a session that is bound to one client's session.
#[derive(Debug, Clone)]
pub struct Inbox {
    queue: mpsc::Sender<Box<Unsolicited>>,
    is_read: Arc<AtomicBool>,
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

    /// The same for whoever shares it: the last who asked is woken.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Unsolicited>> {
        let next = self.0.poll_recv(context);
        next.map(|item| item.map(|item| *item))
    }
}

impl Inbox {
    /// An inbox and its reading end.
    pub fn new() -> (Self, Unread) {
        let (sender, receiver) = mpsc::channel(INBOX_MESSAGES_MAX);
        (
            Self {
                queue: sender,
                is_read: Arc::default(),
            },
            Unread(receiver),
        )
    }

    /// Whether somebody reads.
    pub fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Acquire)
    }

    /// Says whether somebody reads. Until then notifications wait, but a request cannot.
    pub fn set_read(&self, is_read: bool) {
        self.is_read.store(is_read, Ordering::Release);
    }

    /// Puts a message in. `false` if it cannot be taken.
    pub fn put(&self, item: Unsolicited) -> bool {
        let can_wait = matches!(item, Unsolicited::Notification(_));
        (can_wait || self.is_read()) && self.queue.try_send(Box::new(item)).is_ok()
    }
}
