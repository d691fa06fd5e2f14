//! How the ladder speaks: one question, and its words as a result, an error, an event and a link.
//! Every text that a person may read stands here; none has a token or an address of the provider in it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::gateway::refusal::SignIn;
use crate::gateway::request::Request;
use crate::gateway::view::Closed;
use base::error::{Error, SignInFailure};
use broker::oauth::prompt::{self, NewPrompt};
use mcp::error::{INTERNAL_ERROR, RpcError, URL_ELICITATION_REQUIRED};
use mcp::{Message, Version};
use tenancy::tenant::mentor::MentorId;

/// How long a call waits in a chat (docs/inside/contract.md#chat).
pub(super) const CHAT_WAIT: Duration = Duration::from_secs(300);
/// The `_meta` key under which a client finds the link.
pub(super) const SIGN_IN_META: &str = "mentor-gateway/sign-in";
/// The key of the one question in `inputRequests`.
pub(super) const KEY: &str = "sign_in";

/// The open question to a person, as one call puts it.
#[derive(Debug)]
pub(super) struct Question {
    /// Its id.
    pub(super) id: String,
    /// The page to open.
    pub(super) url: String,
    pub(super) server: i64,
    pub(super) server_name: String,
    /// The scopes that the connected account lacks, if it is asked for those.
    lacking: String,
    /// How many tries to answer it had failed when it was put.
    pub(super) failures: i64,
    /// The revision that the call is answered in.
    pub(super) version: Version,
}

impl Question {
    /// The one open question of a person about a server, new or standing.
    pub(super) async fn open(
        gateway: &Gateway,
        request: &Request,
        mentor: Option<MentorId>,
        needed: &SignIn,
    ) -> Result<Self, Error> {
        let new = NewPrompt {
            tenant: request.caller.tenant.id,
            user: request.caller.user.id,
            server: needed.server,
            mentor,
            scope: &needed.scope,
        };
        let mut tx = gateway.db.write().await?;
        let opened = prompt::open(&mut tx, &new, gateway.clock.now()).await?;
        tx.commit().await?;
        Ok(Self {
            url: format!("{}/connect/{}", gateway.base_url, opened.id),
            id: opened.id,
            lacking: needed.scope.clone(),
            failures: opened.failures,
            server: needed.server.0,
            server_name: needed.server_name.clone(),
            version: request.version,
        })
    }

    fn sentence(&self) -> String {
        match self.lacking.as_str() {
            "" => Closed::SignInNeeded.sentence(&self.server_name),
            lacking => format!(
                "Your account at {} is connected, and lacks {lacking} for this.",
                self.server_name
            ),
        }
    }

    fn data(&self, message: &str) -> Value {
        json!({
            "serverId": self.server,
            "serverName": self.server_name,
            "authUrl": self.url,
            "message": message,
        })
    }

    /// The result that asks a client of 2026-07-28 to open the page and to call again.
    pub(super) fn input_required(&self, state: &str) -> Vec<u8> {
        let ask = json!({
            "method": "elicitation/create",
            "params": { "mode": "url", "message": self.sentence(), "url": self.url },
        });
        let result = json!({
            "resultType": "input_required",
            "inputRequests": { KEY: ask },
            "requestState": state,
        });
        result.to_string().into_bytes()
    }

    /// The error that asks a client of 2025-11-25 to open the page.
    pub(super) fn elicitation_error(&self) -> RpcError {
        let ask = json!({
            "mode": "url",
            "message": self.sentence(),
            "url": self.url,
            "elicitationId": self.id,
        });
        RpcError::new(URL_ELICITATION_REQUIRED, self.sentence())
            .with_data(json!({ "elicitations": [ask] }))
    }

    /// The last rung: a sentence that a mentor can say, and the link.
    pub(super) fn link(&self, method: &str) -> Result<Vec<u8>, RpcError> {
        let sentence = self.sentence();
        let text = format!("{sentence} Open {} to do so, then ask again.", self.url);
        self.told(method, &text, &sentence)
    }

    /// The last word to a call that has waited in vain.
    pub(super) fn late(&self, method: &str, text: &str) -> Result<Vec<u8>, RpcError> {
        self.told(method, text, text)
    }

