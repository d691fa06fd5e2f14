//! The answers of token endpoints, as providers write them and not only as RFC 6749 does.
//! Takes tokens wherever they are to be found, and keeps nothing else of an answer but the names of what was dropped.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::scope;
use super::tokens::{TokenError, Tokens};
use super::{lenient, scope::is_word};
use base::secret::Secret;

/// Longest token that is taken, in bytes; it becomes a header.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Longest life that is believed of an access token.
const LIFE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Longest error code that is passed on, in bytes.
const CODE_BYTES_MAX: usize = 64;
/// Members in which some providers put the whole answer: Slack for a person's own token, TikTok and Lark always.
const NESTED: [&str; 2] = ["authed_user", "data"];
/// Token types whose tokens are worth nothing without a proof that we do not make.
const UNSUPPORTED_TYPES: [&str; 4] = ["mac", "dpop", "pop", "n_a"];

type Members = Map<String, Value>;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Tokens for a code.
    Code,
    /// Tokens for a refresh token, which may be used up now.
    Refresh,
}

/// What was understood of an answer.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) tokens: Tokens,
    /// The names of the members that are there and were not understood.
    pub(super) dropped: Vec<&'static str>,
}

/// Reads the answer of a token endpoint, by its content and not by what it is called.
pub(super) fn read(status: StatusCode, body: &[u8], asked: Asked) -> Result<Read, TokenError> {
    let Some(members) = members(body) else {
        return Err(without_code(
            status,
            "its answer is neither JSON nor a form",
        ));
    };
    let may_hold = status.is_success() && members.get("ok") != Some(&Value::Bool(false));
    if may_hold && let Some((holder, token)) = holder(&members) {
        return tokens(holder, &token, asked);
    }
    Err(refusal(status, &members))
}

/// The refusal of an answer that cannot hold tokens.
pub(super) fn refusal_in(status: StatusCode, body: &[u8]) -> TokenError {
    match members(body) {
        Some(members) => refusal(status, &members),
        None => without_code(status, "its answer is neither JSON nor a form"),
    }
}

/// The members of an answer: of a JSON object, or the fields of a form that is one of a token endpoint.
fn members(body: &[u8]) -> Option<Members> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let first = serde_json::Deserializer::from_str(text).into_iter().next();
    match first {
        Some(Ok(Value::Object(members))) => return Some(members),
        // The object again, as a text.
        Some(Ok(Value::String(inner))) => return serde_json::from_str(&inner).ok(),
        _ => {}
    }
    let mut fields = Members::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = Value::String(value.into_owned());
        fields.entry(name.into_owned()).or_insert(value);
    }
    let is_ours = fields.contains_key("access_token") || fields.contains_key("error");
    is_ours.then_some(fields)
}

/// The members among which an access token is, and that token.
fn holder(members: &Members) -> Option<(&Members, String)> {
    let nested = NESTED
        .iter()
        .filter_map(|name| members.get(*name)?.as_object());
    let mut places = std::iter::once(members).chain(nested);
    places.find_map(|place| Some((place, lenient::text(place.get("access_token")?)?)))
}

fn tokens(members: &Members, access_token: &str, asked: Asked) -> Result<Read, TokenError> {
    let mut dropped = Vec::new();
    let access_token = secret(access_token).ok_or(TokenError::Malformed(
        "its access token is too long or no header value",
    ))?;
    let take = |name: &'static str| match members.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(value) => Some((name, value)),
    };
    let refresh_token = take("refresh_token").and_then(|(name, value)| {
        let token = lenient::text(value).as_deref().and_then(secret);
        if token.is_none() {
            dropped.push(name);
        }
        token
    });
    let life = take("expires_in").or_else(|| take("expires"));
    let life = life.and_then(|(name, value)| {
        let life = life_of(name, value);
        if life.is_none() {
            dropped.push(name);
        }
        life
    });
    let scope = members.get("scope").filter(|value| !value.is_null());
    let scope = scope.and_then(|value| {
        let (scope, is_whole) = scope_of(value);
        if !is_whole {
            dropped.push("scope");
        }
        scope
    });
    if let Some((name, value)) = take("token_type") {
        let word = lenient::text(value).unwrap_or_default();
        if UNSUPPORTED_TYPES.contains(&word.to_ascii_lowercase().as_str()) {
            // Refused in a refresh, they would be lost with the refresh token that brought them.
            if asked == Asked::Code {
                return Err(TokenError::TokenType);
            }
            dropped.push(name);
        }
    }
    // No token is useless from birth: without a way to the next one, a life of nothing means one without an end.
    let can_be_over = asked == Asked::Code && refresh_token.is_some();
    let expires_in = life.filter(|life| !life.is_zero() || can_be_over);
    Ok(Read {
        tokens: Tokens {
            access_token,
            refresh_token,
            expires_in,
            scope,
        },
        dropped,
    })
}

fn secret(text: &str) -> Option<Secret> {
    let text = match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim_start(),
        _ => text,
    };
    let is_usable = !text.is_empty() && text.len() <= TOKEN_BYTES_MAX;
    (is_usable && text.bytes().all(|c| c.is_ascii_graphic())).then(|| Secret::new(text))
}

/// A life in seconds. `expires` is a life at some providers and a date at others; only what can be no date is one.
fn life_of(name: &str, value: &Value) -> Option<Duration> {
    let seconds = lenient::number(value)?;
    let most = LIFE_MAX.as_secs_f64();
    if name == "expires" && seconds > most {
        return None;
    }
    Some(Duration::from_secs_f64(seconds.clamp(0.0, most)))
}

/// Scopes of a text or a list, and whether all of them could be kept.
fn scope_of(value: &Value) -> (Option<String>, bool) {
    let texts: Vec<&str> = match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => return (None, false),
    };
    let mut is_whole = value
        .as_array()
        .is_none_or(|items| items.len() == texts.len());
    let mut kept = Vec::new();
    for word in texts.iter().flat_map(|text| scope::words(text)) {
        match is_word(word) {
            true => kept.push(word),
            false => is_whole = false,
        }
    }
    (Some(scope::union(&kept)), is_whole)
}

fn refusal(status: StatusCode, members: &Members) -> TokenError {
    match code(members) {
        Some(code) => TokenError::Refused(code.to_owned()),
        None => without_code(status, "its answer holds no access token"),
    }
}

fn without_code(status: StatusCode, what: &'static str) -> TokenError {
    match status.is_client_error() {
        true => TokenError::RefusedUnread(status.as_u16()),
        false => TokenError::Malformed(what),
    }
}

/// The error code, where RFC 6749 puts it or one of the places where others do.
fn code(members: &Members) -> Option<&str> {
    let error = members.get("error");
    let inner = error.and_then(Value::as_object);
    let inner = ["code", "type", "error", "status"]
        .into_iter()
        .filter_map(|name| inner?.get(name));
    let others = ["error_code", "errorCode", "code"];
    let others = others.into_iter().filter_map(|name| members.get(name));
    let places = error.into_iter().chain(inner).chain(others);
    places
        .filter_map(Value::as_str)
        .map(str::trim)
        .find(|code| is_code(code))
}

/// Whether a text is an error code (RFC 6749 sections 4.1.2.1 and 5.2) that may be logged and compared.
pub(super) fn is_code(code: &str) -> bool {
    let is_allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
    let has_letter = code.bytes().any(|c| c.is_ascii_alphabetic());
    has_letter && code.len() <= CODE_BYTES_MAX && code.bytes().all(is_allowed)
}
