//! Subscriptions that no single upstream can answer as they are: across the eras, or over a mentor's servers.

use super::{Origin, RawObject};
use crate::gateway::listen;
use crate::gateway::outcome::Outcome;
use crate::gateway::refusal::Refusal;
use crate::gateway::view::{Member, Open};
use crate::gateway::watch::{WATCHED_MAX, Watch};
use broker::guard::Guard;
use mcp::error::{INVALID_PARAMS, RpcError};

impl Origin<'_> {
    /// Whether this client's session with a server is of the stateless era.
    pub(super) async fn speaks_modern(&self, member: &Member) -> Result<bool, Refusal> {
        let open = member.enter()?;
        self.gateway.audit.admit()?;
        let lane = self.request.lane(self.view);
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
    pub(super) async fn subscribe(
        self,
        method: &str,
        (member, uri, shown): (&Member, String, &str),
        params: RawObject<'_>,
    ) -> Result<Outcome, Refusal> {
        let crosses = self.speaks_modern(member).await?;
        if let Some(session) = &self.request.session {
            session.inbox.subscribed(member.server.id.0, &uri, shown);
        }
        let Some(session) = self.request.session.as_ref().filter(|_| crosses) else {
            return self.call((member, None), params, shown).await;
        };
        let stop = session.rewatch(member.server.id.0, &uri, method == "resources/subscribe");
        if let Some(stop) = stop {
            let watch = self.watch(member, uri, shown)?;
            let sink = session.updates(&self.gateway.tasks);
            let begun = watch.begin(sink, stop, &self.gateway.tasks).await;
            begun.map_err(|failure| failure.into_error(&member.server.name))?;
        }
        Ok(self.result(b"{}"))
    }

    /// A guard of what goes on at one server after this request.
    fn guard(&self, member: &Member, open: &Open) -> Guard {
        let guard = self.request.guard.another();
        open.bind(&guard, member.server.id);
        guard
    }

    fn watch(&self, member: &Member, uri: String, shown: &str) -> Result<Watch, Refusal> {
        let open = member.enter()?;
        let is_of_union = self.view.mentor.is_some();
        let namer = is_of_union.then(|| member.prefix.namer().asked(uri.as_str(), shown));
        Ok(Watch {
            upstream: open.upstream.clone(),
            credential: open.credential.clone(),
            lane: self.request.lane(self.view),
            client: self.request.client.clone(),
            guard: self.guard(member, open),
            uri,
            namer,
        })
    }

    /// A subscription of a stateless client that no single upstream can answer as it is.
    pub(super) async fn listen(self, params: RawObject<'_>) -> Result<Outcome, Refusal> {
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
            let watch = self.watch(member, own, &uri)?;
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
        let asked = (self.request, self.message);
        let subscription = listen::open(self.gateway, asked, (&filter, watched)).await?;
        Ok(Outcome::Listen(subscription))
    }
}
