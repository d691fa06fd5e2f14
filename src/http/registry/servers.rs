//! `…/mcp-servers/`: list, create, read, change, delete (docs/inside/contract.md#servers).

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::server_answer::{ServerAnswer, Viewer};
use super::server_request::{self, ServerRequest};
use super::warning::warned;
use base::error::{Error, FieldErrors, Result};
use base::fields::{Body, Fields, Reader, Request};
use base::storage::{Page, Tx};
use broker::credentials::obstacle;
use broker::oauth::{flow, service};
use broker::registry::attachment;
use broker::registry::connection::Connection;
use broker::registry::grant::{self, Grant};
use broker::registry::server::{self, Filter, LeftBehind, Server, ServerId};
use tenancy::audit::{self, Entry};
use tenancy::tenant;

/// Longest query text that is looked for.
const SEARCH_CHARACTERS_MAX: usize = 255;

const REQUEST: Body = Body::whole("MCPServerRequest", &[ServerRequest::TABLE]);

/// How a request is read: all of it, or the fields that are given.
type Read = fn(&Fields) -> (ServerRequest, FieldErrors);

const ONE: Shape = Shape::One(schema_of::<ServerAnswer>);

pub(crate) const LIST: Endpoint = Endpoint::closed(
    "Lists the tenant's servers and those that others feature.",
    |call| Box::pin(list(call)),
)
.query(&[
    query("auth_scope", "string", "`platform`, `mentor` or `user`"),
    query("auth_type", "string", "`none`, `token` or `oauth2`"),
    query(
        "transport",
        "string",
        "`sse`, `websocket` or `streamable_http`",
    ),
    query(
        "is_enabled",
        "boolean",
        "only enabled or only disabled servers",
    ),
    query(
        "is_featured",
        "boolean",
        "only featured or only private servers",
    ),
    query("url", "string", "exactly this URL"),
    query(
        "search",
        "string",
        "part of the name, the description or the URL",
    ),
    query(
        "mentor_unique_id",
        "string",
        "only servers bound to this mentor",
    ),
    query(
        "include_global",
        "boolean",
        "with `mentor_unique_id`: also those bound to no mentor",
    ),
])
.answers(200, Shape::Page(schema_of::<ServerAnswer>));

pub(crate) const CREATE: Endpoint =
    Endpoint::closed("Registers a server.", |call| Box::pin(create(call)))
        .reads(REQUEST)
        .answers(201, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a server.", |call| Box::pin(read(call))).answers(200, ONE);

pub(crate) const REPLACE: Endpoint = Endpoint::closed(
    "Changes a server; its required fields must be there.",
    |call| Box::pin(change(call, ServerRequest::whole)),
)
.reads(REQUEST)
.answers(200, ONE);

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes the given fields of a server.", |call| {
        Box::pin(change(call, ServerRequest::partial))
    })
    .reads(Body::partial(
        "PatchedMCPServerRequest",
        &[ServerRequest::TABLE],
    ))
    .answers(200, ONE);

pub(crate) const DELETE: Endpoint = Endpoint::closed(
    "Deletes a server, every connection to it and what people granted for it alone; mentors lose it.",
    |call| Box::pin(delete(call)),
);

async fn list(call: Call) -> Result<Answer> {
    let filter = filter(&call)?;
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let found = server::list(&mut tx, call.caller.tenant.id, &filter, asked).await?;
    let offers = service::of_servers(&mut tx, found.rows.iter().map(|row| &row.server)).await?;
    let viewer = Viewer::of(&call, &offers);
    let rows = found
        .rows
        .into_iter()
        .map(|row| ServerAnswer::new(row, viewer));
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
    let filter = Filter {
        auth_scope: reader.choice("auth_scope").value(),
        auth_type: reader.choice("auth_type").value(),
        transport: reader.choice("transport").value(),
        is_enabled: reader.boolean("is_enabled").value(),
        is_featured: reader.boolean("is_featured").value(),
        url: reader.filter("url", SEARCH_CHARACTERS_MAX),
        search: reader.filter("search", SEARCH_CHARACTERS_MAX),
        mentor_unique_id: reader
            .uuid("mentor_unique_id")
            .value()
            .map(|uuid| uuid.to_string()),
        include_global: reader.boolean("include_global").value().unwrap_or(false),
    };
    reader.finish()?;
    Ok(filter)
}

