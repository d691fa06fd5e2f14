//! What is sent upstream: the server's headers, the connection's over them, the explicit credential over all
//! (docs/inside/contract.md#resolution).

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::echo::{Echoes, HIDDEN_BYTES_MIN};
use super::resolve::{Resolution, Source, Step};
use crate::registry::connection::{Connection, ConnectionId};
use crate::registry::grant::{Grant, GrantId};
use crate::registry::sealed::begins_with_scheme;
use crate::registry::sealed::{CREDENTIALS, EXTRA_HEADERS, Record};
use crate::registry::server::Server;
use crate::registry::verdict::Place;
use base::error::{Error, Result};
use base::secret::{Secret, Vault, looks_masked, mask, mask_header_value};

/// What the names of headers that carry a secret have in them, lower case.
const SECRET_NAMES: [&str; 9] = [
    "auth", "bearer", "cred", "jwt", "key", "pass", "secret", "sign", "token",
];
/// From this length on, in bytes, a value of upper and lower case and digits is a secret under any name.
const RANDOM_BYTES_MIN: usize = 24;

/// The headers of a resolved credential, and a digest that tells two credentials apart.
#[derive(Clone)]
pub struct Outbound {
    /// Headers for every request; values are marked sensitive.
    pub headers: HeaderMap,
    /// Equal for equal headers: what a session may be shared by.
    pub fingerprint: [u8; 16],
    /// Equal for equal headers, and for the tokens of one grant: what a catalog may be shared by.
    pub identity: [u8; 16],
    /// By which step; `None` if nothing is sent.
    pub step: Option<Step>,
    /// Whether the credential is one person's own, so that answers must not be shared.
    pub is_personal: bool,
    /// The OAuth grant that it comes from, if it does.
    pub grant: Option<GrantVersion>,
    /// Where it is stored.
    pub place: Place,
    /// What of it must not come back to the caller: all but the caller's own.
    pub echoes: Arc<Echoes>,
}

impl Outbound {
    /// The connection that it comes from, if it does.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self.place {
            Place::Connection(connection) => Some(connection),
            Place::Server(_) => None,
        }
    }

    /// Names and masks of the headers, for callers who may see masks.
    pub fn masked(&self) -> BTreeMap<String, String> {
        let show = |(name, value): (&HeaderName, &HeaderValue)| {
            let text = value.to_str().unwrap_or_default();
            let mask = match *name == AUTHORIZATION {
                true => mask_header_value(text),
                false => mask(text),
            };
            (name.as_str().to_owned(), mask)
        };
        self.headers.iter().map(show).collect()
    }
}

/// A grant at one of its versions: with the tokens that were stored then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantVersion {
    /// Its number.
    pub id: GrantId,
    /// Its version.
    pub version: i64,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound")
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

/// Opens what was resolved and renders it.
///
/// # Errors
/// `Internal` if a stored secret does not open or is not a header value: the connection is unusable.
pub fn render(vault: &Vault, server: &Server, resolution: &Resolution) -> Result<Option<Outbound>> {
    let Some((step, source)) = &resolution.used else {
        return Ok(None);
    };
    let mut headers = HeaderMap::new();
    add_extra(
        &mut headers,
        &open_server(vault, server, EXTRA_HEADERS, &server.extra_headers_sealed)?,
    )?;
    let mut secrets = of_others(&headers);
    match source {
        Source::Anonymous => {}
        Source::ServerRecord => {
            let value = open_server(vault, server, CREDENTIALS, &server.credentials_sealed)?;
            headers.insert(AUTHORIZATION, sensitive(value.expose())?);
        }
        Source::Connection(connection, grant) => {
            add_extra(
                &mut headers,
                &open(
                    vault,
                    connection,
                    EXTRA_HEADERS,
                    &connection.extra_headers_sealed,
                )?,
            )?;
            let authorization = match grant {
                // Whatever its provider calls it (RFC 6750).
                Some(grant) => with_scheme(BEARER, &open_grant(vault, grant)?),
                None => {
                    let secret = open(
                        vault,
                        connection,
                        CREDENTIALS,
                        &connection.credentials_sealed,
                    )?;
                    with_scheme(&connection.authorization_scheme, &secret)
                }
            };
            if !authorization.is_empty() {
                headers.insert(AUTHORIZATION, sensitive(authorization.expose())?);
            }
        }
    }
    let is_personal = *step == Some(Step::User);
    if !is_personal {
        secrets = of_others(&headers);
    }
    let grant = match source {
        Source::Connection(_, Some(grant)) => Some(GrantVersion {
            id: grant.id,
            version: grant.version,
        }),
        Source::Connection(_, None) | Source::ServerRecord | Source::Anonymous => None,
    };
    let place = match source {
        Source::Connection(connection, _) => Place::Connection(connection.id),
        Source::ServerRecord | Source::Anonymous => Place::Server(server.id),
    };
    Ok(Some(Outbound {
        place,
        fingerprint: fingerprint(&headers, None),
        identity: fingerprint(&headers, grant),
        headers,
        step: *step,
        grant,
        is_personal,
        echoes: Arc::new(Echoes::of(&secrets)),
    }))
}

