//! The era bridge from a session upstream to a stateless client (design.md 5): a call whose upstream asks
//! something is parked, the client gets `input_required`, and its retry takes the call up again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use moka::future::Cache;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Request;
use crate::clock::{Clock, random_hex};
use crate::mcp::error::{INVALID_PARAMS, RpcError};
use crate::mcp::message;
use crate::mcp::raw::string;
use crate::mcp::{Message, RawObject};
use crate::secret::{Binding, Secret, Vault};
use crate::upstream::{Ask, Exchange};

/// Calls parked at once; more than these are refused the question.
const PARKED_MAX: u64 = 512;
/// How long a parked call waits for its client.
const PARK_FOR: Duration = Duration::from_secs(600);
/// Arguments up to here may be written differently on a retry; a tree of larger ones is not built.
const CANONICAL_BYTES_MAX: usize = 64 * 1024;
/// What our own `requestState` starts with; an upstream's state passes through as it is.
const STATE_PREFIX: &str = "mgw1:";
/// The key of the one question in `inputRequests`.
const KEY: &str = "upstream";

/// A call that waits for its client.
#[derive(Debug)]
pub struct Parked {
    /// The call at the upstream, still open.
    pub exchange: Box<Exchange>,
    /// What the upstream asked.
    pub ask: Ask,
}

/// A slot of the store; taken once.
type Slot = Arc<Mutex<Option<Parked>>>;

/// The calls that wait.
#[derive(Debug)]
pub struct ParkedCalls(Cache<String, Slot>);

impl Default for ParkedCalls {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(PARKED_MAX)
                .time_to_live(PARK_FOR)
                .build(),
        )
    }
}

/// What a `requestState` of ours is bound to: it opens for nobody else and for nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Bond<'a> {
    /// The request that it belongs to.
    pub request: &'a Request,
    /// Its method.
    pub method: &'a str,
    /// Its parameters.
    pub params: &'a RawObject<'a>,
    /// The server that it goes to.
    pub server: i64,
}

impl Bond<'_> {
    fn field(&self) -> String {
        let mut digest = Sha256::new();
        for member in ["name", "uri", "arguments"] {
            let json = self.params.get(member).unwrap_or(b"null");
            // A client may write the same arguments differently on its retry.
            let value = if json.len() <= CANONICAL_BYTES_MAX {
                serde_json::from_slice(json).ok()
            } else {
                None
            };
            match value {
                Some(value) => digest.update(canonical(&value)),
                None => digest.update(json),
            }
            digest.update([0]);
        }
        let digest: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!(
            "{}:{:?}:{}:{}:{digest}",
            self.request.caller.user.id.0, self.request.target, self.server, self.method
        )
    }

    fn binding<'b>(&self, field: &'b str) -> Binding<'b> {
        Binding {
            tenant: self.request.caller.tenant.id.0,
            record: "parked-call",
            field,
            origin: "",
        }
    }
}

/// JSON with sorted members.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(values) => format!(
            "[{}]",
            values.iter().map(canonical).collect::<Vec<_>>().join(",")
        ),
        other => other.to_string(),
    }
}

/// Whether a request is a retry of a call that we parked.
pub fn is_ours(params: &RawObject<'_>) -> bool {
    params
        .get("requestState")
        .is_some_and(|state| state.starts_with(b"\"mgw1:"))
}

/// Whether the client declared that it can answer a question.
pub fn can_answer(capabilities: &[u8], ask: &Message) -> bool {
    let capabilities = RawObject::parse(capabilities).unwrap_or_default();
    match ask.method.as_deref() {
        Some("elicitation/create") => {
            let elicitation = capabilities
                .get("elicitation")
                .and_then(|modes| RawObject::parse(modes).ok());
            let has = |mode| elicitation.as_ref().is_some_and(|e| e.get(mode).is_some());
            let mode = RawObject::parse(ask.params_or_empty())
                .ok()
                .and_then(|params| params.get_str("mode"));
            // An empty object means the form mode alone.
            match mode.as_deref() {
                Some("url") => has("url"),
                _ => elicitation.is_some() && (has("form") || !has("url")),
            }
        }
        Some("sampling/createMessage") => capabilities.get("sampling").is_some(),
        Some("roots/list") => capabilities.get("roots").is_some(),
        _ => false,
    }
}

/// Whether an upstream asks for one of the capabilities of clients that this one did not declare.
pub fn is_undeclared(capabilities: &[u8], ask: &Message) -> bool {
    let needs_one = matches!(
        ask.method.as_deref(),
        Some("elicitation/create" | "sampling/createMessage" | "roots/list")
    );
    needs_one && !can_answer(capabilities, ask)
}

impl ParkedCalls {
    /// Parks a call and returns the `input_required` result for its client.
    pub async fn park(
        &self,
        parked: Parked,
        bond: &Bond<'_>,
        (vault, clock): (&Vault, &Clock),
    ) -> Vec<u8> {
        let id = random_hex::<16>();
        let until = clock.now().plus(PARK_FOR).0;
        let result = input_required(
            &parked.ask.message,
            &seal(bond, vault, &format!("{id} {until}")),
        );
        self.0.insert(id, Arc::new(Mutex::new(Some(parked)))).await;
        result
    }

    /// Takes up a parked call with the client's answer. `Err` with the call itself if the answer is missing.
    ///
    /// # Errors
    /// -32602 for a state that is not ours, of another request, past its end, or used before.
    pub async fn resume(
        &self,
        bond: &Bond<'_>,
        (vault, clock): (&Vault, &Clock),
    ) -> Result<(Parked, Option<Message>), RpcError> {
        let invalid = || RpcError::new(INVALID_PARAMS, "Invalid or expired requestState");
        let state = bond.params.get_str("requestState").ok_or_else(invalid)?;
        let sealed = state.strip_prefix(STATE_PREFIX).ok_or_else(invalid)?;
        let opened = vault
            .open(&bond.binding(&bond.field()), sealed)
            .map_err(|_| invalid())?;
        let (id, until) = opened.expose().split_once(' ').ok_or_else(invalid)?;
        let until: i64 = until.parse().map_err(|_| invalid())?;
        if clock.now().0 >= until {
            return Err(invalid());
        }
        let slot = self.0.remove(id).await.ok_or_else(invalid)?;
        let parked = slot
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
            .ok_or_else(invalid)?;
        Ok((parked, response_in(bond.params)))
    }
}

fn seal(bond: &Bond<'_>, vault: &Vault, text: &str) -> String {
    format!(
        "{STATE_PREFIX}{}",
        vault.seal(&bond.binding(&bond.field()), &Secret::new(text))
    )
}

/// The client's answer as a response to the upstream's request.
fn response_in(params: &RawObject<'_>) -> Option<Message> {
    let responses = RawObject::parse(params.get("inputResponses")?).ok()?;
    let answer = responses
        .get(KEY)
        .filter(|answer| answer.starts_with(b"{"))?;
    Message::parse(message::result(b"0", answer).into()).ok()
}

fn input_required(ask: &Message, state: &str) -> Vec<u8> {
    let mut params = RawObject::parse(ask.params_or_empty()).unwrap_or_default();
    // A correlation id of 2025-11-25 that 2026-07-28 removed.
    params.remove("elicitationId");
    let mut question = RawObject::default();
    question.set("method", string(ask.method.as_deref().unwrap_or_default()));
    question.set("params", params.to_json());
    let mut questions = RawObject::default();
    questions.set(KEY, question.to_json());
    let mut result = RawObject::default();
    result.set("resultType", string("input_required"));
    result.set("inputRequests", questions.to_json());
    result.set("requestState", string(state));
    result.to_json()
}
