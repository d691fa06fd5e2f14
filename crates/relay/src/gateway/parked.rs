//! The era bridge from a session upstream to a stateless client (docs/inside/decisions.md#the-era-bridge): a call whose
//! upstream asks something is parked, the client gets `input_required`, and its retry takes the call up again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use moka::future::Cache;

use super::bond::Bond;
use crate::upstream::{Ask, Exchange};
use base::clock::{Clock, random_hex};
use base::secret::Vault;
use broker::guard::Guard;
use mcp::error::{INVALID_PARAMS, RpcError};
use mcp::message;
use mcp::raw::string;
use mcp::{Message, RawObject};

/// Calls parked at once; more than these are refused the question.
const PARKED_MAX: u64 = 512;
/// How long a parked call waits for its client.
const PARK_FOR: Duration = Duration::from_secs(600);
/// What our own `requestState` starts with; an upstream's state passes through as it is.
const STATE_PREFIX: &str = "mgw1:";
/// What a parked call's state is sealed as.
const RECORD: &str = "parked-call";
/// The key of the one question in `inputRequests`.
const KEY: &str = "upstream";

/// A call that waits for its client.
#[derive(Debug)]
pub struct Parked {
    /// The call at the upstream, still open.
    pub exchange: Box<Exchange>,
    /// What the upstream asked.
    pub ask: Ask,
    /// Ends it with what it is allowed by.
    pub guard: Guard,
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

/// Whether a request is a retry of a call that we parked.
pub fn is_ours(params: &RawObject<'_>) -> bool {
    params
        .get("requestState")
        .is_some_and(|state| state.starts_with(b"\"mgw1:"))
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
            &format!(
                "{STATE_PREFIX}{}",
                bond.seal(vault, RECORD, &format!("{id} {until}"))
            ),
        );
        let guard = parked.guard.clone();
        let slot = Arc::new(Mutex::new(Some(parked)));
        let weak = Arc::downgrade(&slot);
        guard.at_end(move || {
            // Dropping the call cancels it at the upstream.
            drop(weak.upgrade().and_then(|slot| take(&slot)));
        });
        self.0.insert(id, slot).await;
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
        let opened = bond.open(vault, RECORD, sealed).ok_or_else(invalid)?;
        let (id, until) = opened.split_once(' ').ok_or_else(invalid)?;
        let until: i64 = until.parse().map_err(|_| invalid())?;
        if clock.now().0 >= until {
            return Err(invalid());
        }
        let slot = self.0.remove(id).await.ok_or_else(invalid)?;
        let parked = take(&slot).ok_or_else(invalid)?;
        Ok((parked, response_in(bond.params)))
    }
}

fn take(slot: &Slot) -> Option<Parked> {
    slot.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take()
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
