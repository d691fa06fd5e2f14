//! A connection as clients write it, in any encoding, and the draft that it means.

use schemars::JsonSchema;
use serde_json::Value;

use super::super::drf::reader::{Given, Reader, Text, no_such};
use super::super::endpoint::Call;
use crate::error::{FieldErrors, Result};
use crate::registry::connection::{Connection, Draft, SERVER_UNAVAILABLE};
use crate::registry::header::{
    SCHEME_CHARACTERS_MAX, check_credentials, check_extra, check_scheme,
};
use crate::registry::sealed::{Change, Record};
use crate::registry::server::{self, ServerId};
use crate::registry::{AuthType, Scope, connected_service};
use crate::storage::Tx;
use crate::tenant::{mentor, user};

/// Longest of any text, before its own rule looks at it.
const TEXT_CHARACTERS_MAX: usize = 16_384;

/// The scope's spelling of one client, which sends a `user` beside it that it does not mean
/// (docs/inside/contract.md#connections).
const TENANT_SPELLING: &str = "tenant";

/// A connection as it is written. Also as multipart and urlencoded form.
#[derive(JsonSchema)]
#[schemars(rename = "MCPServerConnectionRequest")]
#[expect(
    dead_code,
    reason = "documentation; the fields are read one by one in any encoding"
)]
pub(crate) struct ConnectionRequest {
    server: i64,
    /// `none`, `token` or `oauth2`.
    auth_type: String,
    /// `user` (the default), `mentor` (also `agent`) or `platform` (also `tenant`).
    scope: Option<String>,
    /// A username of the tenant; for the user scope only.
    user: Option<String>,
    /// A mentor's UUID; for the mentor scope only. `agent` in the agent spelling.
    mentor: Option<String>,
    /// The number of a grant; every `oauth2` connection needs one.
    connected_service: Option<i64>,
    /// The token. Its mask keeps what is stored.
    credentials: Option<String>,
    /// The word before the token; empty sends the token as it is.
    #[schemars(length(max = 50))]
    authorization_scheme: Option<String>,
    /// An object of header names and values.
    extra_headers: Option<Value>,
    is_active: Option<bool>,
    /// Whether other tenants may fall back to it when the server is featured.
    is_shared: Option<bool>,
    /// The tenant; must be the caller's.
    platform: Option<i64>,
}

/// The draft that a request means for a new connection, or for `stored`; with every complaint so far.
///
/// # Errors
/// If the database fails.
pub(crate) async fn draft(
    tx: &mut Tx,
    call: &Call,
    stored: Option<&Connection>,
) -> Result<(Draft, FieldErrors)> {
    let mut reader = Reader::new(&call.fields);
    let mut draft = base(tx, call, stored).await?;
    let spelled = reader.word("scope").value();
    if let Some(scope) = required(&mut reader, "scope", Reader::choice) {
        draft.scope = scope;
    }
    if let Some(auth_type) = required(&mut reader, "auth_type", Reader::choice) {
        draft.auth_type = auth_type;
    }
    for (name, target) in [
        ("is_active", &mut draft.is_active),
        ("is_shared", &mut draft.is_shared),
    ] {
        if let Some(value) = required(&mut reader, name, Reader::boolean) {
            *target = value;
        }
    }
    platform(&mut reader, call);
    secrets(&mut reader, &mut draft, call, stored);
    server_of(tx, call, &mut reader, (&mut draft, stored)).await?;
    people(tx, call, &mut reader, &mut draft).await?;
    if spelled.as_deref() == Some(TENANT_SPELLING) {
        draft.user = None;
    }
    Ok((draft, reader.errors))
}

fn required<'a, T>(
    reader: &mut Reader<'a>,
    name: &str,
    read: fn(&mut Reader<'a>, &str) -> Given<T>,
) -> Option<T> {
    let given = read(reader, name);
    reader.not_null(name, given)
}

async fn base(tx: &mut Tx, call: &Call, stored: Option<&Connection>) -> Result<Draft> {
    let tenant = call.caller.tenant.id;
    let server = match stored {
        Some(row) => server::find_visible(tx, tenant, row.server_id).await?,
        None => None,
    };
    let grant = match stored.and_then(|row| row.connected_service_id) {
        Some(id) => connected_service::find(tx, tenant, id).await?,
        None => None,
    };
    let scheme = stored.map(|row| row.authorization_scheme.clone());
    Ok(Draft {
        server,
        scope: stored.map_or(Scope::User, |row| row.scope),
        auth_type: stored.map_or(AuthType::None, |row| row.auth_type),
        user: stored.and_then(|row| row.user_id),
        mentor: stored.and_then(|row| row.mentor_id),
        grant,
        names_grant: false,
        credentials: Change::Keep,
        authorization_scheme: scheme.unwrap_or_default(),
        extra_headers: Change::Keep,
        is_active: stored.is_none_or(|row| row.is_active),
        is_shared: stored.is_none_or(|row| row.is_shared),
    })
}

