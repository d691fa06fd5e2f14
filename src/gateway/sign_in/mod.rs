//! The sign-in ladder (docs/inside/decisions.md#the-sign-in-ladder): how a call whose person must sign in first asks
//! for that, on the highest rung that its client has. Never sends a call on with anybody else's credential instead.

mod adopt;
mod answer;
mod connect;
mod obstacle;
mod state;
mod wait;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use connect::{answer_connected, is_connect_tool, tool as connect_tool};
pub(super) use state::{Retry, retry};
use wait::Ending;
pub use wait::SignIns;

use super::chats::{ChatEvent, ChatKey};
use super::parked::can_answer;
use super::view::{Closed, View};
use super::{Gateway, Outcome, Refusal, Request, route};
use crate::clock::Stopwatch;
use crate::credentials::headers::GrantVersion;
use crate::credentials::obstacle::Obstacle;
use crate::error::{Error, Result};
use crate::mcp::{Message, Version};
use crate::oauth::connected_service;
use crate::registry::server::ServerId;
use answer::Question;
use obstacle::obstacle;

/// A call cannot go on until its person has signed in to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The server.
    pub server: ServerId,
    /// Its name.
    pub server_name: String,
    /// Scopes beyond those of the server's service, separated by spaces.
    pub scope: String,
    /// The grant that was not enough, at the version that was not.
    pub refused: Option<GrantVersion>,
}

impl SignIn {
    /// The product error, for wires and places where nobody can be asked.
    pub fn error(&self) -> Error {
        Closed::SignInNeeded.error(&self.server_name)
    }
}

/// A call that stands before the ladder.
pub(super) struct Climb<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) request: &'a Request,
    pub(super) message: &'a Message,
    pub(super) view: &'a View,
    /// What the client said when it was asked before.
    pub(super) retry: Option<&'a Retry>,
    pub(super) watch: Stopwatch,
}

/// The rungs, highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    /// `input_required` with a URL elicitation, and a retry.
    InputRequired,
    /// Error -32042 with the same, and a notification when it is done.
    UrlRequired,
    /// A word in the chat; the call waits.
    Chat,
    /// A link in the answer.
    Link,
}