async fn create(call: Call) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let asked = ServerRequest::whole(&call.fields);
    let (draft, errors) = server_request::draft(&mut tx, &call, asked, None).await?;
    let tenant = call.caller.tenant.id;
    let id = server::create(
        &mut tx,
        &call.app.vault,
        tenant,
        (draft, errors),
        call.now(),
    )
    .await?;
    finish(call, tx, "server.create", id).await
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let row = server::get_listed(&mut tx, call.caller.tenant.id, ServerId(call.path.id()?)).await?;
    let offers = service::of_servers(&mut tx, [&row.server]).await?;
    Answer::ok(&ServerAnswer::new(row, Viewer::of(&call, &offers))?)
}

async fn change(call: Call, read: Read) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let stored = own(&mut tx, &call).await?;
    let asked = read(&call.fields);
    let (draft, errors) = server_request::draft(&mut tx, &call, asked, Some(&stored)).await?;
    let vault = &call.app.vault;
    let left = server::update(&mut tx, vault, &stored, (draft, errors), call.now()).await?;
    tell_left_behind(&call, &mut tx, stored.id, &left).await?;
    obstacle::forget_server(&mut tx, stored.id).await?;
    finish(call, tx, "server.update", stored.id).await
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let stored = own(&mut tx, &call).await?;
    let mentors = attachment::mentors_of(&mut tx, stored.id).await?;
    let grants = grant::delete_of_server(&mut tx, stored.id).await?;
    server::delete(&mut tx, stored.id).await?;
    let mut entry = call.entry("server.delete", Server::record_name(stored.id));
    entry.server_id = Some(stored.id.0);
    if mentors > 0 {
        entry.detail = format!("taken from {mentors} mentors");
    }
    audit::record(&mut tx, &entry).await?;
    for grant in &grants {
        let mut entry = Entry {
            at: call.now().0,
            tenant_id: grant.tenant_id.0,
            action: "connected_service.delete".to_owned(),
            outcome: "ok",
            request_id: call.request_id.as_str().to_owned(),
            detail: "its server was deleted".to_owned(),
            ..Entry::default()
        };
        entry.object = Grant::record_name(grant.id);
        audit::record(&mut tx, &entry).await?;
    }
    tx.commit().await?;
    revoke_grants(&call, grants);
    Ok(Answer::no_content())
}

/// The providers may be slow or gone; the grants are gone all the same.
fn revoke_grants(call: &Call, grants: Vec<Grant>) {
    let flow = call.app.flow.clone();
    call.app.tasks.spawn(async move {
        for grant in grants {
            flow::revoke_grant(&flow, &grant).await;
        }
    });
}

/// Whose connections were switched off by a change that was not theirs finds that in their own log; it names nobody of
/// the tenant that made it.
async fn tell_left_behind(
    call: &Call,
    tx: &mut Tx,
    server: ServerId,
    left: &[LeftBehind],
) -> Result<()> {
    let owner = call.caller.tenant.id;
    for row in left.iter().filter(|row| row.tenant_id != owner) {
        let entry = Entry {
            at: call.now().0,
            tenant_id: row.tenant_id.0,
            action: "connection.deactivate".to_owned(),
            object: Connection::record_name(row.id),
            server_id: Some(server.0),
            outcome: "ok",
            request_id: call.request_id.as_str().to_owned(),
            detail: "the server's owner changed its address".to_owned(),
            ..Entry::default()
        };
        audit::record(tx, &entry).await?;
    }
    Ok(())
}

async fn begin(call: &Call) -> Result<Tx> {
    let mut tx = call.app.db.write().await?;
    tenant::hold(&mut tx, call.caller.tenant.id).await?;
    Ok(tx)
}

/// The server of the path, if the caller's tenant owns it. Another's featured one cannot be changed.
async fn own(tx: &mut Tx, call: &Call) -> Result<Server> {
    let found = server::get_visible(tx, call.caller.tenant.id, ServerId(call.path.id()?)).await?;
    if found.tenant_id == call.caller.tenant.id {
        Ok(found)
    } else {
        Err(Error::NotFound("server"))
    }
}

async fn finish(call: Call, mut tx: Tx, action: &str, id: ServerId) -> Result<Answer> {
    record(&call, &mut tx, action, id).await?;
    let row = server::get_listed(&mut tx, call.caller.tenant.id, id).await?;
    let offers = service::of_servers(&mut tx, [&row.server]).await?;
    tx.commit().await?;
    let answer = ServerAnswer::new(row, Viewer::of(&call, &offers))?;
    let answer = match action {
        "server.create" => Answer::created(&answer),
        _ => Answer::ok(&answer),
    };
    Ok(warned(answer?, &call.fields))
}

async fn record(call: &Call, tx: &mut Tx, action: &str, id: ServerId) -> Result<()> {
    let mut entry = call.entry(action, Server::record_name(id));
    entry.server_id = Some(id.0);
    audit::record(tx, &entry).await
}
