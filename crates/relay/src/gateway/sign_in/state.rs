//! What a stateless client carries between the question and its retry, sealed: any replica takes it up, for nobody
//! but this person, at this endpoint, with these arguments, for a while.

use super::answer::KEY;
use crate::gateway::Gateway;
use crate::gateway::bond::Bond;
use crate::gateway::request::Request;
use broker::oauth::prompt::PROMPT_LIFE;
use broker::registry::server::ServerId;
use mcp::error::{INVALID_PARAMS, RpcError};
use mcp::{Message, RawObject, message};

/// What a `requestState` of a sign-in starts with.
const STATE_PREFIX: &str = "mgs1:";
/// What it is sealed as.
const RECORD: &str = "sign-in";

/// A call that comes back after its client was asked.
#[derive(Debug)]
pub(in crate::gateway) struct Retry {
    /// The call as it was first sent.
    pub(in crate::gateway) message: Message,
    /// What its person was asked to sign in to.
    pub(in crate::gateway) server: ServerId,
    /// How many tries to sign in had failed when they were asked.
    pub(in crate::gateway) failures: i64,
    /// Whether the person went there; they may not be done yet.
    pub(in crate::gateway) is_accepted: bool,
}

pub(super) fn invalid() -> RpcError {
    RpcError::new(INVALID_PARAMS, "Invalid or expired requestState")
}

fn params_of(message: &Message) -> Result<RawObject<'_>, RpcError> {
    RawObject::parse(message.params_or_empty()).map_err(|_| invalid())
}

fn bond<'a>(request: &'a Request, message: &'a Message, params: &'a RawObject<'a>) -> Bond<'a> {
    Bond {
        request,
        method: message.method.as_deref().unwrap_or_default(),
        params,
        server: 0,
    }
}

/// The state for a call that is to come back.
pub(super) fn seal(
    gateway: &Gateway,
    request: &Request,
    message: &Message,
    (server, failures): (ServerId, i64),
) -> Result<String, RpcError> {
    let until = gateway.clock.now().plus(PROMPT_LIFE).0;
    let text = format!("{} {until} {failures}", server.0);
    let params = params_of(message)?;
    let sealed = bond(request, message, &params).seal(&gateway.vault, RECORD, &text);
    Ok(format!("{STATE_PREFIX}{sealed}"))
}

/// Takes up a call whose state is one of ours; `None` for every other call.
///
/// # Errors
/// -32602 for a state of another request or past its end.
pub(in crate::gateway) fn retry(
    gateway: &Gateway,
    request: &Request,
    message: &Message,
) -> Result<Option<Retry>, RpcError> {
    if !request.version.is_modern() {
        return Ok(None);
    }
    let Ok(mut params) = RawObject::parse(message.params_or_empty()) else {
        return Ok(None);
    };
    let state = params.get_str("requestState");
    let Some(sealed) = state.as_deref().and_then(|s| s.strip_prefix(STATE_PREFIX)) else {
        return Ok(None);
    };
    let opened = bond(request, message, &params).open(&gateway.vault, RECORD, sealed);
    let [server, until, failures] = opened.as_deref().and_then(numbers_in).ok_or_else(invalid)?;
    if gateway.clock.now().0 >= until {
        return Err(invalid());
    }
    let is_accepted = is_accepted(&params);
    params.remove("requestState");
    params.remove("inputResponses");
    let id = message.id.as_deref().unwrap_or(b"null");
    let method = message.method.as_deref().unwrap_or_default();
    let first = message::request(id, method, &params.to_json());
    Ok(Some(Retry {
        message: Message::parse(first.into())?,
        server: ServerId(server),
        failures,
        is_accepted,
    }))
}

fn numbers_in(text: &str) -> Option<[i64; 3]> {
    let numbers: Option<Vec<i64>> = text.split(' ').map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// No answer at all is one that is still to come.
fn is_accepted(params: &RawObject<'_>) -> bool {
    let action = || {
        let responses = RawObject::parse(params.get("inputResponses")?).ok()?;
        RawObject::parse(responses.get(KEY)?)
            .ok()?
            .get_str("action")
    };
    action().is_none_or(|action| action == "accept")
}
