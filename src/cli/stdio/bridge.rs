//! The messages of one client, to the gateway and back, over as many connections as it takes.
//! Every request is answered: by the gateway, or with an error when its connection was lost or the input has ended.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::lines::Lines;
use super::link::{Gate, Link, is_for_good};
use super::said::Said;
use crate::cli::Failure;
use crate::http::mcp::BODY_BYTES_MAX;
use mcp::error::{INTERNAL_ERROR, RpcError};
use mcp::message::Kind;
use mcp::raw::string;
use mcp::{Message, RawObject, Version, message};

/// Longest wait for answers after the end of input.
const END_PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait of a request for a gateway that is away.
const AWAY_PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait for the answer to an `initialize` that is repeated.
const INITIALIZE_PATIENCE: Duration = Duration::from_secs(10);
/// Pause before the gateway is tried again, the first time; each time it is twice as long.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one.
const STEADY_AFTER: Duration = Duration::from_secs(10);
/// Messages that wait for a gateway that is away.
const WAITING_MAX: usize = 1024;
/// What a client says when it has understood the answer to its `initialize`.
const INITIALIZED: &str = "notifications/initialized";
/// A request that is answered when its stream ends, and so perhaps never.
const ENDLESS: &str = "subscriptions/listen";

/// A client and what is under way for it.
pub(super) struct Bridge<R, W> {
    gate: Gate,
    lines: Lines<R>,
    out: W,
    /// The ids of requests that were sent and not answered, and whether an answer is awaited at the end.
    pending: HashMap<Bytes, bool>,
    /// What came while there was no connection, and since when the first of it waits.
    waiting: VecDeque<(Instant, Message)>,
    /// The client's `initialize`, which is said again to another gateway.
    initialize: Option<Message>,
    is_initialized: bool,
    /// Whether the revision that was agreed on has batches.
    takes_batches: bool,
    /// Connections before this one; their questions are not this one's.
    generation: u64,
    /// When the input ended.
    ended: Option<Instant>,
}

