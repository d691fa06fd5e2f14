//! Which method goes where: answered here, relayed to one server, or to the one of a mentor's that has the name.
//! Calls nobody itself.

mod name;
mod subscribe;

use std::sync::Arc;

use bytes::Bytes;

use super::call::Call;
use super::catalog::FIRST_LOOK_PATIENCE;
use super::item::{Item, List};
use super::outcome::Outcome;
use super::refusal::{Refusal, SignIn};
use super::request::Request;
use super::sign_in::{self, Decision, Prompt};
use super::target::Target;
use super::tasks::{self, Owner};
use super::view::{Access, Member, View};
use super::{Gateway, handshake, renew};
use super::{lists, own};
use base::clock::Stopwatch;
use base::error::Error;
use mcp::error::{INVALID_PARAMS, RpcError};
use mcp::meta::META_BYTES_MAX;
use mcp::raw::string;
use mcp::{LOG_LEVELS, Message, RawObject, Version, message};

pub(super) async fn dispatch(
    gateway: &Arc<Gateway>,
    request: &Request,
    message: &Message,
    watch: Stopwatch,
) -> Result<Outcome, Refusal> {
    let method = message.method.as_deref().unwrap_or_default();
    if is_of_the_other_era(method, request.version) {
        return Err(RpcError::method_not_found(method).into());
    }
    if let Target::Server(_) = request.target {
        let view = gateway.view(&request.caller, &request.target).await?;
        let member = view.only()?;
        view.bind(&request.guard);
        if let Access::Own(_) = member.access {
            // It answers for itself, as at its own endpoint.
            let origin = Origin {
                gateway,
                request,
                message,
                view: &view,
                watch,
            };
            let params = origin.params()?;
            return origin.call((member, None), params, "").await;
        }
    }
    let own = match method {
        "ping" => Some(b"{}".to_vec()),
        "initialize" => {
            let view = gateway.view(&request.caller, &request.target).await?;
            Some(Box::pin(handshake::initialize(gateway, request, &view)).await?)
        }
        "server/discover" => {
            let view = gateway.view(&request.caller, &request.target).await?;
            Some(Box::pin(handshake::discover(gateway, request, &view)).await?)
        }
        "logging/setLevel" => Some(set_level(request, message)?),
        _ => None,
    };
    if let Some(result) = own {
        return Ok(Outcome::Answer(
            message::result(message.id.as_deref().unwrap_or(b"null"), &result).into(),
            200,
        ));
    }
    let retry = sign_in::retry(gateway, request, message)?;
    let (view, message) = match &retry {
        None => (
            gateway.view(&request.caller, &request.target).await?,
            message,
        ),
        Some(retry) => (
            gateway.fresh_view(&request.caller, &request.target).await?,
            &retry.message,
        ),
    };
    view.bind(&request.guard);
    match serve(gateway, request, message, (&view, watch)).await {
        Err(Refusal::SignIn(needed)) => {
            let prompt = Prompt {
                gateway,
                request,
                message,
                view: &view,
                retry: retry.as_ref(),
            };
            Box::pin(after_sign_in(&prompt, &needed, watch)).await
        }
        served => served,
    }
}

/// Asks the person to sign in, and carries the call out as if it came now if they have. A server that still asks gets
/// its link: nobody waits twice.
async fn after_sign_in(
    prompt: &Prompt<'_>,
    needed: &SignIn,
    watch: Stopwatch,
) -> Result<Outcome, Refusal> {
    let (gateway, request) = (prompt.gateway, prompt.request);
    if let Decision::Answer(outcome) = prompt.decide(needed).await? {
        return Ok(outcome);
    }
    let view = gateway.fresh_view(&request.caller, &request.target).await?;
    match serve(gateway, request, prompt.message, (&view, watch)).await {
        Err(Refusal::SignIn(needed)) => Ok(prompt.last_answer(&needed).await?),
        served => served,
    }
}

/// Carries out a request that is not about the endpoint itself.
async fn serve(
    gateway: &Arc<Gateway>,
    request: &Request,
    message: &Message,
    (view, watch): (&View, Stopwatch),
) -> Result<Outcome, Refusal> {
    let method = message.method.as_deref().unwrap_or_default();
    let origin = Origin {
        gateway,
        request,
        message,
        view,
        watch,
    };
    match &request.target {
        Target::Server(_) => origin.at_server(method).await,
        Target::Mentor(_) => origin.at_mentor(method).await,
        Target::Native(_) => Err(Error::NotFound("server").into()),
    }
}

/// Methods that the revision of the request does not have. An upstream of the other era must not get them.
fn is_of_the_other_era(method: &str, version: Version) -> bool {
    match method {
        "initialize"
        | "ping"
        | "logging/setLevel"
        | "resources/subscribe"
        | "resources/unsubscribe" => version.is_modern(),
        "server/discover" | "subscriptions/listen" => !version.is_modern(),
        _ => false,
    }
}

fn set_level(request: &Request, message: &Message) -> Result<Vec<u8>, RpcError> {
    let params = RawObject::parse(message.params_or_empty()).unwrap_or_default();
    let level = params
        .get_str("level")
        .filter(|level| LOG_LEVELS.contains(&level.as_str()));
    let level = level.ok_or_else(|| {
        RpcError::new(
            INVALID_PARAMS,
            "level must be one of the RFC 5424 severities",
        )
    })?;
    if let Some(session) = &request.session {
        session.set_log_level(Bytes::from(string(&level)));
    }
    Ok(b"{}".to_vec())
}

/// A request, and what its sender may use.
struct Origin<'a> {
    gateway: &'a Arc<Gateway>,
    request: &'a Request,
    message: &'a Message,
    view: &'a View,
    watch: Stopwatch,
}

