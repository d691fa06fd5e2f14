//! Which method goes where.

use std::sync::Arc;

use bytes::Bytes;

use super::call::Call;
use super::catalog::{Item, List, Snapshot};
use super::lists::{self, FIRST_LOOK_PATIENCE, Listing};
use super::sign_in::{self, Climb, answer_connected, is_connect_tool};
use super::tasks::{self, Owner};
use super::view::{Access, Member, View};
use super::watch::{WATCHED_MAX, Watch};
use super::{Gateway, Outcome, Refusal, Request, Target, handshake, listen, renew};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::mcp::error::{INVALID_PARAMS, RpcError};
use crate::mcp::raw::string;
use crate::mcp::{Message, RawObject, Version, message};

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
    let own = match method {
        "ping" => Some(b"{}".to_vec()),
        "initialize" => {
            let view = gateway.view(&request.caller, &request.target).await?;
            Some(handshake::initialize(gateway, request, &view).await?)
        }
        "server/discover" => {
            let view = gateway.view(&request.caller, &request.target).await?;
            Some(handshake::discover(gateway, request, &view).await?)
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
    match serve(gateway, request, message, (&view, watch)).await {
        Err(Refusal::SignIn(needed)) => {
            let climb = Climb {
                gateway,
                request,
                message,
                view: &view,
                retry: retry.as_ref(),
                watch,
            };
            Box::pin(climb.climb(&needed)).await
        }
        served => served,
    }
}

/// Carries out a request that is not about the endpoint itself.
pub(super) async fn serve(
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
    const LEVELS: [&str; 8] = [
        "debug",
        "info",
        "notice",
        "warning",
        "error",
        "critical",
        "alert",
        "emergency",
    ];
    let params = RawObject::parse(message.params_or_empty()).unwrap_or_default();
    let level = params
        .get_str("level")
        .filter(|level| LEVELS.contains(&level.as_str()));
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
                "params must be an object with each member once",
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
                if !self.speaks_modern(member).await? {
                    return self.listen(params).await;
                }
                tasks::enter_filter(self.gateway, &owner, &mut params);
            }
        } else if matches!(method, "resources/subscribe" | "resources/unsubscribe") {
            let uri = uri_of(&params)?;
            return self.subscribe(method, (member, uri), params).await;
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
            .and_then(|s: &Snapshot| s.find(List::Tools, &name));
        self.call((member, item), params, &name).await
    }

    /// Whether this client's session with a server is of the stateless era.
    async fn speaks_modern(&self, member: &Member) -> Result<bool, Refusal> {
        let open = member.enter()?;
        self.gateway.audit.admit()?;
        let lane = self.view.lane(self.request);
        let session = open
            .upstream
            .session(&lane, &open.credential, &self.request.client)
            .await;
        Ok(session
            .map_err(|failure| failure.into_error(&member.server.name))?
            .version()
            .is_modern())
    }

    /// Subscribes a session client to a resource, or ends that; across the eras if need be.
    async fn subscribe(
        self,
        method: &str,
        (member, uri): (&Member, String),
        params: RawObject<'_>,
    ) -> Result<Outcome, Refusal> {
        let crosses = self.speaks_modern(member).await?;
        let Some(session) = self.request.session.as_ref().filter(|_| crosses) else {
            return self.call((member, None), params, &uri).await;
        };
        let stop = session.rewatch(member.server.id.0, &uri, method == "resources/subscribe");
        if let Some(stop) = stop {
            let watch = self.watch(member, vec![uri])?;
            let sink = session.updates(&self.gateway.tasks);
            let begun = watch.begin(sink, stop, &self.gateway.tasks).await;
            begun.map_err(|failure| failure.into_error(&member.server.name))?;
        }
        Ok(self.result(b"{}"))
    }

    fn watch(&self, member: &Member, uris: Vec<String>) -> Result<Watch, Refusal> {
        let open = member.enter()?;
        Ok(Watch {
            upstream: open.upstream.clone(),
            credential: open.credential.clone(),
            lane: self.view.lane(self.request),
            client: self.request.client.clone(),
            uris,
        })
    }

    /// A subscription of a stateless client that no single upstream can answer as it is.
    async fn listen(self, params: RawObject<'_>) -> Result<Outcome, Refusal> {
        let filter = params.get("notifications").unwrap_or(b"{}").to_vec();
        let filter = RawObject::parse(&filter).unwrap_or_default();
        let uris: Vec<String> = filter
            .get("resourceSubscriptions")
            .and_then(|uris| serde_json::from_slice(uris).ok())
            .unwrap_or_default();
        if uris.len() > WATCHED_MAX {
            return Err(RpcError::new(INVALID_PARAMS, "too many resourceSubscriptions").into());
        }
        let stop = self.gateway.tasks.stop.child_token();
        let (sink, updates) = tokio::sync::mpsc::channel(WATCHED_MAX);
        let mut granted = Vec::new();
        for uri in uris {
            // What cannot be watched is left out of the acknowledgement.
            let Ok((member, own)) = self.owner_of(&uri).await else {
                continue;
            };
            let watch = self.watch(member, vec![own])?;
            if watch
                .begin(sink.clone(), stop.clone(), &self.gateway.tasks)
                .await
                .is_ok()
            {
                granted.push(uri);
            }
        }
        let watched = listen::Watched {
            uris: granted,
            updates,
            stop,
        };
        Ok(listen::open(
            self.gateway,
            (self.request, self.message),
            self.view,
            (&filter, watched),
        ))
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
            "resources/read" => self.resource().await,
            "resources/subscribe" | "resources/unsubscribe" => {
                let mut params = self.params()?;
                let (member, own) = self.owner_of(&uri_of(&params)?).await?;
                params.set("uri", string(&own));
                self.subscribe(method, (member, own), params).await
            }
            "completion/complete" => self.completion().await,
            "subscriptions/listen" => {
                let params = self.params()?;
                self.listen(params).await
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
        let Self {
            gateway,
            request,
            message,
            view,
            watch,
        } = self;
        if let Access::Own(own) = &member.access {
            let asked = (view, message, params);
            return Box::pin(gateway.own.call(gateway, own, request, asked)).await;
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

    async fn named(self, list: List, what: &str) -> Result<Outcome, Refusal> {
        let mut params = self.params()?;
        let exposed = params
            .get_str("name")
            .ok_or_else(|| RpcError::new(INVALID_PARAMS, "params.name must be a string"))?;
        let listing = self.listing(list, &exposed).await;
        if let Some(found) = listing.find(&exposed) {
            if found.item.key != exposed {
                params.set("name", string(&found.item.key));
            }
            let member = &self.view.members[found.member];
            return self
                .call((member, Some(found.item)), params, &exposed)
                .await;
        }
        let mut members = self.view.members.iter();
        if list == List::Tools
            && let Some(member) = members.find(|member| is_connect_tool(member, &exposed))
        {
            return Ok(self.result(&answer_connected(member, self.request.version)));
        }
        // A server whose list was never read may still have it: its prefix tells which server is meant.
        let guess = self
            .view
            .members
            .iter()
            .find_map(|m| Some((m, m.prefix.strip(&exposed)?)));
        match guess {
            Some((member, name)) if never_read(member) => {
                let name = name.to_owned();
                params.set("name", string(&name));
                self.call((member, None), params, &exposed).await
            }
            _ => Err(RpcError::new(INVALID_PARAMS, format!("Unknown {what}: {exposed}")).into()),
        }
    }

    /// The listing; where a name is missing from it, after the first look at each server.
    async fn listing(&self, list: List, exposed: &str) -> Arc<Listing> {
        let listing = lists::listing(self.view, list);
        if listing.find(exposed).is_some() || !self.view.members.iter().any(never_read) {
            return listing;
        }
        lists::first_looks(self.view).await;
        lists::listing(self.view, list)
    }

    async fn resource(self) -> Result<Outcome, Refusal> {
        let mut params = self.params()?;
        let uri = uri_of(&params)?;
        let (member, own) = self.owner_of(&uri).await?;
        if own != uri {
            params.set("uri", string(&own));
        }
        self.call((member, None), params, &uri).await
    }

    /// The server that has a URI: by its list, by its templates, or because it is the only one with resources.
    async fn owner_of(&self, uri: &str) -> Result<(&'a Member, String), Refusal> {
        let listing = self.listing(List::Resources, uri).await;
        if let Some(found) = listing.find(uri) {
            return Ok((&self.view.members[found.member], found.item.key.clone()));
        }
        let templates = lists::listing(self.view, List::Templates);
        let matching = templates
            .all()
            .find(|(exposed, _)| template_matches(exposed, uri));
        if let Some((exposed, found)) = matching {
            let added = exposed.len() - found.item.key.len();
            return Ok((&self.view.members[found.member], uri[added..].to_owned()));
        }
        let mut with_resources = self.view.members.iter().filter(|member| {
            member.snapshot().is_some_and(|snapshot| {
                !snapshot.list(List::Resources).is_empty()
                    || !snapshot.list(List::Templates).is_empty()
            })
        });
        match (with_resources.next(), with_resources.next()) {
            (Some(only), None) => Ok((only, uri.to_owned())),
            _ => Err(
                RpcError::new(INVALID_PARAMS, format!("Unknown resource: {uri}"))
                    .with_data(serde_json::json!({ "uri": uri }))
                    .into(),
            ),
        }
    }

    async fn completion(self) -> Result<Outcome, Refusal> {
        let mut params = self.params()?;
        let invalid = || {
            RpcError::new(
                INVALID_PARAMS,
                "params.ref must name a prompt or a resource",
            )
        };
        let reference = params.get("ref").map(<[u8]>::to_vec).ok_or_else(invalid)?;
        let mut reference = RawObject::parse(&reference).map_err(|_| invalid())?;
        let (list, key) = match reference.get_str("type").as_deref() {
            Some("ref/prompt") => (List::Prompts, "name"),
            Some("ref/resource") => (List::Templates, "uri"),
            _ => return Err(invalid().into()),
        };
        let exposed = reference.get_str(key).ok_or_else(invalid)?;
        let listing = self.listing(list, &exposed).await;
        let (member, own) = match listing.find(&exposed) {
            Some(found) => (&self.view.members[found.member], found.item.key.clone()),
            None if list == List::Templates => self.owner_of(&exposed).await?,
            None => {
                return Err(
                    RpcError::new(INVALID_PARAMS, format!("Unknown prompt: {exposed}")).into(),
                );
            }
        };
        reference.set(key, string(&own));
        let rewritten = reference.to_json();
        params.set("ref", rewritten);
        self.call((member, None), params, &exposed).await
    }
}

fn uri_of(params: &RawObject<'_>) -> Result<String, RpcError> {
    params
        .get_str("uri")
        .ok_or_else(|| RpcError::new(INVALID_PARAMS, "params.uri must be a string"))
}

fn never_read(member: &Member) -> bool {
    member
        .snapshot()
        .is_none_or(|snapshot| snapshot.version == 0)
}

fn name_of(method: &str, params: &RawObject<'_>) -> String {
    let key = if method.starts_with("resources/") {
        "uri"
    } else {
        "name"
    };
    params.get_str(key).unwrap_or_default()
}

/// Whether a URI could come from a template (RFC 6570): its literal parts stand in it in their order.
fn template_matches(template: &str, uri: &str) -> bool {
    let mut rest = uri;
    let mut literals = template
        .split('{')
        .map(|part| part.rsplit_once('}').map_or(part, |(_, literal)| literal));
    let Some(first) = literals.next().and_then(|first| rest.strip_prefix(first)) else {
        return false;
    };
    rest = first;
    for literal in literals {
        match rest.find(literal) {
            Some(at) => rest = &rest[at + literal.len()..],
            None => return false,
        }
    }
    rest.is_empty() || template.ends_with('}')
}

#[cfg(test)]
mod tests {
    use super::template_matches;

    #[test]
    fn a_uri_belongs_to_the_template_whose_literals_it_has() {
        assert!(template_matches(
            "test://item/{id}/data",
            "test://item/7/data"
        ));
        assert!(template_matches("file:///{+path}", "file:///a/b"));
        assert!(!template_matches(
            "test://item/{id}/data",
            "test://item/7/other"
        ));
        assert!(!template_matches("test://item/{id}", "other://item/7"));
    }
}
