//! A key as admins ask for it: read from any encoding and checked, all complaints together.
//! Never sees the key itself.

use ipnet::IpNet;
use schemars::JsonSchema;

use super::super::drf::reader::{Given, Reader, Text, no_such};
use super::super::endpoint::Call;
use crate::auth::api_key::{self, Changes};
use crate::auth::scope;
use crate::auth::token::{Environment, Token, TokenKind};
use crate::clock::UnixMs;
use crate::error::{FieldErrors, Result};
use crate::storage::Tx;
use crate::tenant::user::{self, User};

/// Longest name of a key, in characters.
const NAME_CHARACTERS_MAX: usize = 100;
/// Addresses and ranges that a key may be used from.
const ADDRESSES_MAX: usize = 32;

/// A key as it is asked for.
#[derive(JsonSchema)]
#[schemars(rename = "APIKeyRequest")]
#[expect(
    dead_code,
    reason = "documentation; the fields are read one by one in any encoding"
)]
pub(crate) struct ApiKeyRequest {
    /// What it is called.
    #[schemars(length(max = 100))]
    name: String,
    /// `aea` (academy v1), `mcp` (academy v2) or `platform`.
    kind: String,
    /// `live` (the default) or `test`, which sees the sandbox only.
    environment: Option<String>,
    /// The user it speaks for; the caller unless given.
    user: Option<String>,
    /// What it may do. No more than its user's role.
    scopes: Option<Vec<String>>,
    /// Addresses and ranges from which it may be used; empty means anywhere.
    allowed_ips: Option<Vec<String>>,
    /// When it stops working, ISO 8601. Unless given, an `mcp` key lives for 90 days; null means never.
    expires_at: Option<String>,
}

/// What may be changed about a key.
#[derive(JsonSchema)]
#[schemars(rename = "PatchedAPIKeyRequest")]
#[expect(
    dead_code,
    reason = "documentation; the fields are read one by one in any encoding"
)]
pub(crate) struct ApiKeyChange {
    /// What it is called.
    #[schemars(length(max = 100))]
    name: Option<String>,
    /// What it may do. No more than its user's role.
    scopes: Option<Vec<String>>,
    /// Addresses and ranges from which it may be used; empty means anywhere.
    allowed_ips: Option<Vec<String>>,
}

/// How a key is to be replaced.
#[derive(JsonSchema)]
#[schemars(rename = "APIKeyRotationRequest")]
#[expect(
    dead_code,
    reason = "documentation; the fields are read one by one in any encoding"
)]
pub(crate) struct RotationRequest {
    /// How long the old key works on, 0 to 604800; a day unless given.
    overlap_seconds: Option<i64>,
}

/// A key that may be made.
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) user: User,
    pub(crate) kind: TokenKind,
    pub(crate) environment: Environment,
    pub(crate) scopes: Vec<String>,
    pub(crate) allow_ips: Vec<IpNet>,
    pub(crate) expires_at: Option<UnixMs>,
}

/// The key that a request asks for.
///
/// # Errors
/// `Invalid` with every complaint.
pub(crate) async fn draft(tx: &mut Tx, call: &Call) -> Result<Draft> {
    let mut reader = Reader::new(&call.fields);
    call.fields.require(&["name", "kind"], &mut reader.errors);
    let name = reader.text("name", Text::filled(NAME_CHARACTERS_MAX));
    let kind = kind(&mut reader);
    let environment = reader.choice("environment").value();
    let user = user(tx, call, &mut reader).await?;
    let scopes = reader.texts("scopes").value().unwrap_or_default();
    if let Some(kind) = kind {
        scope::check(kind, user.role, &scopes, &mut reader.errors);
    }
    let expires_at = match reader.time("expires_at") {
        Given::Absent => kind.and_then(|kind| api_key::default_expiry(kind, call.now())),
        Given::Null => None,
        Given::Value(time) => {
            if time <= call.now() {
                let message = "The time must be in the future.";
                reader.errors.add("expires_at", message);
            }
            Some(time)
        }
    };
    let allow_ips = networks(&mut reader).unwrap_or_default();
    let name = reader.not_null("name", name).unwrap_or_default();
    reader.finish()?;
    Ok(Draft {
        name,
        user,
        kind: kind.unwrap_or(TokenKind::Mcp),
        environment: environment.unwrap_or(Environment::Live),
        scopes,
        allow_ips,
        expires_at,
    })
}

/// What a request changes about a stored key.
///
/// # Errors
/// `Invalid` with every complaint.
pub(crate) async fn changes(tx: &mut Tx, call: &Call, stored: &Token) -> Result<Changes> {
    let mut reader = Reader::new(&call.fields);
    let name = reader.text("name", Text::filled(NAME_CHARACTERS_MAX));
    let name = reader.not_null("name", name);
    let scopes = reader.texts("scopes");
    let scopes = reader.not_null("scopes", scopes);
    if let Some(scopes) = &scopes {
        let user = user::get(tx, stored.tenant_id, &stored.username).await?;
        scope::check(stored.kind, user.role, scopes, &mut reader.errors);
    }
    let allow_ips = networks(&mut reader);
    reader.finish()?;
    Ok(Changes {
        name,
        scopes,
        allow_ips,
    })
}

/// A person's own token is made where the person is, and by nobody for them.
fn kind(reader: &mut Reader<'_>) -> Option<TokenKind> {
    let given = reader.choice("kind");
    let kind = reader.not_null("kind", given)?;
    if kind == TokenKind::Token {
        let message = "\"token\" is not a valid choice.";
        reader.errors.add("kind", message);
        return None;
    }
    Some(kind)
}

async fn user(tx: &mut Tx, call: &Call, reader: &mut Reader<'_>) -> Result<User> {
    let given = reader.text("user", Text::filled(user::USERNAME_CHARACTERS_MAX));
    if let Some(name) = given.value() {
        match user::find(tx, call.caller.tenant.id, &name).await? {
            Some(found) => return Ok(found),
            None => reader.errors.add("user", no_such(name)),
        }
    }
    Ok(User::clone(&call.caller.user))
}

/// An address stands for the range of itself.
fn networks(reader: &mut Reader<'_>) -> Option<Vec<IpNet>> {
    let given = reader.texts("allowed_ips");
    let texts = reader.not_null("allowed_ips", given)?;
    if texts.len() > ADDRESSES_MAX {
        let message = format!("Ensure this field has no more than {ADDRESSES_MAX} elements.");
        reader.errors.add("allowed_ips", message);
        return None;
    }
    let networks = texts
        .iter()
        .filter_map(|text| network(text, &mut reader.errors));
    Some(networks.collect())
}

fn network(text: &str, errors: &mut FieldErrors) -> Option<IpNet> {
    let address = text
        .parse()
        .map(|address: std::net::IpAddr| IpNet::from(address.to_canonical()));
    let network = address.or_else(|_| text.parse()).ok();
    if network.is_none() {
        let message = format!("{text:?} is neither an address nor a range such as 203.0.113.0/24.");
        errors.add("allowed_ips", message);
    }
    network
}
