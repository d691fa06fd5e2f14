//! `…/mcp-server-connections/`: list, create, read, change, delete (docs/inside/contract.md#connections).

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::connection_answer::ConnectionAnswer;
use super::warning::warned;
use base::error::{FieldErrors, Result};
use base::fields::{Body, Fields, Reader, Request};
use base::storage::{Page, Tx};
use broker::oauth::connect;
use broker::registry::connection::{self, Connection, ConnectionId, Filter, Listed, Written};
use broker::registry::server::ServerId;
use tenancy::audit;
use tenancy::tenant;

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
.reads(REQUEST)
.answers(201, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a connection.", |call| Box::pin(read(call))).answers(200, ONE);

pub(crate) const REPLACE: Endpoint = Endpoint::closed(
    "Changes a connection; its required fields must be there.",
    |call| Box::pin(change(call, Written::whole)),
)
.reads(REQUEST)
.answers(200, ONE);

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes the given fields of a connection.", |call| {
        Box::pin(change(call, Written::partial))
    })
    .reads(Body::partial(
        "PatchedMCPServerConnectionRequest",
        &[Written::TABLE],
    ))
    .answers(200, ONE);

pub(crate) const DELETE: Endpoint =
    Endpoint::closed("Deletes a connection.", |call| Box::pin(delete(call)));

const REQUEST: Body = Body::whole("MCPServerConnectionRequest", &[Written::TABLE]);

/// The scope's spelling of one client, which sends a `user` beside it that it does not mean
/// (docs/inside/contract.md#connections).
const TENANT_SPELLING: &str = "tenant";

/// How a request is read: all of it, or the fields that are given.
type Read = fn(&Fields) -> (Written, FieldErrors);

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

fn written(call: &Call, read: Read) -> (Written, FieldErrors) {
    let spelled = Reader::new(&call.fields).word("scope").value();
    if spelled.as_deref() != Some(TENANT_SPELLING) {
        return read(&call.fields);
    }
    let mut fields = call.fields.clone();
    fields.clear("user");
    read(&fields)
}

async fn create(call: Call) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let written = written(&call, Written::whole);
    let (vault, caller) = (&call.app.vault, &call.caller);
    let id = connect::create(&mut tx, vault, caller, written, call.now()).await?;
    finish(call, tx, "connection.create", id).await
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let row = of_path(&mut tx, &call).await?;
    row.connection.require_read(&call.caller)?;
    Answer::ok(&ConnectionAnswer::new(row, &call)?)
}

async fn change(call: Call, read: Read) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let stored = of_path(&mut tx, &call).await?.connection;
    let written = written(&call, read);
    let (vault, caller) = (&call.app.vault, &call.caller);
    let plan = connection::plan(&mut tx, vault, caller, written, Some(&stored)).await?;
    connection::update(&mut tx, vault, caller, (&stored, plan), call.now()).await?;
    finish(call, tx, "connection.update", stored.id).await
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let stored = of_path(&mut tx, &call).await?.connection;
    connection::delete(&mut tx, &call.caller, &stored).await?;
    record(&call, &mut tx, "connection.delete", &stored).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
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
