//! Names of MCP's HTTP headers, and how body values are carried in them (2026-07-28, streamable HTTP).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The revision of the request.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The JSON-RPC method.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// `params.name` or `params.uri`.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The session of a revision that has sessions.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// Where a session stream is resumed.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What a header for a tool parameter starts with.
pub const PARAM_PREFIX: &str = "mcp-param-";

const SENTINEL_START: &str = "=?base64?";
const SENTINEL_END: &str = "?=";

/// A value as a header carries it: as it is, or in the Base64 form where it is not plain ASCII.
pub fn encode(text: &str) -> HeaderValue {
    let plain = text
        .bytes()
        .all(|b| b == b' ' || b == b'\t' || b.is_ascii_graphic())
        && text.trim() == text
        && !(text.starts_with(SENTINEL_START) && text.ends_with(SENTINEL_END));
    let value = if plain {
        HeaderValue::from_str(text)
    } else {
        HeaderValue::from_str(&format!(
            "{SENTINEL_START}{}{SENTINEL_END}",
            STANDARD.encode(text)
        ))
    };
    value.expect("visible ASCII and Base64 are header values")
}

/// The value that a header carries; `None` if it is not in either form.
pub fn decode(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim();
    let Some(inner) = text
        .strip_prefix(SENTINEL_START)
        .and_then(|rest| rest.strip_suffix(SENTINEL_END))
    else {
        return Some(text.to_owned());
    };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok()
}

/// The one value of a header as text; `None` if it is absent, doubled or not visible ASCII.
pub fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_as_the_specification_shows() {
        for (value, header) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode(value).to_str().unwrap(), header);
            assert_eq!(decode(&encode(value)).as_deref(), Some(value));
        }
        assert_eq!(decode(&HeaderValue::from_static("=?base64?%%?=")), None);
    }
}
