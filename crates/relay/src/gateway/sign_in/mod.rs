//! The sign-in ladder (docs/inside/decisions.md#the-sign-in-ladder): how a call whose person must sign in first asks
//! for that, on the highest rung that its client has. Never sends a call on with anybody else's credential instead.

mod adopt;
mod answer;
mod obstacle;
mod state;
mod wait;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use state::{Retry, retry};
use wait::Ending;
pub use wait::SignIns;

use super::Gateway;
use super::capabilities::can_answer;
use super::chats::{ChatEvent, ChatKey};
use super::outcome::Outcome;
use super::refusal::{Refusal, SignIn};
use super::request::Request;
use super::view::View;
use answer::Question;
use base::error::{Error, Result};
use broker::credentials::obstacle::Obstacle;
use broker::registry::grant;
use mcp::{Message, Version};
use obstacle::obstacle;

/// A call that cannot go on until its person has signed in.
pub(super) struct Prompt<'a> {
    pub(super) gateway: &'a Arc<Gateway>,
    pub(super) request: &'a Request,
    pub(super) message: &'a Message,
    pub(super) view: &'a View,
    /// What the client said when it was asked before.
    pub(super) retry: Option<&'a Retry>,
}

/// What becomes of such a call.
pub(super) enum Decision {
    /// The person has signed in: the call is carried out as if it came now.
    GoOn,
    /// It ends with this answer.
    Answer(Outcome),
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

impl Prompt<'_> {
    /// Asks the person, or waits for them, or both.
    pub(super) async fn decide(&self, needed: &SignIn) -> Result<Decision, Refusal> {
        if self
            .retry
            .is_some_and(|retry| retry.server != needed.server)
        {
            return Err(state::invalid().into());
        }
        if self.retry.is_some_and(|retry| !retry.is_accepted) {
            return Ok(self.answer(answer::declined(self.method(), needed)));
        }
        let caller = &self.request.caller;
        if self.retry.is_none()
            && wait::is_signed_in((self.gateway, caller), &self.request.target, needed).await
        {
            return Ok(Decision::GoOn);
        }
        if let Some(end) = self.dead_end(needed).await? {
            return Ok(Decision::Answer(end));
        }
        let question = self.question(needed).await?;
        match self.rung() {
            Rung::InputRequired => self.require_input(needed, &question).await,
            Rung::UrlRequired => {
                self.announce_end(needed, &question);
                Err(question.elicitation_error().into())
            }
            Rung::Chat => self.wait_in_chat(needed, &question).await,
            Rung::Link => Ok(self.answer(question.link(self.method()))),
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

    fn answer(&self, answer: Result<Vec<u8>, mcp::error::RpcError>) -> Decision {
        Decision::Answer(self.respond(answer))
    }

    fn respond(&self, answer: Result<Vec<u8>, mcp::error::RpcError>) -> Outcome {
        let id = self.message.id.as_deref().unwrap_or(b"null");
        let (text, status) = match answer {
            Ok(result) => (mcp::message::result(id, &result), 200),
            Err(error) => (mcp::message::error(id, &error.to_json()), error.status),
        };
        Outcome::Answer(Bytes::from(text), status)
    }

    /// First rung. A client that comes back before its person is done is held for a moment, and then asked again.
    async fn require_input(
        &self,
        needed: &SignIn,
        question: &Question,
    ) -> Result<Decision, Refusal> {
        if let Some(retry) = self.retry {
            let awaited = (needed, retry.failures);
            let ending = self.sign_ins().soon(self.gateway, self.request, awaited);
            match self.unless_cancelled(ending).await? {
                Ending::SignedIn => return Ok(Decision::GoOn),
                Ending::Failed(failure) => {
                    let text = answer::failed(failure, &needed.server_name);
                    return Ok(self.answer(question.late(self.method(), &text)));
                }
                Ending::TimedOut | Ending::Busy => {}
            }
        }
        let asked = (needed.server, question.failures);
        let state = state::seal(self.gateway, self.request, self.message, asked)?;
        Ok(self.answer(Ok(question.input_required(&state))))
    }

    /// Second rung: the client hears on its own stream when it may call again.
    fn announce_end(&self, needed: &SignIn, question: &Question) {
        if let Some(session) = &self.request.session {
            self.sign_ins()
                .announce(self.gateway, self.request, session, (needed, question));
        }
    }

    /// Third rung.
    async fn wait_in_chat(
        &self,
        needed: &SignIn,
        question: &Question,
    ) -> Result<Decision, Refusal> {
        let Some(chat) = self.chat() else {
            return Ok(self.answer(question.link(self.method())));
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
            Ending::SignedIn => Ok(Decision::GoOn),
            Ending::TimedOut => {
                let text = answer::timed_out(&needed.server_name);
                Ok(self.answer(question.late(self.method(), &text)))
            }
            Ending::Failed(failure) => {
                let text = answer::failed(failure, &needed.server_name);
                Ok(self.answer(question.late(self.method(), &text)))
            }
            Ending::Busy => Ok(self.answer(question.link(self.method()))),
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
        let grant = grant::read(&mut tx, grant.id).await?;
        let refused = grant.map_or_else(String::new, |grant| grant.refused_scope);
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

    /// The answer where the server still asks after its person has signed in: its link.
    pub(super) async fn last_answer(&self, needed: &SignIn) -> Result<Outcome> {
        if let Some(end) = self.dead_end(needed).await? {
            return Ok(end);
        }
        let question = self.question(needed).await?;
        Ok(self.respond(question.link(self.method())))
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
