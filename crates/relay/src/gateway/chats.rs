//! The chats that are open in this process, so that a call which waits for its learner can say so in their chat.
//! Never reaches another person's chat: a session id alone names nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName};
use tokio::sync::broadcast;

use mcp::headers;
use tenancy::auth::Caller;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// In which chat a mentor runtime makes a call (docs/inside/decisions.md#who-calls).
pub(crate) const CHAT_SESSION: HeaderName = HeaderName::from_static("x-chat-session-id");

/// Longest chat session id, in bytes; a UUID has 36.
const SESSION_BYTES_MAX: usize = 64;
/// Events that a stream may have unread; then the oldest are lost to it.
const EVENTS_MAX: usize = 64;

/// A chat session of one person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChatKey {
    /// The person's tenant.
    pub tenant: TenantId,
    /// The person.
    pub user: UserId,
    /// The session's id as the chat client sends it.
    pub session: Arc<str>,
}

impl ChatKey {
    /// The caller's chat session with this id.
    pub fn of(caller: &Caller, session: &str) -> Self {
        Self {
            tenant: caller.tenant.id,
            user: caller.user.id,
            session: session.into(),
        }
    }
}

/// The chat session id that a request's headers name, if they name one.
pub fn session_in(headers: &HeaderMap) -> Option<Arc<str>> {
    headers::one(headers, &CHAT_SESSION)
        .filter(|session| !session.is_empty() && session.len() <= SESSION_BYTES_MAX)
        .map(Into::into)
}

/// What a chat is told about a sign-in (docs/inside/contract.md#chat).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    /// The learner must sign in; the call waits.
    OauthRequired {
        /// The server's number.
        server_id: i64,
        /// The server's name.
        server_name: String,
        /// The page to open.
        auth_url: String,
        /// The sentence for the learner.
        message: String,
    },
    /// The learner has signed in; the call goes on.
    OauthResolved {
        /// The server's number.
        server_id: i64,
        /// The server's name.
        server_name: String,
        /// The sentence for the learner.
        message: String,
    },
    /// The learner did not sign in; the turn ends with this error.
    OauthFailed {
        /// The server's number.
        server_id: i64,
        /// The server's name.
        server_name: String,
        /// The sentence for the learner.
        message: String,
    },
}

type Open = Mutex<HashMap<ChatKey, broadcast::Sender<ChatEvent>>>;

/// The open chats. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Chats(Arc<Open>);

impl Chats {
    /// Hears what is told to a chat until the stream is dropped.
    pub fn join(&self, chat: ChatKey) -> ChatStream {
        let mut open = lock(&self.0);
        let sender = open
            .entry(chat.clone())
            .or_insert_with(|| broadcast::channel(EVENTS_MAX).0);
        ChatStream {
            events: sender.subscribe(),
            chat,
            chats: self.clone(),
        }
    }

    /// Whether anybody hears this chat.
    pub fn is_open(&self, chat: &ChatKey) -> bool {
        lock(&self.0).contains_key(chat)
    }

    /// Tells a chat. `false` if nobody hears it.
    pub fn tell(&self, chat: &ChatKey, event: ChatEvent) -> bool {
        lock(&self.0)
            .get(chat)
            .is_some_and(|sender| sender.send(event).is_ok())
    }
}

/// The events of one chat.
#[derive(Debug)]
pub struct ChatStream {
    events: broadcast::Receiver<ChatEvent>,
    chat: ChatKey,
    chats: Chats,
}

impl ChatStream {
    /// The next event. Safe to cancel: no event is lost when it is.
    pub async fn next(&mut self) -> ChatEvent {
        loop {
            match self.events.recv().await {
                Ok(event) => return event,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(
                        missed,
                        "a chat client is a slow consumer; events were dropped"
                    );
                }
                // The sender lives in the table as long as this stream does.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Drop for ChatStream {
    fn drop(&mut self) {
        let mut open = lock(&self.chats.0);
        let is_last = open
            .get(&self.chat)
            .is_some_and(|sender| sender.receiver_count() == 1);
        if is_last {
            open.remove(&self.chat);
        }
    }
}

fn lock(open: &Open) -> MutexGuard<'_, HashMap<ChatKey, broadcast::Sender<ChatEvent>>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(user: i64, session: &str) -> ChatKey {
        ChatKey {
            tenant: TenantId(1),
            user: UserId(user),
            session: session.into(),
        }
    }

    fn resolved(server_id: i64) -> ChatEvent {
        ChatEvent::OauthResolved {
            server_id,
            server_name: "Drive".into(),
            message: "on".into(),
        }
    }

    #[tokio::test]
    async fn every_stream_of_a_chat_hears_what_it_is_told() {
        let chats = Chats::default();
        let (mut first, mut second) = (chats.join(chat(1, "s")), chats.join(chat(1, "s")));
        assert!(chats.tell(&chat(1, "s"), resolved(7)));
        assert_eq!(first.next().await, resolved(7));
        assert_eq!(second.next().await, resolved(7));
    }

    #[test]
    fn another_persons_chat_of_the_same_id_hears_nothing() {
        let chats = Chats::default();
        let _stream = chats.join(chat(1, "s"));
        assert!(!chats.tell(&chat(2, "s"), resolved(7)));
        assert!(!chats.tell(&chat(1, "t"), resolved(7)));
    }

    #[test]
    fn a_chat_is_open_until_its_last_stream_ends() {
        let chats = Chats::default();
        let (first, second) = (chats.join(chat(1, "s")), chats.join(chat(1, "s")));
        drop(first);
        assert!(chats.is_open(&chat(1, "s")));
        drop(second);
        assert!(!chats.is_open(&chat(1, "s")));
        assert!(!chats.tell(&chat(1, "s"), resolved(7)));
    }
}
