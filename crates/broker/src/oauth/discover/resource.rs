//! Protected-resource metadata (RFC 9728).
//! Never takes a document about one resource for one about another.

use serde_json::Value;

use crate::registry::audience;

/// Scopes that are taken from metadata.
const SCOPES_MAX: usize = 100;

/// What a resource says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its identifier; empty if it names none.
    pub resource: String,
    /// The issuers that it takes tokens from.
    pub authorization_servers: Vec<String>,
    /// The scopes that it knows.
    pub scopes: Vec<String>,
}

impl Resource {
    /// Reads a document; what is not of the standard's form is as if it were not there.
    pub fn read(document: &Value) -> Self {
        let mut scopes = texts(&document["scopes_supported"]);
        scopes.truncate(SCOPES_MAX);
        Self {
            resource: document["resource"].as_str().unwrap_or_default().to_owned(),
            authorization_servers: texts(&document["authorization_servers"]),
            scopes,
        }
    }
}

/// Whether a document speaks of a resource at all.
pub(super) fn is_metadata(document: &Value) -> bool {
    document["resource"].is_string()
}

/// The texts of an array.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether a resource identifier is of the URL that is called, or of what contains it (RFC 9728 section 3.3).
pub fn is_about(resource: &str, url: &str) -> bool {
    audience::contains(resource, url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_about_the_url_or_what_contains_it() {
        let url = "https://a.example/mcp/one";
        for resource in [
            "https://a.example/mcp/one",
            "https://A.example:443/mcp/",
            "https://a.example",
        ] {
            assert!(is_about(resource, url), "{resource}");
        }
        for resource in [
            "",
            "https://a.example/mcp/one/two",
            "https://a.example/mc",
            "https://a.example.evil/mcp/one",
            "https://a.example:8443/mcp/one",
            "http://a.example/mcp/one",
            "https://a.example/mcp/one?x=1",
        ] {
            assert!(!is_about(resource, url), "{resource}");
        }
        assert!(is_about("https://a.example/ws", "wss://a.example/ws"));
    }
}
