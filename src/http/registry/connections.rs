//! `…/mcp-server-connections/`: list, create, read, change, delete (docs/inside/contract.md#connections).

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::drf::reader::Reader;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::connection_answer::ConnectionAnswer;
use super::connection_request::{self, ConnectionRequest};
use super::warning::warned;
use crate::audit;
use crate::error::{Error, FieldErrors, Result, SignInFailure};
use crate::oauth::integration;
use crate::registry::connection::{self, Connection, ConnectionId, Draft, Filter, Listed, OffBy};
use crate::registry::server::ServerId;
use crate::registry::{AuthType, Scope};
use crate::storage::{Page, Tx};
use crate::tenant;

/// Longest query text that is looked for.
const SEARCH_CHARACTERS_MAX: usize = 255;

const ONE: Shape = Shape::One(schema_of::<ConnectionAnswer>);

pub(crate) const LIST: Endpoint = Endpoint::closed(
    "Lists the tenant's connections; for a member, their own.",
    |call| Box::pin(list(call)),
)
.query(&[
    query("auth_type", "string", "`none`, `token` or `oauth2`"),
    query(
        "is_active",
        "boolean",
        "only active or only inactive connections",
    ),
    query("mentor", "string", "the UUID of a mentor"),
    query("scope", "string", "`user`, `mentor` or `platform`"),
    query(
        "search",
        "string",
        "part of the server's name or the username",
    ),
    query("server", "integer", "the number of a server"),
    query("user", "string", "a username"),
])
.answers(200, Shape::Page(schema_of::<ConnectionAnswer>));

pub(crate) const CREATE: Endpoint = Endpoint::closed(
    "Creates a connection. A member may create one for themself from their own grant.",
    |call| Box::pin(create(call)),
)
.body(schema_of::<ConnectionRequest>)
.answers(201, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a connection.", |call| Box::pin(read(call))).answers(200, ONE);

pub(crate) const REPLACE: Endpoint = Endpoint::closed(
    "Changes a connection; its required fields must be there.",
    |call| Box::pin(change(call, REQUIRED)),
)
.body(schema_of::<ConnectionRequest>)
.answers(200, ONE);

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes the given fields of a connection.", |call| {
        Box::pin(change(call, &[]))
    })
    .body(schema_of::<ConnectionRequest>)
    .answers(200, ONE);

pub(crate) const DELETE: Endpoint =
    Endpoint::closed("Deletes a connection.", |call| Box::pin(delete(call)));

const REQUIRED: &[&str] = &["server", "auth_type"];

async fn list(call: Call) -> Result<Answer> {
    let filter = filter(&call)?;
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let found = connection::list(&mut tx, call.caller.tenant.id, &filter, asked).await?;
    let rows = found
        .rows
        .into_iter()
        .map(|row| ConnectionAnswer::new(row, &call));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    page::envelope(
        &call,
        asked,
        Page {
            total: found.total,
            rows,
        },
    )
}

fn filter(call: &Call) -> Result<Filter> {
    let mut reader = Reader::new(&call.query);
    let mentor = reader.uuid("mentor").value();
    let agent = reader.uuid("agent").value();
    let filter = Filter {
        own: (!call.caller.is_admin()).then(|| call.caller.user_id()),
        auth_type: reader.choice("auth_type").value(),
        is_active: reader.boolean("is_active").value(),
        mentor: mentor.or(agent).map(|uuid| uuid.to_string()),
        scope: reader.choice("scope").value(),
        search: reader.filter("search", SEARCH_CHARACTERS_MAX),
        server: reader.id("server").value().map(ServerId),
        user: reader.filter("user", SEARCH_CHARACTERS_MAX),
    };
    reader.finish()?;
    Ok(filter)
}

async fn create(call: Call) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let (mut draft, mut errors) = connection_request::draft(&mut tx, &call, None).await?;
    if !call.caller.is_admin() {
        own_grant_only(&call, &mut draft, &errors)?;
    }
    call.fields.require(REQUIRED, &mut errors);
    check_provider(&mut tx, &call, &draft, &mut errors).await?;
    let id = connection::create(
        &mut tx,
        &call.app.vault,
        &call.caller,
        (draft, errors),
        call.now(),
    )
    .await?;
    finish(call, tx, "connection.create", id).await
}

