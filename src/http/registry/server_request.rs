//! A server as clients write it, in any encoding, and the draft that it means.

use schemars::JsonSchema;
use serde_json::Value;
use uuid::Uuid;

use super::super::drf::reader::{FileOrText, Given, Reader, Text, no_such};
use super::super::endpoint::Call;
use crate::error::{FieldErrors, Result};
use crate::oauth::service::{self, ServiceId};
use crate::registry::header::{check_credentials, check_extra};
use crate::registry::sealed::{Change, Record};
use crate::registry::server::image::Image;
use crate::registry::server::{Draft, NAME_CHARACTERS_MAX, Server, URL_CHARACTERS_MAX, check_url};
use crate::registry::{AuthType, Scope, Transport};
use crate::storage::Tx;
use crate::tenant::{mentor, user};

/// Longest description, in characters.
const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
/// Longest of any other text, before its own rule looks at it.
const TEXT_CHARACTERS_MAX: usize = 16_384;

/// An MCP server as it is written. Also as multipart and urlencoded form.
#[derive(JsonSchema)]
#[schemars(rename = "MCPServerRequest")]
#[expect(
    dead_code,
    reason = "documentation; the fields are read one by one in any encoding"
)]
pub(crate) struct ServerRequest {
    #[schemars(length(max = 255))]
    name: String,
    #[schemars(length(max = 200))]
    url: String,
    description: Option<String>,
    /// `sse`, `websocket` or `streamable_http` (the default).
    transport: Option<String>,
    /// `none` (the default), `token` or `oauth2`.
    auth_type: Option<String>,
    /// `platform` (the default; also `tenant`), `mentor` (also `agent`) or `user`.
    auth_scope: Option<String>,
    /// The UUID of a mentor to bind the server to; null or empty for none.
    mentor: Option<String>,
    /// A username of the tenant; the caller unless given.
    owner: Option<String>,
    /// A full header value, `<scheme> <secret>`; beats `extra_headers`. Its mask keeps what is stored.
    credentials: Option<String>,
    /// An object of header names and values.
    extra_headers: Option<Value>,
    /// The number of an OAuth service; zero, null or empty for none.
    oauth_service: Option<i64>,
    is_featured: Option<bool>,
    is_enabled: Option<bool>,
    clean_output: Option<bool>,
    /// Up to 24 letters, digits, hyphens and underscores, unique in the tenant; empty for no prefix.
    tool_prefix: Option<String>,
    /// A file of at most 2 MB (multipart only): PNG, JPEG, WebP or GIF.
    image: Option<String>,
}

/// The draft that a request means for a new server, or for `stored`; with every complaint about it.
///
/// # Errors
/// If the database fails.
pub(crate) async fn draft(
    tx: &mut Tx,
    call: &Call,
    stored: Option<&Server>,
) -> Result<(Draft, FieldErrors)> {
    let mut reader = Reader::new(&call.fields);
    let mut draft = base(call, stored);
    texts(&mut reader, &mut draft);
    words(&mut reader, &mut draft);
    secrets(&mut reader, &mut draft, call, stored);
    picture(&mut reader, &mut draft, call, stored);
    if let Some(url) = given(&mut reader, "url", Text::filled(URL_CHARACTERS_MAX)) {
        draft.origin =
            check_url(call.app.egress.policy(), &url, &mut reader.errors).unwrap_or_default();
        draft.url = url;
    }
    references(tx, call, &mut reader, &mut draft).await?;
    Ok((draft, reader.errors))
}

fn base(call: &Call, stored: Option<&Server>) -> Draft {
    let text = |read: fn(&Server) -> &String| stored.map(read).cloned().unwrap_or_default();
    let owner = stored.map_or(&call.caller.user.username, |server| &server.owner);
    Draft {
        mentor: stored.and_then(|server| server.mentor_id),
        owner: owner.clone(),
        name: text(|server| &server.name),
        description: text(|server| &server.description),
        url: text(|server| &server.url),
        origin: text(|server| &server.origin),
        image: None,
        transport: stored.map_or(Transport::StreamableHttp, |server| server.transport),
        credentials: Change::Keep,
        extra_headers: Change::Keep,
        auth_type: stored.map_or(AuthType::None, |server| server.auth_type),
        auth_scope: stored.map_or(Scope::Platform, |server| server.auth_scope),
        oauth_service: stored.and_then(|server| server.oauth_service_id),
        is_featured: stored.is_some_and(|server| server.is_featured),
        is_enabled: stored.is_none_or(|server| server.is_enabled),
        clean_output: stored.is_none_or(|server| server.clean_output),
        tool_prefix: None,
    }
}

fn given(reader: &mut Reader<'_>, name: &str, rule: Text) -> Option<String> {
    let text = reader.text(name, rule);
    reader.not_null(name, text)
}