/// Why a connection is over.
enum Over {
    /// Nothing is left to do.
    Done,
    /// It was lost.
    Lost,
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Bridge<R, W> {
    /// A bridge between a client and a gateway.
    pub(super) fn new(gate: Gate, (input, out): (R, W)) -> Self {
        Self {
            gate,
            lines: Lines::new(input, BODY_BYTES_MAX),
            out,
            pending: HashMap::new(),
            waiting: VecDeque::new(),
            initialize: None,
            is_initialized: false,
            takes_batches: false,
            generation: 0,
            ended: None,
        }
    }

    /// Carries messages until the client has ended its input and has every answer.
    ///
    /// # Errors
    /// If the gateway takes us no more, answers are missing at the end, or the client's side fails.
    pub(super) async fn run(mut self, mut link: Link) -> Result<(), Failure> {
        let mut pause = PAUSE;
        loop {
            let began = Instant::now();
            match self.converse(&mut link).await {
                // A client that reads no more has gone.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(error.into()),
                Ok(Over::Done) => {
                    link.close().await;
                    return self.end().await;
                }
                Ok(Over::Lost) => {}
            }
            tracing::warn!("the connection to the gateway was lost; it is made again");
            self.lost().await?;
            if began.elapsed() >= STEADY_AFTER {
                pause = PAUSE;
            }
            link = match self.reconnect(&mut pause).await? {
                Some(link) => link,
                None => return self.end().await,
            };
        }
    }

    /// Carries messages over one connection.
    async fn converse(&mut self, link: &mut Link) -> io::Result<Over> {
        if self.pass_on_waiting(link).await.is_none() {
            return Ok(Over::Lost);
        }
        loop {
            if self.ended.is_some() && !self.pending.values().any(|awaited| *awaited) {
                return Ok(Over::Done);
            }
            let deadline = self.ended.map(|ended| ended + END_PATIENCE);
            tokio::select! {
                said = next_said(&mut self.lines), if self.ended.is_none() => match said? {
                    None => self.ended = Some(Instant::now()),
                    Some(said) => {
                        self.hear(said).await?;
                        if self.pass_on_waiting(link).await.is_none() {
                            return Ok(Over::Lost);
                        }
                    }
                },
                text = link.next() => match text {
                    Some(text) => {
                        if self.bring_back(link, text).await?.is_none() {
                            return Ok(Over::Lost);
                        }
                    }
                    None => return Ok(Over::Lost),
                },
                () = until(deadline) => return Ok(Over::Done),
            }
        }
    }

    /// Takes what the client said: answers what is no message, and lets a message wait for a connection.
    async fn hear(&mut self, said: Said) -> io::Result<()> {
        for said in said.spread(self.takes_batches) {
            match said {
                Said::Nothing | Said::Batch(_) => {}
                Said::Bad(answer) => self.write(&answer).await?,
                Said::Message(message) if self.waiting.len() < WAITING_MAX => {
                    self.waiting.push_back((Instant::now(), message));
                }
                Said::Message(message) => self.refuse_away(&message).await?,
            }
        }
        Ok(())
    }

    /// Sends what waits; `None` if the connection is lost.
    async fn pass_on_waiting(&mut self, link: &mut Link) -> Option<()> {
        while let Some((_, message)) = self.waiting.pop_front() {
            self.pass_on(link, message).await?;
        }
        Some(())
    }

    /// Sends a message of the client; `None` if the connection is lost, which fails a request like any other under way.
    async fn pass_on(&mut self, link: &mut Link, message: Message) -> Option<()> {
        let method = message.method.as_deref();
        match message.kind() {
            Kind::Request => {
                let id = message.id.clone().unwrap_or_default();
                self.pending.insert(id, method != Some(ENDLESS));
                if method == Some("initialize") {
                    self.initialize = Some(message.clone());
                    self.is_initialized = false;
                }
            }
            Kind::Notification => {
                self.is_initialized |= method == Some(INITIALIZED);
                if method == Some("notifications/cancelled")
                    && let Ok(params) = RawObject::parse(message.params_or_empty())
                    && let Some(id) = params.get("requestId")
                {
                    // Nobody answers what was called off.
                    self.pending.remove(id);
                }
            }
            Kind::Response => match self.own_name(&message) {
                Some(text) => return link.send(text).await,
                // The question is of a connection that is no more.
                None => return Some(()),
            },
        }
        link.send(text_of(&message.whole)).await
    }

    /// Writes what the gateway says; `None` if the connection is lost.
    async fn bring_back(&mut self, link: &mut Link, text: String) -> io::Result<Option<()>> {
        let text = Bytes::from(text);
        let Ok(message) = Message::parse(text.clone()) else {
            self.write(&text).await?;
            return Ok(Some(()));
        };
        match message.kind() {
            Kind::Response => {
                if let Some(id) = &message.id {
                    self.pending.remove(id);
                }
                self.agree(&message);
                self.write(&text).await?;
            }
            Kind::Request if self.ended.is_some() => {
                let error = RpcError::new(INTERNAL_ERROR, "the client has ended its input");
                let answer = refusal(message.id.as_deref().unwrap_or(b"null"), &error);
                return Ok(link.send(text_of(&answer)).await);
            }
            Kind::Request => {
                let question = self.foreign_name(&message);
                self.write(&question).await?;
            }
            Kind::Notification => self.write(&text).await?,
        }
        Ok(Some(()))
    }

    /// Notes which revision the answer to an `initialize` agrees on.
    fn agree(&mut self, answer: &Message) {
        let first = self.initialize.as_ref();
        if first.is_some_and(|first| first.id == answer.id)
            && let Some(result) = &answer.result
            && let Ok(result) = RawObject::parse(result)
        {
            let agreed = result.get_str("protocolVersion");
            self.takes_batches = agreed.as_deref() == Some(Version::V2025_03_26.as_str());
        }
    }

    /// Fails everything that was under way on a connection, save an `initialize`, which is said again.
    async fn lost(&mut self) -> io::Result<()> {
        self.generation += 1;
        let kept = self.initialize.as_ref().and_then(|first| first.id.clone());
        let error = RpcError::new(
            INTERNAL_ERROR,
            "the connection to the gateway was lost before the answer; the call may have executed",
        );
        let error = error.with_data(json!({ "kind": "closed", "mayHaveExecuted": true }));
        let failed: Vec<Bytes> = self.pending.keys().cloned().collect();
        for id in failed.into_iter().filter(|id| Some(id) != kept.as_ref()) {
            self.pending.remove(&id);
            self.write(&refusal(&id, &error)).await?;
        }
        Ok(())
    }

    /// Connects again, as often as it takes; `None` if the input has ended and nothing waits.
    async fn reconnect(&mut self, pause: &mut Duration) -> Result<Option<Link>, Failure> {
        loop {
            let at = Instant::now() + *pause;
            *pause = (*pause * 2).min(PAUSE_MAX);
            if !self.hold_back(at).await? {
                return Ok(None);
            }
            let mut link = match self.gate.connect().await {
                Ok(link) => link,
                Err(failure) if is_for_good(&failure) => {
                    self.give_up("the gateway no longer accepts this connection")
                        .await?;
                    return Err(Failure::new(failure));
                }
                Err(failure) => {
                    tracing::warn!(error = %failure, "the gateway cannot be reached");
                    continue;
                }
            };
            let introduced = timeout(INITIALIZE_PATIENCE, self.introduce(&mut link)).await;
            if introduced.unwrap_or(Ok(None))?.is_some() {
                tracing::info!("the connection to the gateway is there again");
                return Ok(Some(link));
            }
        }
    }

    /// Keeps what the client says until the time has come; `false` if it says nothing more and waits for nothing.
    async fn hold_back(&mut self, until_when: Instant) -> io::Result<bool> {
        loop {
            let now = Instant::now();
            while let Some((_, message)) = self
                .waiting
                .pop_front_if(|(since, _)| *since + AWAY_PATIENCE <= now)
            {
                self.refuse_away(&message).await?;
            }
            let is_asked = |(_, message): &(Instant, Message)| message.kind() == Kind::Request;
            let waits = self.waiting.iter().any(is_asked) || !self.pending.is_empty();
            if self
                .ended
                .is_some_and(|ended| !waits || ended + END_PATIENCE <= now)
            {
                return Ok(false);
            }
            tokio::select! {
                () = sleep_until(until_when) => return Ok(true),
                said = next_said(&mut self.lines), if self.ended.is_none() => match said? {
                    None => self.ended = Some(Instant::now()),
                    Some(said) => self.hear(said).await?,
                },
            }
        }
    }

    async fn refuse_away(&mut self, message: &Message) -> io::Result<()> {
        if message.kind() != Kind::Request {
            return Ok(());
        }
        let error = RpcError::new(INTERNAL_ERROR, "the gateway cannot be reached");
        let error = error.with_data(json!({ "kind": "unreachable", "mayHaveExecuted": false }));
        let id = message.id.clone().unwrap_or_default();
        self.write(&refusal(&id, &error)).await
    }

    /// Says to another gateway what the client said to the first; `None` if it does not understand.
    async fn introduce(&mut self, link: &mut Link) -> io::Result<Option<()>> {
        let Some(first) = self.initialize.clone() else {
            return Ok(Some(()));
        };
        let id = first.id.clone().unwrap_or_default();
        if link.send(text_of(&first.whole)).await.is_none() {
            return Ok(None);
        }
        loop {
            let Some(text) = link.next().await else {
                return Ok(None);
            };
            let answer = Message::parse(Bytes::from(text.clone())).ok();
            let Some(answer) = answer.filter(|answer| {
                answer.kind() == Kind::Response && answer.id.as_ref() == Some(&id)
            }) else {
                self.write(text.as_bytes()).await?;
                continue;
            };
            self.agree(&answer);
            // The client has its answer, if it did not wait for it still.
            if self.pending.remove(&id).is_some() {
                self.write(text.as_bytes()).await?;
            } else if answer.result.is_none() {
                return Ok(None);
            }
            if !self.is_initialized {
                return Ok(Some(()));
            }
            let text = json!({ "jsonrpc": "2.0", "method": INITIALIZED });
            return Ok(link.send(text.to_string()).await);
        }
    }

    /// Fails everything that is under way or waits.
    async fn give_up(&mut self, why: &str) -> io::Result<()> {
        let error = RpcError::new(INTERNAL_ERROR, why);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let waiting = waiting
            .filter(|(_, message)| message.kind() == Kind::Request)
            .filter_map(|(_, message)| message.id);
        let ids: Vec<Bytes> = self
            .pending
            .drain()
            .map(|(id, _)| id)
            .chain(waiting)
            .collect();
        for id in ids {
            self.write(&refusal(&id, &error)).await?;
        }
        Ok(())
    }

    /// The end of a conversation. What has no answer is given one.
    async fn end(mut self) -> Result<(), Failure> {
        let is_complete = !self.pending.values().any(|awaited| *awaited);
        self.give_up("the input has ended").await?;
        match is_complete {
            true => Ok(()),
            false => Err(Failure::new(format!(
                "not every answer came within {} s of the end of input",
                END_PATIENCE.as_secs()
            ))),
        }
    }

    /// A question of the gateway under a name that no other connection gives.
    fn foreign_name(&self, question: &Message) -> Vec<u8> {
        let id = question.id.as_deref().unwrap_or(b"null");
        match RawObject::parse(&question.whole) {
            Ok(mut renamed) if self.generation > 0 => {
                let id = format!("{}/{}", self.generation, String::from_utf8_lossy(id));
                renamed.set("id", string(&id));
                renamed.to_json()
            }
            _ => question.whole.to_vec(),
        }
    }

    /// The client's answer under the name that the gateway gave; `None` if another connection asked.
    fn own_name(&self, answer: &Message) -> Option<String> {
        let id = answer.id.as_deref().unwrap_or(b"null");
        if self.generation == 0 {
            return Some(text_of(&answer.whole));
        }
        let name: String = serde_json::from_slice(id).ok()?;
        let (generation, own) = name.split_once('/')?;
        if generation.parse() != Ok(self.generation) {
            return None;
        }
        let mut renamed = RawObject::parse(&answer.whole).ok()?;
        renamed.set("id", own.as_bytes().to_vec());
        Some(text_of(&renamed.to_json()))
    }

    /// Writes one message as one line.
    async fn write(&mut self, text: &[u8]) -> io::Result<()> {
        // Between the parts of a message a line break says as little as a space; within a text there is none.
        let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let mut line: Vec<u8> = text.to_vec();
        for byte in line.iter_mut().filter(|byte| is_break(byte)) {
            *byte = b' ';
        }
        line.push(b'\n');
        self.out.write_all(&line).await?;
        self.out.flush().await
    }
}

async fn next_said<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>) -> io::Result<Option<Said>> {
    let line = lines.next().await?;
    Ok(line.map(|line| Said::of(line, BODY_BYTES_MAX)))
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn refusal(id: &[u8], error: &RpcError) -> Vec<u8> {
    message::error(id, &error.to_json())
}

/// The text of what was read as UTF-8.
fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
