//! `…/api-keys/`: a tenant's keys, for its admins. A key is shown once, in the answer to the request that made it.
//! Never shows a stored one.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::api_key_request::{self, KeyRequest, NewKeyRequest, RotationRequest};
use base::clock::UnixMs;
use base::error::{Error, Result};
use base::fields::{Body, Reader, Request};
use base::secret::Secret;
use base::storage::{Page, Tx};
use learning::academy::sandbox;
use tenancy::audit;
use tenancy::auth::api_key::{self, Filter};
use tenancy::auth::token::{self, Environment, NewToken, Token, TokenId, TokenKind};
use tenancy::tenant::user;

/// A key, without the key.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "APIKey")]
struct ApiKeyAnswer {
    id: i64,
    name: String,
    kind: String,
    environment: String,
    /// The user it speaks for.
    user: String,
    scopes: Vec<String>,
    allowed_ips: Vec<String>,
    /// Its last four characters, to recognise it by.
    last4: String,
    /// `works`, `expired` or `revoked`.
    state: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// To the minute.
    last_used_at: Option<String>,
    /// The key that took its place.
    replaced_by: Option<i64>,
    /// The key itself. Only here, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

const ONE: Shape = Shape::One(schema_of::<ApiKeyAnswer>);

pub(crate) const LIST: Endpoint =
    Endpoint::closed("Lists the tenant's keys, newest first.", |call| {
        Box::pin(list(call))
    })
    .query(&[
        query("kind", "string", "`token`, `platform`, `aea` or `mcp`"),
        query("user", "string", "a username"),
    ])
    .answers(200, Shape::Page(schema_of::<ApiKeyAnswer>));

pub(crate) const CREATE: Endpoint = Endpoint::closed("Makes a key and shows it, once.", |call| {
    Box::pin(create(call))
})
.reads(Body::whole(
    "APIKeyRequest",
    &[KeyRequest::TABLE, NewKeyRequest::TABLE],
))
.answers(201, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads what is known of a key.", |call| Box::pin(read(call)))
        .answers(200, ONE);

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes a key's name, scopes or addresses.", |call| {
        Box::pin(change(call))
    })
    .reads(Body::partial("PatchedAPIKeyRequest", &[KeyRequest::TABLE]))
    .answers(200, ONE);

pub(crate) const REVOKE: Endpoint = Endpoint::closed(
    "Revokes a key; it stops working everywhere within two seconds.",
    |call| Box::pin(revoke(call)),
);

pub(crate) const ROTATE: Endpoint = Endpoint::closed(
    "Makes a key in place of this one, which works on for a while, and shows it, once.",
    |call| Box::pin(rotate(call)),
)
.reads(Body::whole(
    "APIKeyRotationRequest",
    &[RotationRequest::TABLE],
))
.answers(201, ONE);