    fn told(&self, method: &str, text: &str, message: &str) -> Result<Vec<u8>, RpcError> {
        let data = self.data(message);
        if method == "tools/call" {
            Ok(tool_error(text, Some(data), self.version))
        } else {
            let mut data = json!({ SIGN_IN_META: data, "kind": "sign_in_needed" });
            data["server"] = self.server_name.as_str().into();
            Err(RpcError::new(INTERNAL_ERROR, text).with_data(data))
        }
    }
}

fn tool_error(text: &str, data: Option<Value>, version: Version) -> Vec<u8> {
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": true });
    if let Some(data) = data {
        result["_meta"] = json!({ SIGN_IN_META: data });
    }
    if version.is_modern() {
        result["resultType"] = "complete".into();
    }
    result.to_string().into_bytes()
}

/// What a person who does not want to sign in is told.
pub(super) fn declined(method: &str, needed: &SignIn) -> Result<Vec<u8>, RpcError> {
    let text = format!(
        "You chose not to connect an account to {}, so it was not called.",
        needed.server_name
    );
    if method == "tools/call" {
        // Only clients of 2026-07-28 answer a question in a retry.
        Ok(tool_error(&text, None, Version::V2026_07_28))
    } else {
        let data = json!({ "kind": "sign_in_declined", "server": needed.server_name });
        Err(RpcError::new(INTERNAL_ERROR, text).with_data(data))
    }
}

/// What a person is told who cannot sign in before an administrator has done something; there is no link.
pub(super) fn impossible(
    method: &str,
    (needed, sentence): (&SignIn, &str),
    version: Version,
) -> Result<Vec<u8>, RpcError> {
    if method == "tools/call" {
        return Ok(tool_error(sentence, None, version));
    }
    let data = json!({ "kind": "sign_in_impossible", "server": needed.server_name });
    Err(RpcError::new(INTERNAL_ERROR, sentence).with_data(data))
}

/// What a person is told whose account lacks scopes that were asked for before and not granted: they are not asked again.
pub(super) fn not_granted(
    method: &str,
    (needed, base_url): (&SignIn, &str),
    version: Version,
) -> Result<Vec<u8>, RpcError> {
    let text = format!(
        "Your account at {} is connected, and lacks {}, which was asked for and not granted. Reconnect it at \
         {base_url}/connections/ if it may be.",
        needed.server_name, needed.scope
    );
    if method == "tools/call" {
        return Ok(tool_error(&text, None, version));
    }
    let data = json!({ "kind": "scope_not_granted", "server": needed.server_name });
    Err(RpcError::new(INTERNAL_ERROR, text).with_data(data))
}

/// A URL elicitation, to hold against what a client can do.
pub(super) fn url_ask() -> Message {
    let params = br#"{"mode":"url"}"#;
    let text = mcp::message::request(b"0", "elicitation/create", params);
    Message::parse(text.into()).expect("a request is a message")
}

// The texts of docs/inside/contract.md#chat.

/// Said before the wait.
pub(super) fn required(server: &str) -> String {
    format!(
        "Authentication required for MCP server '{server}'. Please complete the OAuth flow to continue."
    )
}

/// Said instead of it, where nobody has entered who the tenant is at the provider.
pub(super) fn not_built(server: &str) -> String {
    format!("Could not build OAuth URL for MCP server '{server}'.")
}

/// Said after it.
pub(super) fn resolved(server: &str) -> String {
    format!("OAuth connection resolved for MCP server '{server}'. Continuing with chat.")
}

/// Said after it, when the person came back without a grant.
pub(super) fn failed(failure: SignInFailure, server: &str) -> String {
    format!("The sign-in to {server} came to nothing: {failure}. Ask again to try once more.")
}

/// Said after it, in vain.
pub(super) fn timed_out(server: &str) -> String {
    let seconds = CHAT_WAIT.as_secs();
    format!(
        "Timed out waiting for OAuth authentication for MCP server '{server}' after {seconds}s. \
         Retry message after completing the OAuth flow."
    )
}
