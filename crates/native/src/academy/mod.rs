//! The academy over MCP: two faces, v1 and v2, that spell the same facts.
//! A version owns names, casing, time format and error codes; it holds no rule and no SQL.

mod links;
pub mod v1;
pub mod v2;

use super::call::Call;
use super::failure::Refusal;
use learning::academy::Actor;
use learning::academy::message::Queued;

/// Who acts, with the rights that holders of these scopes have.
async fn actor(call: &mut Call<'_>, admin: &[&str], instructor: &[&str]) -> Result<Actor, Refusal> {
    let mut actor = Actor::of(call.tx, call.caller).await?;
    let holds = |wanted: &[&str]| {
        let held = &call.caller.scopes;
        held.iter().any(|scope| wanted.contains(&&**scope))
    };
    actor.is_admin = holds(admin);
    actor.is_instructor = holds(instructor);
    Ok(actor)
}

/// How many letters are on their way to a mail server.
fn underway(call: &Call<'_>, queued: &Queued) -> usize {
    match notice(call, queued.is_held) {
        Some(_) => 0,
        None => queued.letters - queued.failed.len(),
    }
}

/// Why letters stay in the outbox, if they do.
fn notice(call: &Call<'_>, is_held: bool) -> Option<&'static str> {
    match (is_held, call.sends_mail) {
        (true, _) => Some("Nothing leaves the sandbox: the mails stay in the outbox."),
        (false, false) => Some("No mail server is set: the mails wait in the outbox."),
        (false, true) => None,
    }
}
