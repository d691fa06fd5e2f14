//! Native servers among a mentor's: called in this process, as the person who calls the mentor, with no right more.
//! Says who is meant, so that no model can mean somebody else; an admin may mean anybody of the tenant.

use std::sync::Arc;

use super::Gateway;
use super::offered::{Own, WHO, is_locked};
use super::outcome::Outcome;
use super::refusal::Refusal;
use super::request::Request;
use super::view::View;
use base::error::Error;
use broker::registry::server::ServerId;
use mcp::raw::string;
use mcp::{Message, RawObject, message};
use native::{self, Face};
use tenancy::auth::{Caller, scope};

/// Carries a request out.
pub(super) async fn call(
    gateway: &Gateway,
    (server, own): (ServerId, &Own),
    request: &Request,
    (view, message, mut params): (&View, &Message, RawObject<'_>),
) -> Result<Outcome, Refusal> {
    gateway.audit.admit()?;
    let caller = &request.caller;
    let method = message.method.as_deref().unwrap_or_default();
    if method == "tools/call" && is_locked(caller) {
        name_caller(own.face, caller, &mut params)?;
    }
    request
        .guard
        .depend(|through| through.server = Some(server));
    let mentor = view.mentor.as_ref().map(|mentor| mentor.unique_id.clone());
    let asked = native::Request {
        guard: request.guard.clone(),
        caller: Arc::new(as_holder(own.face, caller)),
        face: own.face,
        version: Some(request.version),
        request_id: request.request_id.clone(),
        base_url: gateway.base_url.as_str().into(),
        mentor: mentor.unwrap_or_default(),
        progress: native::Progress::default(),
    };
    let id = message.id.as_deref().unwrap_or(b"null");
    let text = message::request(id, method, &params.to_json());
    let message = Message::parse(text.into()).map_err(Error::internal)?;
    if let Some((telling, _)) = gateway.native.tell(&gateway.tasks, &asked, &message).await {
        return Ok(Outcome::Told(telling));
    }
    let answer = gateway.native.handle(&asked, &message).await;
    Ok(Outcome::Answer(answer.text, answer.status))
}

/// The caller as the holder of a key of this server's kind, with what their role allows.
fn as_holder(face: &Face, caller: &Caller) -> Caller {
    Caller {
        kind: face.key,
        scopes: scope::of_role(face.key, caller.user.role).into(),
        ..caller.clone()
    }
}

/// Puts the caller where a tool is told whom it is about, whatever stands there.
fn name_caller(face: &Face, caller: &Caller, params: &mut RawObject<'_>) -> Result<(), Error> {
    let name = params.get_str("name").unwrap_or_default();
    let takes_who = |tool| {
        native::input(face, tool).is_some_and(|input| input["properties"].get(WHO).is_some())
    };
    if !face.tool(&name).is_some_and(takes_who) {
        return Ok(());
    }
    let arguments = params.get("arguments").unwrap_or(b"{}").to_vec();
    let mut arguments = RawObject::parse(&arguments)
        .map_err(|_| Error::Malformed("params.arguments must be an object".into()))?;
    arguments.set(WHO, string(&caller.user.username));
    let arguments = arguments.to_json();
    params.set("arguments", arguments);
    Ok(())
}