impl Climb<'_> {
    /// Asks the person, or waits for them, or both.
    pub(super) async fn climb(self, needed: &SignIn) -> Result<Outcome, Refusal> {
        if self
            .retry
            .is_some_and(|retry| retry.server != needed.server)
        {
            return Err(state::invalid().into());
        }
        if self.retry.is_some_and(|retry| !retry.is_accepted) {
            return Ok(self.respond(answer::declined(self.method(), needed)));
        }
        let caller = &self.request.caller;
        if self.retry.is_none()
            && wait::is_signed_in((self.gateway, caller), &self.request.target, needed).await
        {
            return Box::pin(self.go_on()).await;
        }
        // Boxed: what goes on after a question calls again, and would hold all of these states at each level.
        if let Some(end) = Box::pin(self.dead_end(needed)).await? {
            return Ok(end);
        }
        let question = self.question(needed).await?;
        match self.rung() {
            Rung::InputRequired => Box::pin(self.require_input(needed, &question)).await,
            Rung::UrlRequired => {
                self.announce_end(needed, &question);
                Err(question.elicitation_error().into())
            }
            Rung::Chat => Box::pin(self.wait_in_chat(needed, &question)).await,
            Rung::Link => Ok(self.respond(question.link(self.method()))),
        }
    }

    fn method(&self) -> &str {
        self.message.method.as_deref().unwrap_or_default()
    }

    async fn question(&self, needed: &SignIn) -> Result<Question> {
        let mentor = self.view.mentor.as_ref().map(|mentor| mentor.id);
        Question::open(self.gateway, self.request, mentor, needed).await
    }

    fn rung(&self) -> Rung {
        let can_open_urls = can_answer(&self.request.client.capabilities, &answer::url_ask());
        let may_ask_back = matches!(
            self.method(),
            "tools/call" | "prompts/get" | "resources/read"
        );
        if self.request.version.is_modern() && can_open_urls && may_ask_back {
            return Rung::InputRequired;
        }
        if self.request.version == Version::V2025_11_25 && can_open_urls {
            return Rung::UrlRequired;
        }
        match self.chat() {
            Some(chat) if self.gateway.chats.is_open(&chat) => Rung::Chat,
            Some(_) | None => Rung::Link,
        }
    }

    fn chat(&self) -> Option<ChatKey> {
        let session = self.request.chat.as_deref()?;
        Some(ChatKey::of(&self.request.caller, session))
    }

    fn respond(&self, answer: Result<Vec<u8>, crate::mcp::error::RpcError>) -> Outcome {
        let id = self.message.id.as_deref().unwrap_or(b"null");
        let (text, status) = match answer {
            Ok(result) => (crate::mcp::message::result(id, &result), 200),
            Err(error) => (
                crate::mcp::message::error(id, &error.to_json()),
                error.status,
            ),
        };
        Outcome::Answer(Bytes::from(text), status)
    }

    /// First rung. A client that comes back before its person is done is held for a moment, and then asked again.
    async fn require_input(self, needed: &SignIn, question: &Question) -> Result<Outcome, Refusal> {
        if let Some(retry) = self.retry {
            let awaited = (needed, retry.failures);
            let ending = self.sign_ins().soon(self.gateway, self.request, awaited);
            match self.unless_cancelled(ending).await? {
                Ending::SignedIn => return Box::pin(self.go_on()).await,
                Ending::Failed(failure) => {
                    let text = answer::failed(failure, &needed.server_name);
                    return Ok(self.respond(question.late(self.method(), &text)));
                }
                Ending::TimedOut | Ending::Busy => {}
            }
        }
        let asked = (needed.server, question.failures);
        let state = state::seal(self.gateway, self.request, self.message, asked)?;
        Ok(self.respond(Ok(question.input_required(&state))))
    }

    /// Second rung: the client hears on its own stream when it may call again.
    fn announce_end(&self, needed: &SignIn, question: &Question) {
        if let Some(session) = &self.request.session {
            self.sign_ins()
                .announce(self.gateway, self.request, session, (needed, question));
        }
    }

    /// Third rung.
    async fn wait_in_chat(self, needed: &SignIn, question: &Question) -> Result<Outcome, Refusal> {
        let Some(chat) = self.chat() else {
            return Ok(self.respond(question.link(self.method())));
        };
        let required = ChatEvent::OauthRequired {
            server_id: needed.server.0,
            server_name: needed.server_name.clone(),
            auth_url: question.url.clone(),
            message: answer::required(&needed.server_name),
        };
        let awaited = (needed, question.failures);
        let ending = self
            .sign_ins()
            .in_chat(self.gateway, self.request, (chat, required), awaited);
        match self.unless_cancelled(ending).await? {
            Ending::SignedIn => Box::pin(self.go_on()).await,
            Ending::TimedOut => {
                let text = answer::timed_out(&needed.server_name);
                Ok(self.respond(question.late(self.method(), &text)))
            }
            Ending::Failed(failure) => {
                let text = answer::failed(failure, &needed.server_name);
                Ok(self.respond(question.late(self.method(), &text)))
            }
            Ending::Busy => Ok(self.respond(question.link(self.method()))),
        }
    }

    /// The answer where no question leads to anything, if it does not.
    async fn dead_end(&self, needed: &SignIn) -> Result<Option<Outcome>> {
        if let Some(obstacle) = obstacle(self.gateway, self.request, needed.server).await? {
            return Ok(Some(self.impossible(needed, &obstacle)));
        }
        if self.was_not_granted(needed).await? {
            let told = (needed, self.gateway.base_url.as_str());
            let answer = answer::not_granted(self.method(), told, self.request.version);
            return Ok(Some(self.respond(answer)));
        }
        Ok(None)
    }

    /// Whether all that is lacking was asked for at the last sign-in, and not granted.
    async fn was_not_granted(&self, needed: &SignIn) -> Result<bool> {
        let Some(grant) = needed.refused.filter(|_| !needed.scope.is_empty()) else {
            return Ok(false);
        };
        let mut tx = self.gateway.db.read().await?;
        let refused = connected_service::refused_scope_of(&mut tx, grant.id).await?;
        let mut lacking = needed.scope.split_whitespace();
        Ok(lacking.all(|word| refused.split(' ').any(|refused| refused == word)))
    }

    /// No rung leads anywhere: what an administrator must do first is said, and in a chat its turn ends.
    fn impossible(&self, needed: &SignIn, obstacle: &Obstacle) -> Outcome {
        if self.rung() == Rung::Chat
            && let Some(chat) = self.chat()
        {
            let failed = ChatEvent::OauthFailed {
                server_id: needed.server.0,
                server_name: needed.server_name.clone(),
                message: answer::not_built(&needed.server_name),
            };
            self.gateway.chats.tell(&chat, failed);
        }
        let sentence = obstacle.sentence(&needed.server_name);
        self.respond(answer::impossible(
            self.method(),
            (needed, &sentence),
            self.request.version,
        ))
    }

    fn sign_ins(&self) -> &SignIns {
        &self.gateway.sign_ins
    }

    /// Carries the call out as if it came now. A server that still asks gets its link: nobody waits twice.
    async fn go_on(self) -> Result<Outcome, Refusal> {
        let caller = &self.request.caller;
        let view = self
            .gateway
            .fresh_view(caller, &self.request.target)
            .await?;
        let served = route::serve(
            self.gateway,
            self.request,
            self.message,
            (&view, self.watch),
        );
        match Box::pin(served).await {
            Err(Refusal::SignIn(needed)) => {
                if let Some(end) = Box::pin(self.dead_end(&needed)).await? {
                    return Ok(end);
                }
                let question = self.question(&needed).await?;
                Ok(self.respond(question.link(self.method())))
            }
            served => served,
        }
    }

    async fn unless_cancelled(
        &self,
        ending: impl Future<Output = Ending>,
    ) -> Result<Ending, Error> {
        let cancelled = match (&self.request.session, &self.message.id) {
            (Some(session), Some(id)) => session.begin_call(id),
            _ => self.request.cancelled.clone(),
        };
        let ended = tokio::select! {
            biased;
            () = cancelled.cancelled() => None,
            ending = ending => Some(ending),
        };
        if let (Some(session), Some(id)) = (&self.request.session, &self.message.id) {
            session.end_call(id);
        }
        // The answer is never read: the client has forgotten the call.
        ended.ok_or(Error::Unavailable("the call was cancelled"))
    }
}
