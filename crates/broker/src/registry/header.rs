//! What may be sent upstream as a header by configuration: names, values, schemes, credentials
//! (docs/inside/threats.md#headers). Decides; never renders.

use serde_json::{Map, Value};

use base::error::FieldErrors;
use base::fields::messages;
use base::secret::looks_masked;

/// Headers of one record.
const HEADERS_MAX: usize = 32;
/// Longest header name, in bytes.
const NAME_BYTES_MAX: usize = 100;
/// Longest header value, in bytes.
const VALUE_BYTES_MAX: usize = 4096;
/// All names and values of one record, in bytes.
const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// Longest credential, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 8192;
/// Longest authorization scheme, in characters.
pub(crate) const SCHEME_CHARACTERS_MAX: usize = 50;

/// Names that belong to the connection, to MCP, to the gateway or to the explicit credential, lower case.
const CLOSED_NAMES: [&str; 26] = [
    "accept",
    "accept-encoding",
    "authorization",
    "baggage",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-real-ip",
];

/// Beginnings of closed names, lower case.
const CLOSED_BEGINNINGS: [&str; 5] = ["mcp-", "proxy-", "sec-", "x-forwarded-", "x-act-as-"];

/// What is said of anything but an object.
pub const NO_HEADERS: &str = "Expected an object of header names and values.";

/// Checks the extra headers of a record and complains about every header that cannot be sent.
pub fn check_extra(headers: &Value, errors: &mut FieldErrors) {
    let Value::Object(headers) = headers else {
        errors.add("extra_headers", NO_HEADERS);
        return;
    };
    for message in complaints(headers) {
        errors.add("extra_headers", message);
    }
}

fn complaints(headers: &Map<String, Value>) -> Vec<String> {
    let value_bytes = |value: &Value| value.as_str().map_or(0, str::len);
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value_bytes(value))
        .sum();
    if headers.len() > HEADERS_MAX || bytes > HEADERS_BYTES_MAX {
        return vec![format!(
            "Ensure there are no more than {HEADERS_MAX} headers of {HEADERS_BYTES_MAX} bytes in all."
        )];
    }
    let mut seen = Vec::new();
    let mut messages = Vec::new();
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        if !is_open(&lower) {
            messages.push(format!("Header '{}' is not allowed.", shortened(name)));
        } else if seen.contains(&lower) {
            messages.push(format!("Header '{name}' is repeated."));
        } else if value.as_str().is_some_and(looks_masked) {
            messages.push(format!("Enter the value of header '{name}' again."));
        } else if !value
            .as_str()
            .is_some_and(|text| is_value(text, VALUE_BYTES_MAX))
        {
            messages.push(format!(
                "The value of header '{name}' must be printable ASCII text."
            ));
        }
        seen.push(lower);
    }
    messages
}

fn is_open(lower: &str) -> bool {
    is_token(lower)
        && lower.len() <= NAME_BYTES_MAX
        && !CLOSED_NAMES.contains(&lower)
        && !CLOSED_BEGINNINGS
            .iter()
            .any(|beginning| lower.starts_with(beginning))
}

fn shortened(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// Printable ASCII without a space at either end, so that what is sent is what was entered.
fn is_value(text: &str, bytes_max: usize) -> bool {
    text.len() <= bytes_max && text.bytes().all(|b| matches!(b, b' '..=b'~')) && text.trim() == text
}

/// Checks a credential; an empty one is none.
pub fn check_credentials(text: &str, errors: &mut FieldErrors) {
    if text.len() > CREDENTIAL_BYTES_MAX {
        errors.add("credentials", messages::too_long(CREDENTIAL_BYTES_MAX));
    } else if !is_value(text, CREDENTIAL_BYTES_MAX) {
        errors.add(
            "credentials",
            "Credentials must be printable ASCII text without spaces at the ends.",
        );
    }
}

/// Checks the word before a credential; an empty one sends the credential as it is.
pub(crate) fn check_scheme(text: &str, errors: &mut FieldErrors) {
    if !text.is_empty() && !is_token(text) {
        errors.add(
            "authorization_scheme",
            "Enter a valid authorization scheme: one word such as Bearer.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(headers: Value) -> Vec<String> {
        let mut errors = FieldErrors::default();
        check_extra(&headers, &mut errors);
        errors
            .iter()
            .flat_map(|(_, messages)| messages.to_vec())
            .collect()
    }

    #[test]
    fn closed_and_broken_names_are_refused() {
        for name in [
            "Host",
            "HOST",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "Upgrade",
            "TE",
            "Trailer",
            "Expect",
            "Proxy-Authorization",
            "Authorization",
            "Cookie",
            "Mcp-Session-Id",
            "Mcp-Method",
            "Mcp-Name",
            "MCP-Protocol-Version",
            "Accept",
            "X-Forwarded-For",
            "Forwarded",
            "traceparent",
            ":authority",
            "",
            "a b",
            "é",
            "a\r\nb",
        ] {
            assert_eq!(
                refused(json!({ name: "x" })),
                [format!("Header '{name}' is not allowed.")]
            );
        }
    }

    #[test]
    fn values_that_could_split_a_header_are_refused() {
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        for value in [
            json!("a\rb"),
            json!("a\nb"),
            json!("a\u{0}"),
            json!("a\u{7f}"),
            json!("a\r\n b"),
            json!("é"),
            json!(" a"),
            json!("a "),
            json!(long),
            json!(1),
            json!(null),
            json!(["a"]),
            json!({"a": 1}),
        ] {
            assert_eq!(refused(json!({ "X-A": value })).len(), 1, "{value}");
        }
        assert_eq!(
            refused(json!({"x-a": "1", "X-A": "2"})),
            ["Header 'X-A' is repeated."]
        );
        let many: Map<String, Value> = (0..1000).map(|i| (format!("x-{i}"), json!("v"))).collect();
        assert_eq!(refused(Value::Object(many)).len(), 1);
    }

    #[test]
    fn ordinary_headers_pass() {
        assert!(
            refused(json!({"x-mcp-client": "mentor-ui", "X-Api-Key": "k e y", "X-Empty": ""}))
                .is_empty()
        );
    }

    #[test]
    fn a_scheme_is_one_word() {
        for (text, is_refused) in [
            ("Bearer", false),
            ("", false),
            ("Bearer Basic", true),
            ("Bearer\r\nX: 1", true),
            ("é", true),
        ] {
            let mut errors = FieldErrors::default();
            check_scheme(text, &mut errors);
            assert_eq!(errors.has("authorization_scheme"), is_refused, "{text:?}");
        }
    }
}
