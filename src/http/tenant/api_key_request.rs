//! A key as admins ask for it: read from any encoding and checked, all complaints together.
//! Never sees the key itself.

use ipnet::IpNet;

use super::super::endpoint::Call;
use base::clock::UnixMs;
use base::error::{FieldErrors, Result};
use base::fields::kind::{Choice, Texts, Time, Whole};
use base::fields::{Given, Request, Text, default, no_such, optional, request, required};
use base::storage::Tx;
use tenancy::auth::api_key::{self, Changes};
use tenancy::auth::scope;
use tenancy::auth::token::{Environment, Token, TokenKind};
use tenancy::tenant::user::{self, User};

/// Longest name of a key, in characters.
const NAME_CHARACTERS_MAX: usize = 100;
/// Addresses and ranges that a key may be used from.
const ADDRESSES_MAX: usize = 32;
/// Scopes of a key, before each is looked at.
const SCOPES_MAX: usize = 1000;
/// A person's own token is made where the person is, and by nobody for them.
const KINDS: &[&str] = &["aea", "mcp", "platform"];
/// How long the old key works on unless said otherwise: a day.
const OVERLAP_S: &str = "86400";
/// How long it may work on: a week.
const OVERLAP_S_MAX: i64 = 604_800;

request! {
    /// What a key is called, and what it may do.
    pub(crate) struct KeyRequest {
        /// What it is called.
        name: Option<String> = required(Text::filled(NAME_CHARACTERS_MAX)) => "the agent of the help desk";
        /// What it may do. No more than its user's role.
        scopes: Option<Vec<String>> = default("", Texts::up_to(SCOPES_MAX)) => [];
        /// Addresses and ranges from which it may be used; empty means anywhere.
        allowed_ips: Option<Vec<String>> = optional(Texts::up_to(ADDRESSES_MAX)) => ["203.0.113.0/24"];
    }
}

request! {
    /// What cannot be changed about a key.
    pub(crate) struct NewKeyRequest {
        /// `aea` (academy v1), `mcp` (academy v2) or `platform`.
        kind: Option<TokenKind> = required(Choice::<TokenKind>::of(KINDS)) => "platform";
        /// `live`, or `test`, which sees the sandbox only.
        environment: Option<Environment> = default("live", Choice::<Environment>::any()) => "live";
        /// The user it speaks for; the caller unless given.
        user: Given<String> = optional(Text::filled(user::USERNAME_CHARACTERS_MAX)), such as "alice";
        /// When it stops working, ISO 8601. Unless given, an `mcp` key lives for 90 days; null means never.
        expires_at: Given<UnixMs> = optional(Time), such as "2099-01-01T00:00:00Z";
    }
}

request! {
    /// How a key is to be replaced.
    pub(crate) struct RotationRequest {
        /// How long the old key works on, in seconds.
        overlap_seconds: Option<i64> = default(OVERLAP_S, Whole::between(0, OVERLAP_S_MAX)) => 3600;
    }
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
    let (asked, mut errors) = KeyRequest::whole(&call.fields);
    let (new, wrong) = NewKeyRequest::whole(&call.fields);
    errors.append(wrong);
    let user = user(tx, call, new.user, &mut errors).await?;
    let scopes = asked.scopes.unwrap_or_default();
    if let Some(kind) = new.kind {
        scope::check(kind, user.role, &scopes, &mut errors);
    }
    let expires_at = match new.expires_at {
        Given::Absent => new
            .kind
            .and_then(|kind| api_key::default_expiry(kind, call.now())),
        Given::Null => None,
        Given::Value(time) => {
            if time <= call.now() {
                let message = "The time must be in the future.";
                errors.add("expires_at", message);
            }
            Some(time)
        }
    };
    let allow_ips = networks(asked.allowed_ips, &mut errors).unwrap_or_default();
    errors.into_result()?;
    Ok(Draft {
        name: asked.name.unwrap_or_default(),
        user,
        kind: new.kind.unwrap_or(TokenKind::Mcp),
        environment: new.environment.unwrap_or(Environment::Live),
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
    let (asked, mut errors) = KeyRequest::partial(&call.fields);
    if let Some(scopes) = &asked.scopes {
        let user = user::get(tx, stored.tenant_id, &stored.username).await?;
        scope::check(stored.kind, user.role, scopes, &mut errors);
    }
    let allow_ips = networks(asked.allowed_ips, &mut errors);
    errors.into_result()?;
    Ok(Changes {
        name: asked.name,
        scopes: asked.scopes,
        allow_ips,
    })
}

async fn user(
    tx: &mut Tx,
    call: &Call,
    named: Given<String>,
    errors: &mut FieldErrors,
) -> Result<User> {
    if let Some(name) = named.value() {
        match user::find(tx, call.caller.tenant.id, &name).await? {
            Some(found) => return Ok(found),
            None => errors.add("user", no_such(name)),
        }
    }
    Ok(User::clone(&call.caller.user))
}

/// An address stands for the range of itself.
fn networks(texts: Option<Vec<String>>, errors: &mut FieldErrors) -> Option<Vec<IpNet>> {
    let texts = texts?;
    let networks = texts.iter().filter_map(|text| network(text, errors));
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
