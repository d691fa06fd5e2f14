//! What differs between the eras in a result, and nothing else (docs/inside/decisions.md#raw-relay).

use std::borrow::Cow;

use super::item::TTL_MS_MAX;
use mcp::error::INVALID_PARAMS;
use mcp::{RawObject, Version};

/// Methods whose results carry caching hints (2026-07-28, caching).
const CACHEABLE: [&str; 6] = [
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];
/// "Resource not found" until 2025-11-25; 2026-07-28 forbids it.
const OLD_RESOURCE_NOT_FOUND: &[u8] = b"-32002";

/// Between which revisions a result travels, and whether it is one person's own.
#[derive(Debug, Clone, Copy)]
pub struct Crossing {
    /// The client's.
    pub client: Version,
    /// The upstream's.
    pub upstream: Version,
    /// Whether the credential was one person's own, so that no cache may share the answer.
    pub is_personal: bool,
}

impl Crossing {
    /// The result as the client's era has it. Bytes that need no change are not touched.
    pub fn result<'a>(&self, method: &str, result: &'a [u8]) -> Cow<'a, [u8]> {
        let cacheable = CACHEABLE.contains(&method);
        match (self.client.is_modern(), self.upstream.is_modern()) {
            (true, true) if cacheable => self.bounded(result),
            (true, false) => edit(result, |object| {
                object.set("resultType", &b"\"complete\""[..]);
                if cacheable {
                    object.set("ttlMs", &b"0"[..]);
                    object.set("cacheScope", &b"\"private\""[..]);
                }
            }),
            (false, true) => edit(result, |object| {
                object.remove("resultType");
                if cacheable {
                    object.remove("ttlMs");
                    object.remove("cacheScope");
                }
            }),
            (true, true) | (false, false) => Cow::Borrowed(result),
        }
    }

    /// The result with caching hints that a client can parse and that hold here: not for longer than a change may take
    /// to be felt, and a person's own answer for nobody else.
    fn bounded<'a>(&self, result: &'a [u8]) -> Cow<'a, [u8]> {
        let Ok(mut object) = RawObject::parse(result) else {
            return Cow::Borrowed(result);
        };
        let ttl_ms = object
            .get("ttlMs")
            .and_then(|ms| serde_json::from_slice::<u64>(ms).ok());
        let is_shared = object.get("cacheScope") == Some(br#""public""#) && !self.is_personal;
        let is_private = object.get("cacheScope") == Some(br#""private""#);
        if ttl_ms.is_some_and(|ms| ms <= TTL_MS_MAX) && (is_shared || is_private) {
            return Cow::Borrowed(result);
        }
        let ttl_ms = ttl_ms.unwrap_or(0).min(TTL_MS_MAX);
        object.set("ttlMs", ttl_ms.to_string().into_bytes());
        if !is_shared {
            object.set("cacheScope", &b"\"private\""[..]);
        }
        Cow::Owned(object.to_json())
    }

    /// The error as the client's era has it.
    pub fn error<'a>(&self, error: &'a [u8]) -> Cow<'a, [u8]> {
        if self.client.is_modern() == self.upstream.is_modern() {
            return Cow::Borrowed(error);
        }
        edit(error, |object| {
            if self.client.is_modern() && object.get("code") == Some(OLD_RESOURCE_NOT_FOUND) {
                object.set("code", INVALID_PARAMS.to_string().into_bytes());
            }
        })
    }
}

fn edit<'a>(json: &'a [u8], change: impl FnOnce(&mut RawObject<'a>)) -> Cow<'a, [u8]> {
    match RawObject::parse(json) {
        Ok(mut object) => {
            change(&mut object);
            Cow::Owned(object.to_json())
        }
        Err(_) => Cow::Borrowed(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crossing(client: Version, upstream: Version, is_personal: bool) -> Crossing {
        Crossing {
            client,
            upstream,
            is_personal,
        }
    }

    const OLD: Version = Version::V2025_11_25;
    const NEW: Version = Version::V2026_07_28;

    #[test]
    fn within_an_era_not_a_byte_changes() {
        let result = br#"{ "content":[], "n": 0.70 }"#;
        assert_eq!(
            &*crossing(OLD, OLD, true).result("tools/call", result),
            result
        );
        assert_eq!(
            &*crossing(NEW, NEW, true).result("tools/call", result),
            result
        );
    }

    #[test]
    fn a_modern_client_gets_the_members_that_its_era_demands() {
        let to_modern = crossing(NEW, OLD, false);
        assert_eq!(
            &*to_modern.result("tools/call", br#"{"content":[]}"#),
            br#"{"content":[],"resultType":"complete"}"#
        );
        assert_eq!(
            &*to_modern.result("tools/list", br#"{"tools":[]}"#),
            br#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#
        );
        assert_eq!(
            &*to_modern.error(br#"{"code":-32002,"message":"x"}"#),
            br#"{"code":-32602,"message":"x"}"#
        );
    }

    #[test]
    fn caching_hints_are_such_as_hold_here() {
        let personal = crossing(NEW, NEW, false);
        for (hints, expected) in [
            (
                r#","ttlMs":60000,"cacheScope":"public""#,
                r#","ttlMs":60000,"cacheScope":"public""#,
            ),
            (
                r#","ttlMs":1000000000000,"cacheScope":"public""#,
                r#","ttlMs":60000,"cacheScope":"public""#,
            ),
            (
                r#","ttlMs":-1,"cacheScope":"private""#,
                r#","ttlMs":0,"cacheScope":"private""#,
            ),
            (
                r#","ttlMs":1.5,"cacheScope":"shared""#,
                r#","ttlMs":0,"cacheScope":"private""#,
            ),
            (
                r#","ttlMs":"5","cacheScope":null"#,
                r#","ttlMs":0,"cacheScope":"private""#,
            ),
            ("", r#","ttlMs":0,"cacheScope":"private""#),
        ] {
            let result = format!(r#"{{"resultType":"complete","tools":[]{hints}}}"#);
            let expected = format!(r#"{{"resultType":"complete","tools":[]{expected}}}"#);
            let shown = personal.result("tools/list", result.as_bytes());
            assert_eq!(String::from_utf8_lossy(&shown), expected);
        }
    }

    #[test]
    fn a_persons_own_answer_is_never_public() {
        let result = br#"{"tools":[],"ttlMs":9,"cacheScope":"public"}"#;
        assert_eq!(
            &*crossing(NEW, NEW, true).result("tools/list", result),
            br#"{"tools":[],"ttlMs":9,"cacheScope":"private"}"#
        );
        assert_eq!(
            &*crossing(NEW, NEW, false).result("tools/list", result),
            result
        );
    }
}