async fn list(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let kind = reader.choice("kind").value();
    let named = reader.filter("user", user::USERNAME_CHARACTERS_MAX);
    reader.finish()?;
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let tenant = call.caller.tenant.id;
    let user = match named {
        Some(name) => match user::find(&mut tx, tenant, &name).await? {
            Some(user) => Some(user.id),
            None => {
                return page::envelope(
                    &call,
                    asked,
                    Page::<ApiKeyAnswer> {
                        total: 0,
                        rows: Vec::new(),
                    },
                );
            }
        },
        None => None,
    };
    let found = api_key::list(&mut tx, tenant, &Filter { kind, user }, asked).await?;
    let rows = found
        .rows
        .into_iter()
        .map(|row| answer(row, None, call.now()));
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

async fn create(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let draft = api_key_request::draft(&mut tx, &call).await?;
    let new = NewToken {
        user: &draft.user,
        kind: draft.kind,
        environment: draft.environment,
        scopes: &draft.scopes,
        allow_ips: &draft.allow_ips,
        expires_at: draft.expires_at,
    };
    let made = api_key::create(&mut tx, &call.app.vault, &new, &draft.name, call.now()).await?;
    if draft.environment == Environment::Test {
        let opened = sandbox::open(&mut tx, &draft.user, call.now()).await;
        opened.map_err(Error::internal)?;
    }
    show(call, tx, "api_key.create", made).await
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let row = of_path(&mut tx, &call).await?;
    Answer::ok(&answer(row, None, call.now())?)
}

async fn change(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let stored = of_path(&mut tx, &call).await?;
    let changes = api_key_request::changes(&mut tx, &call, &stored).await?;
    api_key::change(&mut tx, stored.id, &changes).await?;
    record(&call, &mut tx, "api_key.update", stored.id).await?;
    let row = of_path(&mut tx, &call).await?;
    tx.commit().await?;
    call.app.auth.forget_all();
    Answer::ok(&answer(row, None, call.now())?)
}

async fn revoke(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let stored = of_path(&mut tx, &call).await?;
    token::revoke(&mut tx, stored.id, call.now()).await?;
    record(&call, &mut tx, "api_key.revoke", stored.id).await?;
    tx.commit().await?;
    call.app.auth.forget_all();
    Ok(Answer::no_content())
}

async fn rotate(call: Call) -> Result<Answer> {
    let overlap = overlap(&call)?;
    let mut tx = call.app.db.write().await?;
    let stored = of_path(&mut tx, &call).await?;
    // Whoever sees a person's own token is that person.
    if stored.kind == TokenKind::Token && stored.user_id != call.caller.user_id() {
        return Err(Error::Forbidden("the person whose token it is"));
    }
    let made = api_key::rotate(&mut tx, &call.app.vault, &stored, overlap, call.now()).await?;
    record(&call, &mut tx, "api_key.rotate", stored.id).await?;
    show(call, tx, "api_key.create", made).await
}

fn overlap(call: &Call) -> Result<Duration> {
    let (asked, errors) = RotationRequest::whole(&call.fields);
    errors.into_result()?;
    let seconds = asked
        .overlap_seconds
        .and_then(|seconds| seconds.try_into().ok());
    Ok(Duration::from_secs(seconds.unwrap_or_default()))
}

async fn of_path(tx: &mut Tx, call: &Call) -> Result<Token> {
    api_key::get(tx, call.caller.tenant.id, TokenId(call.path.id()?)).await
}

async fn show(
    call: Call,
    mut tx: Tx,
    action: &str,
    (id, key): (TokenId, Secret),
) -> Result<Answer> {
    record(&call, &mut tx, action, id).await?;
    let row = api_key::get(&mut tx, call.caller.tenant.id, id).await?;
    tx.commit().await?;
    call.app.auth.forget_all();
    Answer::created(&answer(row, Some(&key), call.now())?)
}

async fn record(call: &Call, tx: &mut Tx, action: &str, id: TokenId) -> Result<()> {
    audit::record(tx, &call.entry(action, format!("api_key:{}", id.0))).await
}

fn answer(row: Token, key: Option<&Secret>, now: UnixMs) -> Result<ApiKeyAnswer> {
    Ok(ApiKeyAnswer {
        id: row.id.0,
        scopes: row.scope_list()?,
        allowed_ips: serde_json::from_str(&row.allow_ips).map_err(Error::internal)?,
        state: row.state(now),
        name: row.name,
        kind: row.kind.to_string(),
        environment: row.environment.to_string(),
        user: row.username,
        last4: row.last4,
        created_at: row.created_at.to_iso(),
        expires_at: row.expires_at.map(UnixMs::to_iso),
        revoked_at: row.revoked_at.map(UnixMs::to_iso),
        last_used_at: row.last_used_at.map(UnixMs::to_iso),
        replaced_by: row.replaced_by.map(|id| id.0),
        key: key.map(|key| key.expose().to_owned()),
    })
}
