//! A server as clients write it, in any encoding, and the draft that it means.

use serde_json::Value;

use super::super::endpoint::Call;
use base::error::{FieldErrors, Result};
use base::fields::kind::{Bool, Choice, File, Id, Json, Uuid};
use base::fields::{FileOrText, Given, Text, no_such, optional, request, required};
use base::storage::Tx;
use broker::oauth::service::{self, ServiceId};
use broker::registry::header::{CREDENTIAL_BYTES_MAX, NO_HEADERS, check_credentials, check_extra};
use broker::registry::sealed::{Change, Record};
use broker::registry::server::image::Image;
use broker::registry::server::{Draft, NAME_CHARACTERS_MAX, Server, URL_CHARACTERS_MAX, check_url};
use broker::registry::{AuthType, Scope, Transport};
use tenancy::tenant::{mentor, user};

/// Longest description, in characters.
const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
/// Longest of any other text, before its own rule looks at it.
const TEXT_CHARACTERS_MAX: usize = 16_384;

request! {
    /// An MCP server as it is written. Also as multipart and urlencoded form.
    pub(crate) struct ServerRequest {
        /// What it is called.
        name: Option<String> = required(Text::filled(NAME_CHARACTERS_MAX)) => "Example";
        /// Where it is.
        url: Option<String> = required(Text::filled(URL_CHARACTERS_MAX)) => "https://mcp.example.com/mcp";
        /// What it is for, in words for people.
        description: Given<String> = optional(Text::blank(DESCRIPTION_CHARACTERS_MAX)) => "Looks up orders.";
        /// How it is spoken to: `streamable_http` unless given.
        transport: Option<Transport> = optional(Choice::<Transport>::any()) => "streamable_http";
        /// How calls are authenticated: `none` unless given.
        auth_type: Option<AuthType> = optional(Choice::<AuthType>::any()) => "token";
        /// Whose credential a call travels with: `platform` (the default; also `tenant`), `mentor` (also `agent`) or `user`.
        auth_scope: Option<Scope> = optional(Choice::<Scope>::any()) => "platform";
        /// The UUID of a mentor to bind the server to; null or empty for none.
        mentor: Given<uuid::Uuid> = optional(Uuid), such as "0d9f0c6e-36f5-4a5c-9d0c-1f0b7f5d3c11";
        /// A username of the tenant; the caller unless given.
        owner: Given<String> = optional(Text::blank(user::USERNAME_CHARACTERS_MAX)), such as "alice";
        /// A full header value, `<scheme> <secret>`; beats `extra_headers`. Its mask keeps what is stored.
        credentials: Given<String> = optional(Text::verbatim(CREDENTIAL_BYTES_MAX)) => "Bearer a-token-of-the-server";
        /// An object of header names and values.
        extra_headers: Given<Value> = optional(Json::object(NO_HEADERS)) => { "x-region": "eu" };
        /// The number of an OAuth service; zero, null or empty for none.
        oauth_service: Given<i64> = optional(Id), such as 1;
        /// Whether other tenants may use it; false unless given.
        is_featured: Option<bool> = optional(Bool) => false;
        /// Whether it is called at all; true unless given.
        is_enabled: Option<bool> = optional(Bool) => true;
        /// Whether answers are put right for models that are strict; true unless given.
        /// Kept and shown; it has no effect, because a relay never alters what a tool answers.
        clean_output: Option<bool> = optional(Bool) => true;
        /// Up to 24 letters, digits, hyphens and underscores, unique in the tenant; empty for no prefix.
        tool_prefix: Option<String> = optional(Text::blank(TEXT_CHARACTERS_MAX)) => "example";
        /// A file of at most 2 MB (multipart only): PNG, JPEG, WebP or GIF.
        image: Given<FileOrText> = optional(File), such as "";
    }
}

