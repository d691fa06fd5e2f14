//! A chat client's side of things on either wire: what it sent, in turn, and what it is told, in order.
//! Never runs two turns of one client at a time, and never leaves a client without a frame for long.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::asked::Asked;
use super::error;
use crate::app::App;
use base::error::{Ended, Error, Result};
use broker::guard::{self, Guard};
use relay::chat::frame::{self, Frame};
use relay::chat::{Address, Running, Said, Turn, Warned};
use relay::gateway::chats::{ChatEvent, ChatKey, ChatStream};
use tenancy::auth::Caller;

/// A turn is never silent for longer; clients give up after 10 s.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long a client that sent its first frame twice has to hang up before the second one is run.
const REPEAT_GRACE: Duration = Duration::from_secs(1);
/// Turns of one client that may wait for the one before.
const QUEUED_MAX: usize = 8;

/// What a client is told next.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// A frame.
    Frame(Value),
    /// The last frame: the connection closes after it.
    Last(Value),
    /// The same, because what the connection was allowed by has ended.
    Ended(Value, Ended),
}

/// One client's chat.
pub(super) struct Conversation {
    app: Arc<App>,
    peer: IpAddr,
    /// To be told before anything else.
    ready: VecDeque<Told>,
    /// Turns that wait for the one under way.
    queued: VecDeque<Queued>,
    running: Option<Running>,
    /// What is said about sign-ins in the session that was connected last.
    events: Option<(String, ChatStream)>,
    /// Ends the connection with the permission of the last speaker.
    guard: Option<Guard>,
    warned: Warned,
    last_told: Instant,
    /// When the last turn ended.
    last_ended: Instant,
    /// The first frame, until the second has come.
    first: Option<Vec<u8>>,
    frames: u64,
}

struct Queued {
    turn: Turn,
    /// Whether it is the first frame once more.
    is_repeat: bool,
}

impl Conversation {
    /// A client that has said nothing yet.
    pub(super) fn new(app: Arc<App>, peer: IpAddr) -> Self {
        let now = Instant::now();
        Self {
            app,
            peer,
            ready: VecDeque::new(),
            queued: VecDeque::new(),
            running: None,
            events: None,
            guard: None,
            warned: Warned::default(),
            last_told: now,
            last_ended: now,
            first: None,
            frames: 0,
        }
    }

    /// Takes a text frame.
    pub(super) async fn receive(&mut self, text: &[u8]) {
        self.frames += 1;
        let is_repeat = self.frames == 2 && self.first.take().as_deref() == Some(text);
        if self.frames == 1 {
            self.first = Some(text.to_vec());
        }
        let taken = async {
            let asked = Asked::parse(text)?;
            let caller = asked.who.caller(&self.app, self.peer).await?;
            self.take(caller, asked, is_repeat).await
        };
        if let Err(refused) = taken.await {
            self.ready.push_back(Told::Last(error::frame(&refused)));
        }
    }

    /// Connects the caller to the session that they ask for, and queues what they said.
    ///
    /// # Errors
    /// `NotFound` if it is not theirs; `RateLimited` if too much is queued.
    pub(super) async fn take(
        &mut self,
        caller: Arc<Caller>,
        asked: Asked,
        is_repeat: bool,
    ) -> Result<()> {
        let address = Address {
            session: &asked.session,
            mentor: &asked.mentor,
            metadata: asked.metadata.as_deref(),
        };
        let (session, mentor) = self.app.chat.connect(&caller, address).await?;
        let is_new = self.listen(&caller, &session.unique_id);
        let guard = self.app.guards.guard(&caller);
        guard.depend(|through| through.mentor = Some(mentor.id));
        guard.hold();
        self.guard = Some(guard);
        if is_new || asked.told.is_none() {
            let status = http::StatusCode::OK.as_u16();
            self.ready.push_back(Told::Frame(json!({
                "detail": "Connected.",
                "status_code": status,
                "session_id": session.unique_id,
            })));
        }
        let Some(told) = asked.told else {
            return Ok(());
        };
        if asked.has_files {
            self.ready.push_back(Told::Frame(files_are_not_read()));
        }
        if self.queued.len() >= QUEUED_MAX {
            return Err(Error::RateLimited { retry_after_s: 1 });
        }
        let warned = self.warned.clone();
        self.queued.push_back(Queued {
            turn: Turn {
                caller,
                session,
                mentor,
                told,
                warned,
            },
            is_repeat,
        });
        Ok(())
    }

