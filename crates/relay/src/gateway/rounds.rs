//! The era bridge from a stateless upstream to a session client (docs/inside/decisions.md#the-era-bridge): the
//! questions of an `input_required` result become requests on the client's stream, and the call is retried with the
//! answers.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::client::{Asked, ClientSession};
use crate::upstream::{CallFailure, Client, Lane, Outgoing, Reply, Upstream};
use base::clock::random_hex;
use base::error::{BrokenRule, UpstreamFailureKind};
use broker::credentials::Outbound;
use mcp::raw::string;
use mcp::{Message, RawObject};

/// Rounds of questions in one call at most.
const ROUNDS_MAX: u32 = 10;
/// Questions in one round at most.
const QUESTIONS_MAX: usize = 32;

/// Everything to send a call once more.
#[derive(Debug)]
pub(super) struct Resend {
    pub(super) upstream: Arc<Upstream>,
    pub(super) credential: Outbound,
    pub(super) lane: Lane,
    pub(super) client: Client,
    pub(super) method: Box<str>,
    /// The parameters of the first round, in the server's names.
    pub(super) params: Vec<u8>,
    pub(super) param_headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) rounds: u32,
}

/// A round under way: questions are out, their answers awaited.
#[derive(Debug)]
pub(super) struct Round {
    waiting: VecDeque<(String, Asked)>,
    answers: Vec<(String, Vec<u8>)>,
    state: Option<Vec<u8>>,
}

/// Whether a result asks for more instead of being the result.
pub(super) fn is_input_required(result: &[u8]) -> bool {
    const MARK: &[u8] = b"input_required";
    memchr::memmem::find(result, MARK).is_some()
        && RawObject::parse(result)
            .is_ok_and(|object| object.get("resultType") == Some(b"\"input_required\""))
}

impl Resend {
    /// Asks the client everything that a result asks. Returns the round and the requests to send.
    pub(super) fn ask(
        &mut self,
        session: &Arc<ClientSession>,
        result: &[u8],
    ) -> Result<(Round, Vec<Bytes>), CallFailure> {
        let broken = || CallFailure::of(UpstreamFailureKind::Protocol, true);
        self.rounds += 1;
        let result = RawObject::parse(result).map_err(|_| broken())?;
        let questions = result.get("inputRequests").unwrap_or(b"{}");
        let questions = RawObject::parse(questions).map_err(|_| broken())?;
        if self.rounds > ROUNDS_MAX || questions.0.len() > QUESTIONS_MAX {
            let text = format!(
                "it asks in more than {ROUNDS_MAX} rounds, or more than {QUESTIONS_MAX} questions in one"
            );
            return Err(CallFailure::broke(BrokenRule::new("rounds", text), true));
        }
        let mut round = Round {
            waiting: VecDeque::new(),
            answers: Vec::new(),
            state: result.get("requestState").map(<[u8]>::to_vec),
        };
        let mut texts = Vec::new();
        for (key, question) in &questions.0 {
            let question = RawObject::parse(question).map_err(|_| broken())?;
            let method = question.get_str("method").ok_or_else(broken)?;
            let mut params =
                RawObject::parse(question.get("params").unwrap_or(b"{}")).map_err(|_| broken())?;
            if params.get("mode") == Some(b"\"url\"") && params.get("elicitationId").is_none() {
                params.set("elicitationId", string(&random_hex::<16>()));
            }
            let (text, asked) = session.ask(&method, &params.to_json());
            texts.push(text);
            round.waiting.push_back((key.to_string(), asked));
        }
        Ok((round, texts))
    }

    /// Sends the call again with the answers of a round.
    pub(super) async fn send(&self, round: Round) -> Result<Reply, CallFailure> {
        let mut params = RawObject::parse(&self.params).unwrap_or_default();
        let mut responses = RawObject::default();
        for (key, answer) in round.answers {
            responses.0.push((key.into(), answer.into()));
        }
        params.set("inputResponses", responses.to_json());
        match round.state {
            Some(state) => params.set("requestState", state),
            None => drop(params.remove("requestState")),
        }
        let session = self
            .upstream
            .session(&self.lane, &self.credential, &self.client)
            .await?;
        let out = Outgoing {
            method: &self.method,
            person: self.lane.person,
            params,
            client: &self.client,
            param_headers: self.param_headers.clone(),
            is_idempotent: false,
        };
        session.request(&out).await
    }
}

impl Round {
    /// Waits for every answer. A question that the client refuses fails the call with the client's words.
    pub(super) async fn collect(&mut self) -> Result<(), Option<Message>> {
        while let Some((_, asked)) = self.waiting.front_mut() {
            let response = asked.response().await;
            let Some((key, _)) = self.waiting.pop_front() else {
                return Ok(());
            };
            match response {
                Some(Message {
                    result: Some(result),
                    ..
                }) => self.answers.push((key, result.to_vec())),
                refused => return Err(refused),
            }
        }
        Ok(())
    }
}