/// The scheme of every OAuth token, as RFC 6750 spells it.
const BEARER: &str = "Bearer";

/// `<scheme> <secret>`, or the raw secret without a scheme or with one that it brings along.
fn with_scheme(scheme: &str, secret: &Secret) -> Secret {
    match scheme {
        _ if secret.is_empty() => Secret::new(""),
        "" => secret.clone(),
        scheme if begins_with_scheme(secret, scheme) => secret.clone(),
        scheme if scheme.eq_ignore_ascii_case(BEARER) => {
            Secret::new(format!("{BEARER} {}", secret.expose()))
        }
        scheme => Secret::new(format!("{scheme} {}", secret.expose())),
    }
}

fn open_server(vault: &Vault, server: &Server, field: &str, sealed: &str) -> Result<Secret> {
    let record = Record {
        tenant: server.tenant_id,
        name: &Server::record_name(server.id),
        origin: &server.origin,
    };
    record.open(vault, field, sealed).map_err(Error::internal)
}

fn open(vault: &Vault, connection: &Connection, field: &str, sealed: &str) -> Result<Secret> {
    let record = Record {
        tenant: connection.tenant_id,
        name: &Connection::record_name(connection.id),
        origin: &connection.origin,
    };
    record.open(vault, field, sealed).map_err(Error::internal)
}

fn open_grant(vault: &Vault, grant: &Grant) -> Result<Secret> {
    grant.access_token(vault).map_err(Error::internal)
}

fn add_extra(headers: &mut HeaderMap, json: &Secret) -> Result<()> {
    if json.is_empty() {
        return Ok(());
    }
    let extra: BTreeMap<String, String> =
        serde_json::from_str(json.expose()).map_err(Error::internal)?;
    for (name, value) in extra {
        headers.insert(
            HeaderName::try_from(name).map_err(Error::internal)?,
            sensitive(&value)?,
        );
    }
    Ok(())
}

/// A bearer token as a header value.
///
/// # Errors
/// `Internal` if it is no header value.
pub fn bearer(token: &Secret) -> Result<HeaderValue> {
    sensitive(with_scheme(BEARER, token).expose())
}

/// The secrets in headers that are not the caller's own.
fn of_others(headers: &HeaderMap) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for (name, value) in headers {
        let value = value.to_str().unwrap_or_default();
        if name == AUTHORIZATION || is_secret(name.as_str(), value) {
            secrets.extend(parts(value));
        }
    }
    secrets
}

/// Whether a header carries a secret that is too short to be hidden everywhere.
pub fn is_hidden_in_errors_alone(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_short = |part: &Secret| (1..HIDDEN_BYTES_MIN).contains(&part.expose().len());
    (name == AUTHORIZATION.as_str() || is_secret(&name, value))
        && !looks_masked(value)
        && parts(value).first().is_some_and(is_short)
}

/// Whether an extra header is a credential, by its name or by its look. Names of people, tenants and versions stand in
/// such headers too, and in answers by right.
fn is_secret(name: &str, value: &str) -> bool {
    let has = |check: fn(&u8) -> bool| value.as_bytes().iter().any(check);
    let is_random = value.len() >= RANDOM_BYTES_MIN
        && !value.contains(' ')
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit);
    is_random || SECRET_NAMES.iter().any(|word| name.contains(word))
}

/// What is secret in a header: all of it but the scheme, each longer part, and what Basic hides in base64.
fn parts(value: &str) -> Vec<Secret> {
    let bare = value.split_once(' ').map_or(value, |(_, rest)| rest.trim());
    let mut parts = vec![bare.to_owned()];
    let padding = |c| c == '=';
    let decoded = STANDARD_NO_PAD.decode(bare.trim_end_matches(padding)).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some((_, password)) = decoded.as_deref().and_then(|it| it.split_once(':')) {
        parts.push(password.to_owned());
        parts.extend(decoded.clone());
    }
    let longer = bare.split([' ', ';', ',', ':', '=', '"']);
    let longer = longer.filter(|part| part.len() >= HIDDEN_BYTES_MIN);
    parts.extend(longer.map(ToOwned::to_owned));
    parts.into_iter().map(Secret::new).collect()
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(Error::internal)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A digest of headers, in which a grant stands for its token.
fn fingerprint(headers: &HeaderMap, grant: Option<GrantVersion>) -> [u8; 16] {
    let line = |(name, value): (&HeaderName, &HeaderValue)| match grant {
        Some(grant) if name == AUTHORIZATION => format!("grant {}", grant.id.0),
        _ => format!("{name}:{}", String::from_utf8_lossy(value.as_bytes())),
    };
    let mut lines: Vec<String> = headers.iter().map(line).collect();
    lines.sort_unstable();
    Secret::new(lines.join("\n")).fingerprint()
}