    /// Hears what is said about sign-ins in this session from now on. Whether it is another one than before.
    fn listen(&mut self, caller: &Caller, session: &str) -> bool {
        let known = format!("{}/{session}", caller.user.id.0);
        if self
            .events
            .as_ref()
            .is_some_and(|(before, _)| *before == known)
        {
            return false;
        }
        let chat = ChatKey::of(caller, session);
        self.events = Some((known, self.app.gateway.chats.join(chat)));
        self.warned = Warned::default();
        true
    }

    /// What the client is told next. Safe to cancel: nothing is lost when it is.
    pub(super) async fn next(&mut self) -> Told {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return self.tell(told);
            }
            self.start_next();
            let silent_until = self.last_told + SILENCE_MAX;
            let waits_until = self.last_ended + REPEAT_GRACE;
            tokio::select! {
                biased;
                // A sign-in is told before what it has let through.
                event = event_of(&mut self.events) => return self.tell(of_event(event)),
                said = said_of(&mut self.running) => match said {
                    Some(Said::Frame(frame)) => return self.tell(Told::Frame(frame.to_json())),
                    Some(Said::Failed(failed)) => return self.tell(failure(&failed)),
                    None => {
                        self.running = None;
                        self.last_ended = Instant::now();
                    }
                },
                why = guard::ended(self.guard.as_ref()) => {
                    return self.tell(failure(&Error::Ended(why)));
                }
                () = sleep_until(silent_until), if self.running.is_some() => {
                    return self.tell(Told::Frame(Frame::Typing.to_json()));
                }
                () = sleep_until(waits_until), if self.running.is_none() && !self.queued.is_empty() => {}
            }
        }
    }

    fn start_next(&mut self) {
        if self.running.is_some() {
            return;
        }
        let may_start =
            |next: &Queued| !next.is_repeat || Instant::now() >= self.last_ended + REPEAT_GRACE;
        if self.queued.front().is_some_and(may_start)
            && let Some(next) = self.queued.pop_front()
        {
            self.last_told = Instant::now();
            self.running = Some(self.app.chat.begin(next.turn));
        }
    }

    fn tell(&mut self, told: Told) -> Told {
        self.last_told = Instant::now();
        told
    }
}

fn failure(error: &Error) -> Told {
    let frame = error::frame(error);
    match error {
        Error::Ended(why) => Told::Ended(frame, *why),
        _ => Told::Last(frame),
    }
}

fn of_event(event: ChatEvent) -> Told {
    match frame::of_event(event) {
        Ok(frame) => Told::Frame(frame),
        Err(message) => Told::Last(error::of_sign_in(&message)),
    }
}

fn files_are_not_read() -> Value {
    let frame = Frame::Warning {
        message: "Attached files are not read by this mentor.".into(),
        developer_error: "NotImplementedError: file_references".into(),
        code: http::StatusCode::NOT_IMPLEMENTED.as_u16(),
    };
    frame.to_json()
}

async fn event_of(events: &mut Option<(String, ChatStream)>) -> ChatEvent {
    match events {
        Some((_, stream)) => stream.next().await,
        None => std::future::pending().await,
    }
}

async fn said_of(running: &mut Option<Running>) -> Option<Said> {
    match running {
        Some(running) => running.next().await,
        None => std::future::pending().await,
    }
}
