//! `…/mentors/{mentor}/settings/` and `…/public-settings/` (docs/inside/contract.md#mentor-settings).

use serde_json::{Map, Value};

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Incoming, Shape};
use super::super::registry::{ServerAnswer, Viewer};
use super::mentor_request::{self, DESCRIPTION_CHARACTERS_MAX, PARTS};
use super::settings_answer;
use base::error::Result;
use base::fields::{Body, Given, Request, Text, optional, request};
use base::storage::Tx;
use broker::oauth::service;
use broker::registry::{attachment, server};
use tenancy::audit;
use tenancy::tenant;
use tenancy::tenant::mentor::{self, Mentor, NAME_CHARACTERS_MAX};

const ANSWER: Shape = Shape::One(settings_answer::schema);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a mentor's settings.", |call| Box::pin(read(call)))
        .answers(200, ANSWER);

pub(crate) const CHANGE: Endpoint = Endpoint::closed(
    "Changes the given settings. A list such as `mcp_servers` replaces the whole stored one, so send all of it; null \
     leaves it, an empty list clears it.",
    |call| Box::pin(change(call)),
)
.reads(Body::partial(
    "MentorSettingsRequest",
    &[SettingsRequest::TABLE, PARTS[0], PARTS[1]],
))
.answers(200, ANSWER);

pub(crate) const READ_PUBLIC: Endpoint =
    Endpoint::open("Reads what anybody may know of a mentor.", |incoming| {
        Box::pin(read_public(incoming))
    })
    .answers(200, ANSWER);

request! {
    /// A mentor as its settings are written.
    struct SettingsRequest {
        /// What it is called.
        mentor_name: Option<String> = optional(Text::filled(NAME_CHARACTERS_MAX)) => "Help desk";
        /// What it is for.
        mentor_description: Given<String> = optional(Text::blank(DESCRIPTION_CHARACTERS_MAX)) => "Answers questions.";
    }
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let mentor = of_path(&mut tx, &call).await?;
    Answer::ok(&full(&mut tx, &call, &mentor).await?)
}

async fn change(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    tenant::hold(&mut tx, call.caller.tenant.id).await?;
    let mut mentor = of_path(&mut tx, &call).await?;
    mentor.updated_at = call.now();
    let (asked, errors) = SettingsRequest::partial(&call.fields);
    let columns = (asked.mentor_name, asked.mentor_description);
    let change = (&mut mentor, errors);
    mentor_request::apply(&mut tx, &call.caller, &call.fields, columns, change).await?;
    record(&call, &mut tx, "mentor.settings", &mentor).await?;
    let answer = full(&mut tx, &call, &mentor).await?;
    tx.commit().await?;
    Answer::ok(&answer)
}

async fn read_public(incoming: Incoming) -> Result<Answer> {
    let mut tx = incoming.app.db.read().await?;
    let tenant = tenant::get(&mut tx, incoming.path.get("org")).await?;
    let mentor = mentor::get(&mut tx, tenant.id, incoming.path.get("mentor")).await?;
    Answer::ok(&settings_answer::public(&tenant, &mentor))
}

async fn of_path(tx: &mut Tx, call: &Call) -> Result<Mentor> {
    mentor::get(tx, call.caller.tenant.id, call.path.get("mentor")).await
}

async fn full(tx: &mut Tx, call: &Call, mentor: &Mentor) -> Result<Map<String, Value>> {
    let servers = servers(tx, call, mentor).await?;
    let tenant = &call.caller.tenant;
    let mut unavailable = server::attached_to(tx, mentor.id).await?;
    unavailable.retain(|server| !server.is_open_to(tenant.id));
    let shown = (servers.as_slice(), unavailable.as_slice());
    Ok(settings_answer::full(tenant, mentor, shown))
}

/// The servers of one mentor as its tenant sees them.
pub(super) async fn servers(
    tx: &mut Tx,
    call: &Call,
    mentor: &Mentor,
) -> Result<Vec<ServerAnswer>> {
    let range = (mentor.id, mentor.id);
    let attached = attachment::of_mentors(tx, call.caller.tenant.id, range).await?;
    let offers = service::of_servers(tx, attached.iter().map(|row| &row.listed.server)).await?;
    let viewer = Viewer::of(call, &offers);
    attached
        .into_iter()
        .map(|row| ServerAnswer::new(row.listed, viewer))
        .collect()
}

/// The audit row of a change to a mentor.
pub(super) async fn record(call: &Call, tx: &mut Tx, action: &str, mentor: &Mentor) -> Result<()> {
    let mut entry = call.entry(action, format!("mentor:{}", mentor.unique_id));
    entry.mentor.clone_from(&mentor.unique_id);
    audit::record(tx, &entry).await
}