/// An OAuth connection is of no use before an admin has said who we are at the provider
/// (docs/inside/contract.md#resolution).
async fn check_provider(
    tx: &mut Tx,
    call: &Call,
    draft: &Draft,
    errors: &mut FieldErrors,
) -> Result<()> {
    let Some(grant) = draft.grant.as_ref() else {
        return Ok(());
    };
    let tenant = call.caller.tenant.id;
    if draft.auth_type == AuthType::Oauth2
        && !integration::is_set_up(tx, tenant, &grant.provider).await?
    {
        errors.add(
            "connected_service",
            SignInFailure::NoCredentials.to_string(),
        );
    }
    Ok(())
}

/// What a member may have: an OAuth connection of their own (docs/inside/contract.md#where-sources-disagree).
fn own_grant_only(call: &Call, draft: &mut Draft, errors: &FieldErrors) -> Result<()> {
    let me = call.caller.user_id();
    let is_own = draft.user.is_none_or(|user| user == me) && !errors.has("user");
    if is_own && draft.scope == Scope::User && draft.auth_type == AuthType::Oauth2 {
        draft.user = Some(me);
        Ok(())
    } else {
        Err(Error::Forbidden("tenant admin"))
    }
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let row = of_path(&mut tx, &call).await?;
    let is_own = is_own(&call, &row.connection);
    if !(call.caller.is_admin() || is_own) {
        return Err(Error::Forbidden("tenant admin"));
    }
    Answer::ok(&ConnectionAnswer::new(row, &call)?)
}

fn is_own(call: &Call, row: &Connection) -> bool {
    row.scope == Scope::User && row.user_id == Some(call.caller.user_id())
}

async fn change(call: Call, required: &'static [&'static str]) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let stored = of_path(&mut tx, &call).await?.connection;
    may_change(&call, &stored)?;
    let (mut draft, mut errors) = connection_request::draft(&mut tx, &call, Some(&stored)).await?;
    if !call.caller.is_admin() {
        own_grant_only(&call, &mut draft, &errors)?;
    }
    call.fields.require(required, &mut errors);
    let change = (&stored, draft, errors);
    connection::update(&mut tx, &call.app.vault, &call.caller, change, call.now()).await?;
    finish(call, tx, "connection.update", stored.id).await
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let stored = of_path(&mut tx, &call).await?.connection;
    may_change(&call, &stored)?;
    if !call.caller.is_admin() && stored.off_by() == Some(OffBy::Admin) {
        // Whoever deletes it could make it anew, switched on.
        return Err(Error::Forbidden("tenant admin"));
    }
    connection::delete(&mut tx, stored.id).await?;
    record(&call, &mut tx, "connection.delete", &stored).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

fn may_change(call: &Call, stored: &Connection) -> Result<()> {
    let is_own_grant = is_own(call, stored) && stored.auth_type == AuthType::Oauth2;
    if call.caller.is_admin() || is_own_grant {
        Ok(())
    } else {
        Err(Error::Forbidden("tenant admin"))
    }
}

async fn begin(call: &Call) -> Result<Tx> {
    let mut tx = call.app.db.write().await?;
    tenant::hold(&mut tx, call.caller.tenant.id).await?;
    Ok(tx)
}

async fn of_path(tx: &mut Tx, call: &Call) -> Result<Listed> {
    connection::get_listed(tx, call.caller.tenant.id, ConnectionId(call.path.id()?)).await
}

async fn finish(call: Call, mut tx: Tx, action: &str, id: ConnectionId) -> Result<Answer> {
    let row = connection::get_listed(&mut tx, call.caller.tenant.id, id).await?;
    record(&call, &mut tx, action, &row.connection).await?;
    let shadows = connection::shadowed(&mut tx, &row.connection).await?;
    tx.commit().await?;
    let answer = ConnectionAnswer::new(row, &call)?;
    let answer = match action {
        "connection.create" => Answer::created(&answer.shadowing(shadows)),
        _ => Answer::ok(&answer),
    };
    Ok(warned(answer?, &call.fields))
}

async fn record(call: &Call, tx: &mut Tx, action: &str, row: &Connection) -> Result<()> {
    let mut entry = call.entry(action, Connection::record_name(row.id));
    entry.server_id = Some(row.server_id.0);
    audit::record(tx, &entry).await
}