impl<'a> Origin<'a> {
    fn params(&self) -> Result<RawObject<'a>, RpcError> {
        RawObject::parse(self.message.params_or_empty()).map_err(|_| {
            RpcError::new(
                INVALID_PARAMS,
                "params must be an object without repeated members",
            )
        })
    }

    /// One server: everything goes through as it is.
    async fn at_server(self, method: &str) -> Result<Outcome, Refusal> {
        let member = self.view.only()?;
        let renewed = renew::member(self.gateway, self.request, self.view, member).await?;
        let member = renewed.as_ref().unwrap_or(member);
        let mut params = self.params()?;
        if self.request.version.is_modern() {
            let owner = Owner::new(self.request, member.server.id.0);
            if tasks::is_task_method(method) {
                tasks::enter(self.gateway, self.request, &owner, &mut params)?;
            } else if method == "subscriptions/listen" {
                if !Box::pin(self.speaks_modern(member)).await? {
                    return Box::pin(self.listen(params)).await;
                }
                tasks::enter_filter(self.gateway, &owner, &mut params);
            }
        } else if matches!(method, "resources/subscribe" | "resources/unsubscribe") {
            let uri = uri_of(&params)?;
            let shown = uri.clone();
            return Box::pin(self.subscribe(method, (member, uri, &shown), params)).await;
        }
        // Some clients write out that they have none, which not every server takes.
        if List::of_method(method).is_some() && params.get("cursor") == Some(b"null") {
            params.remove("cursor");
        }
        let name = name_of(method, &params);
        let snapshot = match member.ready() {
            // A tool's headers are only known from the list.
            Some(open) if method == "tools/call" && self.request.version.is_modern() => {
                Some(open.cell.first_snapshot(FIRST_LOOK_PATIENCE).await)
            }
            _ => None,
        };
        let item = snapshot
            .as_deref()
            .and_then(|seen| seen.find(List::Tools, &name));
        self.call((member, item), params, &name).await
    }

    /// A mentor: lists from the catalogs, calls to the one server that has the name.
    async fn at_mentor(self, method: &str) -> Result<Outcome, Refusal> {
        if let Some(list) = List::of_method(method) {
            let renewed = renew::view(self.gateway, self.request, self.view).await?;
            let result = lists::answer(
                renewed.as_deref().unwrap_or(self.view),
                list,
                self.message.params_or_empty(),
                self.request.version,
            )
            .await?;
            return Ok(self.result(&result));
        }
        match method {
            "tools/call" => self.named(List::Tools, "tool").await,
            "prompts/get" => self.named(List::Prompts, "prompt").await,
            "resources/read" => Box::pin(self.resource()).await,
            "resources/subscribe" | "resources/unsubscribe" => {
                let mut params = self.params()?;
                let shown = uri_of(&params)?;
                let (member, own) = self.owner_of(&shown).await?;
                params.set("uri", string(&own));
                Box::pin(self.subscribe(method, (member, own, &shown), params)).await
            }
            "completion/complete" => Box::pin(self.completion()).await,
            "subscriptions/listen" => {
                let params = self.params()?;
                Box::pin(self.listen(params)).await
            }
            _ if tasks::is_task_method(method) && self.request.version.is_modern() => {
                let mut params = self.params()?;
                let member = tasks::member_of(self.view, &params)?;
                let owner = Owner::new(self.request, member.server.id.0);
                tasks::enter(self.gateway, self.request, &owner, &mut params)?;
                self.call((member, None), params, "").await
            }
            _ => Err(RpcError::method_not_found(method).into()),
        }
    }

    fn result(&self, result: &[u8]) -> Outcome {
        Outcome::Answer(
            message::result(self.message.id.as_deref().unwrap_or(b"null"), result).into(),
            200,
        )
    }

    async fn call(
        self,
        (member, item): (&Member, Option<&Item>),
        params: RawObject<'_>,
        name: &str,
    ) -> Result<Outcome, Refusal> {
        if params
            .get("_meta")
            .is_some_and(|it| it.len() > META_BYTES_MAX)
        {
            let text = format!("params._meta must be at most {META_BYTES_MAX} bytes");
            return Err(RpcError::new(INVALID_PARAMS, text).into());
        }
        let Self {
            gateway,
            request,
            message,
            view,
            watch,
        } = self;
        if let Access::Own(own) = &member.access {
            let own_uri = params.get_str("uri").unwrap_or_default();
            let namer = member.prefix.namer().asked(own_uri, name);
            let asked = (view, message, params);
            let own = (member.server.id, own);
            let outcome = Box::pin(own::call(gateway, own, request, asked)).await?;
            return Ok(if view.mentor.is_some() {
                outcome.named(&namer)
            } else {
                outcome
            });
        }
        let renewed = renew::member(gateway, request, view, member).await?;
        let member = renewed.as_ref().unwrap_or(member);
        let call = Call {
            request,
            message,
            view,
            member,
            params,
            item,
            name,
            watch,
        };
        // Every way to a call would otherwise carry all of its state: 20 kB, copied at each level.
        Box::pin(call.relay(gateway)).await
    }
}

fn uri_of(params: &RawObject<'_>) -> Result<String, RpcError> {
    params
        .get_str("uri")
        .ok_or_else(|| RpcError::new(INVALID_PARAMS, "params.uri must be a string"))
}

fn name_of(method: &str, params: &RawObject<'_>) -> String {
    let key = if method.starts_with("resources/") {
        "uri"
    } else {
        "name"
    };
    params.get_str(key).unwrap_or_default()
}
