//! To whom sessions belong, and where they are kept between calls.
//! A session is found by its lane and credential together, never by one of them.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::inbox::Inbox;
use super::session::Session;

/// To whom a session belongs.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// The person; 0 for the gateway's own lists.
    pub principal: i64,
    /// The mentor; 0 for none.
    pub mentor: i64,
    /// The client's session, if its revision has sessions.
    pub session: Option<Arc<str>>,
    /// Where messages go that belong to no call.
    pub inbox: Option<Inbox>,
}

impl PartialEq for Lane {
    fn eq(&self, other: &Self) -> bool {
        (self.principal, self.mentor, &self.session)
            == (other.principal, other.mentor, &other.session)
    }
}

impl Eq for Lane {}

impl std::hash::Hash for Lane {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.principal, self.mentor, &self.session).hash(state);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    pub(super) credential: [u8; 16],
    pub(super) lane: Lane,
}

pub(super) fn cache(entries_max: u64, idle: Duration) -> Cache<SessionKey, Arc<Session>> {
    Cache::builder()
        .max_capacity(entries_max)
        .time_to_idle(idle)
        .async_eviction_listener(|_, session: Arc<Session>, _| {
            Box::pin(async move { session.close().await })
        })
        .build()
}
