//! Lanes: to whom upstream sessions belong, and where they are kept between calls.
//! A session is found by its lane and credential together, never by one of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;

use super::inbox::Inbox;
use super::session::Session;
use tenancy::tenant::mentor::MentorId;
use tenancy::tenant::user::UserId;

/// To whom a session belongs.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// The person; none for the gateway's own lists.
    pub person: Option<UserId>,
    /// The mentor, if it goes through one.
    pub mentor: Option<MentorId>,
    /// The client's session, if its revision has sessions.
    pub session: Option<Arc<str>>,
    /// Where messages go that belong to no call.
    pub inbox: Option<Inbox>,
}

impl PartialEq for Lane {
    fn eq(&self, other: &Self) -> bool {
        (self.person, self.mentor, &self.session) == (other.person, other.mentor, &other.session)
    }
}

impl Eq for Lane {}

impl std::hash::Hash for Lane {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.person, self.mentor, &self.session).hash(state);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    pub(super) credential: [u8; 16],
    pub(super) lane: Lane,
}

/// Longest time that a session is kept for a client's session that does not use it. It ends with that session, which
/// may be read for hours: what the server keeps in it is to be there still.
const CLIENT_SESSION_IDLE: Duration = Duration::from_secs(24 * 3600);

/// How long an unused session is kept: by whom it belongs to.
struct Idle(Duration);

impl Idle {
    fn of(&self, key: &SessionKey) -> Option<Duration> {
        let belongs_to_client = key.lane.session.is_some();
        Some(if belongs_to_client {
            CLIENT_SESSION_IDLE
        } else {
            self.0
        })
    }
}

impl Expiry<SessionKey, Arc<Session>> for Idle {
    fn expire_after_create(
        &self,
        key: &SessionKey,
        _: &Arc<Session>,
        _: Instant,
    ) -> Option<Duration> {
        self.of(key)
    }

    fn expire_after_read(
        &self,
        key: &SessionKey,
        _: &Arc<Session>,
        _: Instant,
        _: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        self.of(key)
    }
}

pub(super) fn cache(entries_max: u64, idle: Duration) -> Cache<SessionKey, Arc<Session>> {
    Cache::builder()
        .max_capacity(entries_max)
        .expire_after(Idle(idle))
        .async_eviction_listener(|_, session: Arc<Session>, _| {
            Box::pin(async move { session.close().await })
        })
        .build()
}
