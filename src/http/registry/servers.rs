//! `…/mcp-servers/`: list, create, read, change, delete (contract.md section 4).

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::drf::reader::Reader;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::server_answer::{ServerAnswer, Viewer};
use super::server_request::{self, ServerRequest};
use crate::audit;
use crate::error::{Error, Result};
use crate::oauth::service;
use crate::registry::server::{self, Filter, Server, ServerId};
use crate::storage::{Page, Tx};
use crate::tenant;

/// Longest query text that is looked for.
const SEARCH_CHARACTERS_MAX: usize = 255;

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
        .body(schema_of::<ServerRequest>)
        .answers(201, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a server.", |call| Box::pin(read(call))).answers(200, ONE);

pub(crate) const REPLACE: Endpoint = Endpoint::closed(
    "Changes a server; its required fields must be there.",
    |call| Box::pin(change(call, &["name", "url"])),
)
.body(schema_of::<ServerRequest>)
.answers(200, ONE);

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes the given fields of a server.", |call| {
        Box::pin(change(call, &[]))
    })
    .body(schema_of::<ServerRequest>)
    .answers(200, ONE);

pub(crate) const DELETE: Endpoint =
    Endpoint::closed("Deletes a server and every connection to it.", |call| {
        Box::pin(delete(call))
    });

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
    let (draft, mut errors) = server_request::draft(&mut tx, &call, None).await?;
    call.fields.require(&["name", "url"], &mut errors);
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

async fn change(call: Call, required: &'static [&'static str]) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let stored = own(&mut tx, &call).await?;
    let (draft, mut errors) = server_request::draft(&mut tx, &call, Some(&stored)).await?;
    call.fields.require(required, &mut errors);
    server::update(
        &mut tx,
        &call.app.vault,
        &stored,
        (draft, errors),
        call.now(),
    )
    .await?;
    finish(call, tx, "server.update", stored.id).await
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let stored = own(&mut tx, &call).await?;
    server::delete(&mut tx, stored.id).await?;
    record(&call, &mut tx, "server.delete", stored.id).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
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
    match action {
        "server.create" => Answer::created(&answer),
        _ => Answer::ok(&answer),
    }
}

async fn record(call: &Call, tx: &mut Tx, action: &str, id: ServerId) -> Result<()> {
    let mut entry = call.entry(action, Server::record_name(id));
    entry.server_id = Some(id.0);
    audit::record(tx, &entry).await
}
