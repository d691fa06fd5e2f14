//! Sends what is due in the outbox, one batch after the other and none twice at the same time.
//! Without a mail server nothing is claimed, and everything waits.

use std::time::Duration;

use super::Parts;
use base::error::{Error, Result};
use base::tasks::Next;
use delivery::mail::{self, Due, Outcome, Sender, Session};

/// How often due mails are looked for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Mails of one conversation with the mail server. All of them together take less than their lease.
const BATCH_MAILS: i64 = 8;

pub(super) async fn run(parts: Parts, sender: Sender) -> Result<Next> {
    let due = claim(&parts).await?;
    send(&parts, &sender, &due).await;
    Ok(match due.is_empty() {
        true => Next::Later,
        false => Next::AtOnce,
    })
}

async fn claim(parts: &Parts) -> Result<Vec<Due>> {
    let now = parts.clock.now();
    if mail::OUTBOX.is_idle(&parts.db, now).await? {
        return Ok(Vec::new());
    }
    let mut tx = parts.db.write().await?;
    let due = mail::claim(&mut tx, BATCH_MAILS, now).await?;
    tx.commit().await?;
    Ok(due)
}

async fn send(parts: &Parts, sender: &Sender, batch: &[Due]) {
    let mut session = Session::default();
    for due in batch {
        let sending = sender.send(&mut session, due, parts.clock.now());
        let sent = parts.tasks.unharmed("send_mail", sending).await;
        let outcome = sent.unwrap_or_else(|| {
            // Whatever was said to the mail server before, nothing more is said in that conversation.
            session = Session::default();
            tracing::error!(mail = due.id.0, "a mail was given up: it cannot be sent");
            Outcome::Refused("this mail cannot be sent".to_owned())
        });
        let settled = async {
            let mut tx = parts.db.write().await?;
            mail::settle(&mut tx, due, &outcome, parts.clock.now()).await?;
            Ok::<_, Error>(tx.commit().await?)
        };
        if let Err(error) = settled.await {
            // The lease ends, and it is sent again under the same message id.
            tracing::error!(mail = due.id.0, error = %error.chain(), "failed to record the outcome of a mail");
        }
    }
    session.end().await;
}
