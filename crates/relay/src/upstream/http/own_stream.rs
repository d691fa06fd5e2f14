//! The stream of a session that belongs to no call, for as long as the session lives.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use crate::upstream::session::{Session, Wire};
use base::error::UpstreamFailureKind;
use base::tasks::Backoff;

/// Waits before a broken listening stream is opened again.
const LISTEN_RETRY: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};
/// Shortest wait that a server may ask for.
const LISTEN_RETRY_MIN: Duration = Duration::from_millis(100);

/// Listens to a session's own stream for as long as the session lives.
pub(super) async fn listen_on(session: Arc<Session>) {
    let Wire::Http(wire) = &session.wire else {
        return;
    };
    let (mut last_event_id, mut wait, mut has_worked) = (None::<String>, LISTEN_RETRY.first, false);
    loop {
        let opened = tokio::select! {
            () = session.closed.cancelled() => return,
            opened = wire.listen(&session, last_event_id.as_deref()) => opened,
        };
        match opened {
            Ok(mut events) => {
                has_worked = true;
                // One that ends without a word is asked for less and less often.
                wait = LISTEN_RETRY.next(wait);
                loop {
                    let event = tokio::select! {
                        () = session.closed.cancelled() => return,
                        event = events.next() => event,
                    };
                    let Some(Ok(event)) = event else { break };
                    let asked = event.retry.unwrap_or(LISTEN_RETRY.first);
                    wait = asked.clamp(LISTEN_RETRY_MIN, LISTEN_RETRY.longest);
                    last_event_id = event.id.or(last_event_id);
                    session.hear(event.data).await;
                }
            }
            // 405 is the documented "no such stream", and servers without one say other things too; none will change.
            // Only where a stream was does 404 say that the session is gone.
            Err(failure) if !failure.is_outage() => {
                if failure.kind == UpstreamFailureKind::Http(404)
                    && wire.session_id.is_some()
                    && has_worked
                {
                    session.lost();
                }
                return;
            }
            Err(_) => wait = LISTEN_RETRY.next(wait),
        }
        tokio::select! {
            () = session.closed.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