fn texts(reader: &mut Reader<'_>, draft: &mut Draft) {
    if let Some(name) = given(reader, "name", Text::filled(NAME_CHARACTERS_MAX)) {
        draft.name = name;
    }
    match reader.text("description", Text::blank(DESCRIPTION_CHARACTERS_MAX)) {
        Given::Absent => {}
        other => draft.description = other.value().unwrap_or_default(),
    }
    draft.tool_prefix = given(reader, "tool_prefix", Text::blank(TEXT_CHARACTERS_MAX));
}

fn words(reader: &mut Reader<'_>, draft: &mut Draft) {
    let transport = reader.choice("transport");
    set(
        &mut draft.transport,
        reader.not_null("transport", transport),
    );
    let auth_type = reader.choice("auth_type");
    set(
        &mut draft.auth_type,
        reader.not_null("auth_type", auth_type),
    );
    let auth_scope = reader.choice("auth_scope");
    set(
        &mut draft.auth_scope,
        reader.not_null("auth_scope", auth_scope),
    );
    for (name, target) in [
        ("is_featured", &mut draft.is_featured),
        ("is_enabled", &mut draft.is_enabled),
        ("clean_output", &mut draft.clean_output),
    ] {
        let value = reader.boolean(name);
        set(target, reader.not_null(name, value));
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// What clients see of the stored header value.
fn shown_credentials(call: &Call, stored: Option<&Server>) -> String {
    stored.map_or_else(String::new, |server| {
        let name = Server::record_name(server.id);
        let record = Record {
            tenant: server.tenant_id,
            name: &name,
            origin: &server.origin,
        };
        record.masked_header_value(&call.app.vault, &server.credentials_sealed)
    })
}

fn secrets(reader: &mut Reader<'_>, draft: &mut Draft, call: &Call, stored: Option<&Server>) {
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
    match reader.json("extra_headers") {
        Given::Absent => {}
        Given::Null => draft.extra_headers = Change::of_headers(None),
        Given::Value(headers) => {
            check_extra(&headers, &mut reader.errors);
            draft.extra_headers = Change::of_headers(Some(&headers));
        }
    }
}

fn picture(reader: &mut Reader<'_>, draft: &mut Draft, call: &Call, stored: Option<&Server>) {
    match reader.file("image") {
        Given::Absent => {}
        Given::Null => draft.image = Some(None),
        Given::Value(FileOrText::File(upload)) => match Image::recognise(upload.content) {
            Ok(image) => draft.image = Some(Some(image)),
            Err(message) => reader.errors.add("image", message),
        },
        Given::Value(FileOrText::Text(text)) => {
            let shown = stored.and_then(|server| server.image.as_ref());
            let shown = shown.map(|name| format!("{}/api/images/{name}", call.base_url));
            // A client that sends back what it read changes nothing.
            if shown.as_ref() != Some(&text) {
                let message =
                    "The submitted data was not a file. Check the encoding type on the form.";
                reader.errors.add("image", message);
            }
        }
    }
}

async fn references(
    tx: &mut Tx,
    call: &Call,
    reader: &mut Reader<'_>,
    draft: &mut Draft,
) -> Result<()> {
    let tenant = call.caller.tenant.id;
    match reader.uuid("mentor") {
        Given::Absent => {}
        Given::Null => draft.mentor = None,
        Given::Value(uuid) => match mentor::find_by_uuid(tx, tenant, uuid).await? {
            Some(found) => draft.mentor = Some(found.id),
            None => unknown_mentor(reader, uuid),
        },
    }
    let owner = reader.text("owner", Text::blank(user::USERNAME_CHARACTERS_MAX));
    let owner = owner
        .value()
        .filter(|owner| !owner.is_empty() && *owner != draft.owner);
    if let Some(owner) = owner {
        match user::find(tx, tenant, &owner).await? {
            Some(_) => draft.owner = owner,
            None => reader.errors.add("owner", no_such(owner)),
        }
    }
    oauth_service(tx, call, reader, draft).await
}

async fn oauth_service(
    tx: &mut Tx,
    call: &Call,
    reader: &mut Reader<'_>,
    draft: &mut Draft,
) -> Result<()> {
    let given = reader.id("oauth_service");
    let is_named = matches!(given, Given::Value(_));
    match given {
        Given::Absent => {}
        // Zero is the blank stub of a server without one, read back.
        Given::Null | Given::Value(0) => draft.oauth_service = None,
        Given::Value(id) => draft.oauth_service = Some(id),
    }
    let Some(id) = draft.oauth_service else {
        return Ok(());
    };
    match service::find_visible(tx, call.caller.tenant.id, ServiceId(id)).await? {
        None => reader.errors.add("oauth_service", no_such(id)),
        Some(offer) if offer.service.is_for(&draft.url) || reader.errors.has("url") => {}
        // The server moved on its own host: where people sign in to it is found out anew.
        Some(offer) if !is_named && offer.service.is_at_host_of(&draft.url) => {
            draft.oauth_service = None;
        }
        Some(_) => reader.errors.add(
            "oauth_service",
            "Selected service was discovered at another server's address.",
        ),
    }
    Ok(())
}

fn unknown_mentor(reader: &mut Reader<'_>, uuid: Uuid) {
    reader.errors.add("mentor", no_such(uuid));
}