/// The draft that a request means for a new server, or for `stored`; with every complaint about it.
///
/// # Errors
/// If the database fails.
pub(crate) async fn draft(
    tx: &mut Tx,
    call: &Call,
    (asked, mut errors): (ServerRequest, FieldErrors),
    stored: Option<&Server>,
) -> Result<(Draft, FieldErrors)> {
    let mut draft = base(call, stored);
    secrets(call, stored, &asked, (&mut draft, &mut errors));
    picture(call, stored, asked.image, (&mut draft, &mut errors));
    if let Given::Value(_) | Given::Null = asked.description {
        draft.description = asked.description.value().unwrap_or_default();
    }
    draft.tool_prefix = asked.tool_prefix;
    set(&mut draft.name, asked.name);
    set(&mut draft.transport, asked.transport);
    set(&mut draft.auth_type, asked.auth_type);
    set(&mut draft.auth_scope, asked.auth_scope);
    set(&mut draft.is_featured, asked.is_featured);
    set(&mut draft.is_enabled, asked.is_enabled);
    set(&mut draft.clean_output, asked.clean_output);
    if let Some(url) = asked.url {
        let policy = call.app.egress.policy();
        draft.origin = check_url(policy, &url, &mut errors).unwrap_or_default();
        draft.url = url;
    }
    look_up_mentor(tx, call, asked.mentor, (&mut draft, &mut errors)).await?;
    look_up_owner(tx, call, asked.owner, (&mut draft, &mut errors)).await?;
    look_up_service(tx, call, asked.oauth_service, (&mut draft, &mut errors)).await?;
    Ok((draft, errors))
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

fn secrets(
    call: &Call,
    stored: Option<&Server>,
    asked: &ServerRequest,
    (draft, errors): (&mut Draft, &mut FieldErrors),
) {
    match &asked.credentials {
        Given::Absent => {}
        Given::Null => draft.credentials = Change::of_credentials(String::new(), "", errors),
        Given::Value(text) => {
            let shown = shown_credentials(call, stored);
            check_credentials(text, errors);
            draft.credentials = Change::of_credentials(text.clone(), &shown, errors);
        }
    }
    match &asked.extra_headers {
        Given::Absent => {}
        Given::Null => draft.extra_headers = Change::of_headers(None),
        Given::Value(headers) => {
            check_extra(headers, errors);
            draft.extra_headers = Change::of_headers(Some(headers));
        }
    }
}

fn picture(
    call: &Call,
    stored: Option<&Server>,
    image: Given<FileOrText>,
    (draft, errors): (&mut Draft, &mut FieldErrors),
) {
    match image {
        Given::Absent => {}
        Given::Null => draft.image = Some(None),
        Given::Value(FileOrText::File(upload)) => match Image::recognise(upload.content) {
            Ok(image) => draft.image = Some(Some(image)),
            Err(message) => errors.add("image", message),
        },
        Given::Value(FileOrText::Text(text)) => {
            let shown = stored.and_then(|server| server.image.as_ref());
            let shown = shown.map(|name| format!("{}/api/images/{name}", call.base_url));
            // A client that sends back what it read changes nothing.
            if shown.as_ref() != Some(&text) {
                let message =
                    "The submitted data was not a file. Check the encoding type on the form.";
                errors.add("image", message);
            }
        }
    }
}

async fn look_up_mentor(
    tx: &mut Tx,
    call: &Call,
    mentor: Given<uuid::Uuid>,
    (draft, errors): (&mut Draft, &mut FieldErrors),
) -> Result<()> {
    match mentor {
        Given::Absent => {}
        Given::Null => draft.mentor = None,
        Given::Value(uuid) => match mentor::find_by_uuid(tx, call.caller.tenant.id, uuid).await? {
            Some(found) => draft.mentor = Some(found.id),
            None => errors.add("mentor", no_such(uuid)),
        },
    }
    Ok(())
}

async fn look_up_owner(
    tx: &mut Tx,
    call: &Call,
    owner: Given<String>,
    (draft, errors): (&mut Draft, &mut FieldErrors),
) -> Result<()> {
    let is_new = |owner: &String| !owner.is_empty() && *owner != draft.owner;
    if let Some(owner) = owner.value().filter(is_new) {
        match user::find(tx, call.caller.tenant.id, &owner).await? {
            Some(_) => draft.owner = owner,
            None => errors.add("owner", no_such(owner)),
        }
    }
    Ok(())
}

async fn look_up_service(
    tx: &mut Tx,
    call: &Call,
    given: Given<i64>,
    (draft, errors): (&mut Draft, &mut FieldErrors),
) -> Result<()> {
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
        None => errors.add("oauth_service", no_such(id)),
        Some(offer) if offer.service.is_for(&draft.url) || errors.has("url") => {}
        // The server moved on its own host: where people sign in to it is found out anew.
        Some(offer) if !is_named && offer.service.is_at_host_of(&draft.url) => {
            draft.oauth_service = None;
        }
        Some(_) => errors.add(
            "oauth_service",
            "Selected service was discovered at another server's address.",
        ),
    }
    Ok(())
}
