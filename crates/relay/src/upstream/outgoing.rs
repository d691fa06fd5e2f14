//! A request on its way to an upstream: the caller's parameters in the words of the upstream's era.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::heard::leaves;
use base::trace::{self, TRACEPARENT};
use mcp::raw::string;
use mcp::{RawObject, Version, meta};
use tenancy::tenant::user::UserId;

/// The client on whose behalf we speak, as it described itself.
#[derive(Debug, Clone)]
pub struct Client {
    /// `clientInfo`, as it was written.
    pub info: Bytes,
    /// `clientCapabilities`, as they were written.
    pub capabilities: Bytes,
    /// The least severe log level wanted, as a JSON string; `None` wants none.
    pub log_level: Option<Bytes>,
    /// What to ask a session upstream for.
    pub legacy_version: Version,
    /// Whether the client itself has a session, so that a session upstream suits it best.
    pub prefers_legacy: bool,
}

impl Client {
    /// The gateway itself, for its own lists.
    pub fn gateway() -> Self {
        let info = concat!(
            r#"{"name":"mentor-gateway","version":""#,
            env!("CARGO_PKG_VERSION"),
            r#""}"#
        );
        Self {
            info: Bytes::from_static(info.as_bytes()),
            capabilities: Bytes::from_static(b"{}"),
            log_level: None,
            legacy_version: Version::NEWEST_LEGACY,
            prefers_legacy: false,
        }
    }

    /// The gateway as one that can do whatever any of its clients can: some servers list a tool only to those who could
    /// answer its questions. Whether a caller can is found out at the call.
    pub fn catalog() -> Self {
        let capabilities = concat!(
            r#"{"roots":{"listChanged":true},"sampling":{"context":{},"tools":{}},"#,
            r#""elicitation":{"form":{},"url":{}}}"#
        );
        Self {
            capabilities: Bytes::from_static(capabilities.as_bytes()),
            ..Self::gateway()
        }
    }
}

/// A request to be relayed.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a str,
    /// The person whose request it is; none for the gateway's own.
    pub person: Option<UserId>,
    /// The parameters, in the upstream's names; `_meta` still as the caller wrote it.
    pub params: RawObject<'a>,
    /// On whose behalf.
    pub client: &'a Client,
    /// `Mcp-Param-*` headers of a tool call to a modern HTTP upstream.
    pub param_headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether carrying it out twice does no harm, so that it may be sent again
    /// (docs/inside/decisions.md#at-most-once).
    pub is_idempotent: bool,
}

impl Outgoing<'_> {
    /// Whether the answer is a stream that stays open until somebody closes it.
    pub(super) fn is_subscription(&self) -> bool {
        self.method == "subscriptions/listen"
    }

    /// The name or URI that `Mcp-Name` mirrors.
    pub(super) fn name(&self) -> Option<String> {
        match self.method {
            "tools/call" | "prompts/get" => self.params.get_str("name"),
            "resources/read" => self.params.get_str("uri"),
            "tasks/get" | "tasks/update" | "tasks/cancel" => self.params.get_str("taskId"),
            _ => None,
        }
    }

    /// The parameters for a modern upstream: `_meta` carries revision, client and log level, with our progress token
    /// for the caller's. Returns the caller's token too, to be restored in notifications.
    pub(super) fn modern_params(&self, our_token: u64) -> (Vec<u8>, Option<Bytes>) {
        let mut params = self.params.clone();
        let own = params.remove("_meta");
        let mut metadata = own
            .as_deref()
            .and_then(|m| RawObject::parse(m).ok())
            .unwrap_or_default();
        leaves(&mut metadata);
        let token = metadata
            .get(meta::PROGRESS_TOKEN)
            .map(Bytes::copy_from_slice);
        if token.is_some() {
            metadata.set(meta::PROGRESS_TOKEN, our_token.to_string().into_bytes());
        }
        metadata.set(
            meta::PROTOCOL_VERSION,
            string(Version::V2026_07_28.as_str()),
        );
        metadata.set(meta::CLIENT_INFO, &self.client.info[..]);
        metadata.set(meta::CLIENT_CAPABILITIES, &self.client.capabilities[..]);
        if let Some(level) = &self.client.log_level {
            metadata.set(meta::LOG_LEVEL, &level[..]);
        }
        follow(&mut metadata);
        params.set("_meta", Cow::Owned(metadata.to_json()));
        (params.to_json(), token)
    }

    /// The parameters for a session upstream: without the modern keys, with our progress token for the
    /// caller's. Returns the caller's token too, to be restored in notifications.
    pub(super) fn legacy_params(&self, our_token: u64) -> (Vec<u8>, Option<Bytes>) {
        let mut params = self.params.clone();
        let own = params.remove("_meta");
        let Ok(mut metadata) = RawObject::parse(own.as_deref().unwrap_or(b"{}")) else {
            return (params.to_json(), None);
        };
        follow(&mut metadata);
        leaves(&mut metadata);
        for key in meta::MODERN_REQUEST_KEYS {
            metadata.remove(key);
        }
        let token = metadata
            .get(meta::PROGRESS_TOKEN)
            .map(Bytes::copy_from_slice);
        if token.is_some() {
            metadata.set(meta::PROGRESS_TOKEN, our_token.to_string().into_bytes());
        }
        if !metadata.0.is_empty() {
            params.set("_meta", Cow::Owned(metadata.to_json()));
        }
        (params.to_json(), token)
    }
}

/// Says in which trace the request stands, if its client has said so in a header; what it says in `_meta` goes as it is.
fn follow(metadata: &mut RawObject<'_>) {
    if let Some(parent) = trace::parent()
        && metadata.get(TRACEPARENT).is_none()
    {
        metadata.set(TRACEPARENT, string(parent.as_str()));
    }
}