/// The tenant may be named by number or key, and must be the caller's.
fn platform(reader: &mut Reader<'_>, call: &Call) {
    let tenant = &call.caller.tenant;
    if let Given::Value(word) = reader.word("platform") {
        let is_same = word == tenant.key || word.parse() == Ok(tenant.id.0);
        if !is_same {
            let message = "Connections must be created for the current platform context.";
            reader.errors.add("platform", message);
        }
    }
}

/// What clients see of the stored token.
fn shown_credentials(call: &Call, stored: Option<&Connection>) -> String {
    stored.map_or_else(String::new, |row| {
        let name = Connection::record_name(row.id);
        let record = Record {
            tenant: row.tenant_id,
            name: &name,
            origin: &row.origin,
        };
        record.masked(&call.app.vault, &row.credentials_sealed)
    })
}

fn secrets(reader: &mut Reader<'_>, draft: &mut Draft, call: &Call, stored: Option<&Connection>) {
    match reader.text("credentials", Text::verbatim(TEXT_CHARACTERS_MAX)) {
        Given::Absent => {}
        Given::Null => {
            draft.credentials = Change::of_credentials(String::new(), "", &mut reader.errors)
        }
        Given::Value(text) => {
            let shown = shown_credentials(call, stored);
            check_credentials(&text, &mut reader.errors);
            draft.credentials = Change::of_credentials(text, &shown, &mut reader.errors);
        }
    }
    match reader.text("authorization_scheme", Text::blank(SCHEME_CHARACTERS_MAX)) {
        Given::Absent => {}
        Given::Null => draft.authorization_scheme = String::new(),
        Given::Value(scheme) => {
            check_scheme(&scheme, &mut reader.errors);
            draft.authorization_scheme = scheme;
        }
    }
    match reader.json("extra_headers") {
        Given::Absent => {}
        Given::Null => draft.extra_headers = Change::of_headers(None),
        Given::Value(headers) => {
            check_extra(&headers, &mut reader.errors);
            draft.extra_headers = Change::of_headers(Some(&headers));
        }
    }
}

async fn server_of(
    tx: &mut Tx,
    call: &Call,
    reader: &mut Reader<'_>,
    (draft, stored): (&mut Draft, Option<&Connection>),
) -> Result<()> {
    if let Some(id) = required(reader, "server", Reader::id) {
        draft.server = server::find_visible(tx, call.caller.tenant.id, ServerId(id)).await?;
        // Of one that its owner features no more, the rules say what may still be done.
        let is_stored = stored.is_some_and(|row| row.server_id == ServerId(id));
        if draft.server.is_none() && !is_stored {
            // The same for a foreign server and for none at all (docs/inside/threats.md#tenants).
            reader.errors.add("server", SERVER_UNAVAILABLE);
        }
    }
    Ok(())
}

async fn people(
    tx: &mut Tx,
    call: &Call,
    reader: &mut Reader<'_>,
    draft: &mut Draft,
) -> Result<()> {
    let tenant = call.caller.tenant.id;
    match reader.text("user", Text::blank(user::USERNAME_CHARACTERS_MAX)) {
        Given::Absent => {}
        Given::Value(name) if !name.is_empty() => match user::find(tx, tenant, &name).await? {
            Some(found) => draft.user = Some(found.id),
            None => reader.errors.add("user", no_such(name)),
        },
        Given::Null | Given::Value(_) => draft.user = None,
    }
    match reader.uuid("mentor") {
        Given::Absent => {}
        Given::Null => draft.mentor = None,
        Given::Value(uuid) => match mentor::find_by_uuid(tx, tenant, uuid).await? {
            Some(found) => draft.mentor = Some(found.id),
            None => reader.errors.add("mentor", no_such(uuid)),
        },
    }
    match reader.id("connected_service") {
        Given::Absent => {}
        Given::Null => draft.grant = None,
        Given::Value(id) => {
            draft.grant = connected_service::find(tx, tenant, id).await?;
            draft.names_grant = draft.grant.is_some();
            if draft.grant.is_none() {
                reader.errors.add("connected_service", no_such(id));
            }
        }
    }
    Ok(())
}
