//! What can be wrong with an upstream, and what it then does instead of answering.
//! Must never do harm beyond the connection it was called on.
//!
//! Each illness says which methods it strikes by itself; [`Illness`] moves it elsewhere.

use std::time::Duration;

use crate::behaviour::Transport;
use crate::call::{Call, Frame};

mod bytes;
mod messages;
mod whole;

pub(crate) use bytes::breaking;
pub(crate) use whole::at_the_door;

/// A way to misbehave.
#[derive(Clone, Debug, PartialEq)]
pub enum Ill {
    /// Accepts the TCP connection and never answers.
    HangOnConnect,
    /// Never answers a list.
    HangOnList,
    /// Never answers a call.
    HangOnCall,
    /// Sends 200 and the headers of an event stream, then nothing.
    HangAfterHeaders,
    /// Closes the connection before it sent a byte.
    DieBeforeHeaders,
    /// Closes the connection in the middle of the answer.
    DieMidCall,
    /// Answers with another id.
    WrongId,
    /// Answers with the id as a string.
    StringId,
    /// Answers twice.
    DuplicateAnswer,
    /// Lists tools in a body of 50 MB.
    HugeList,
    /// Lists one tool a page, for ever, each with a new cursor.
    EndlessList,
    /// Lists the same page with the same cursor for ever.
    LoopingCursor,
    /// Sends notifications for ever and never the answer.
    EndlessStream,
    /// Sends one event of 32 MiB that does not end.
    GiantEvent,
    /// Sends 100 000 notifications, then the answer.
    Flood,
    /// Answers with a page of HTML where JSON belongs.
    NotJson,
    /// Answers with bytes that are not UTF-8; a binary message on a WebSocket.
    NotUtf8,
    /// Answers with good JSON under `text/html`.
    WrongContentType,
    /// Redirects.
    Redirect {
        /// The status, such as 302 or 307.
        status: u16,
        /// The `Location`.
        to: String,
    },
    /// Names a message endpoint on this other origin, such as `http://127.0.0.1:1`. SSE only.
    ForeignEndpoint(String),
    /// Answers in gzip, asked or not: about 1 MB that becomes 1 GiB.
    Bomb,
    /// Asks the model again and again and never answers.
    ServerRequestsFlood,
    /// Lists tools that no client can take, between two good ones.
    BadTools,
    /// Waits before every response.
    SlowHeaders {
        /// How long, in ms.
        ms: u64,
    },
    /// Answers every request with this status.
    Status {
        /// The status.
        status: u16,
        /// The value of `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// Closes the session's streams after each answer but the first.
    ClosesIdle,
    /// Answers 401, whatever the credentials.
    Unauthorized,
    /// 403: the token lacks these scopes.
    LacksScope {
        /// Separated by spaces.
        scope: String,
    },
}

impl Ill {
    /// Returns the method this strikes unless told otherwise; `*` strikes everything.
    fn place(&self) -> &'static str {
        match self {
            Ill::HangOnList
            | Ill::HugeList
            | Ill::EndlessList
            | Ill::LoopingCursor
            | Ill::BadTools => "tools/list",
            Ill::HangOnConnect
            | Ill::ForeignEndpoint(_)
            | Ill::Redirect { .. }
            | Ill::SlowHeaders { .. }
            | Ill::Status { .. }
            | Ill::ClosesIdle
            | Ill::Unauthorized
            | Ill::LacksScope { .. } => "*",
            Ill::HangOnCall
            | Ill::HangAfterHeaders
            | Ill::DieBeforeHeaders
            | Ill::DieMidCall
            | Ill::WrongId
            | Ill::StringId
            | Ill::DuplicateAnswer
            | Ill::EndlessStream
            | Ill::GiantEvent
            | Ill::Flood
            | Ill::NotJson
            | Ill::NotUtf8
            | Ill::WrongContentType
            | Ill::Bomb
            | Ill::ServerRequestsFlood => "tools/call",
        }
    }
}

/// An [`Ill`], where it strikes and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Illness {
    /// What is wrong.
    pub ill: Ill,
    /// The JSON-RPC method, or the HTTP verb of a request without a message; `*` for everything.
    pub place: String,
    /// How often it still strikes; then the upstream is well.
    pub times: usize,
}

impl Illness {
    /// Strikes where it does by nature, always.
    pub fn new(ill: Ill) -> Illness {
        let place = ill.place().to_owned();
        Illness {
            ill,
            place,
            times: usize::MAX,
        }
    }

    /// Strikes this method instead; `*` for everything.
    pub fn on(self, place: &str) -> Illness {
        Illness {
            place: place.to_owned(),
            ..self
        }
    }

    /// Strikes this often, then never again.
    pub fn times(self, times: usize) -> Illness {
        Illness { times, ..self }
    }

    pub(crate) fn strike(&mut self, method: &str) -> Option<Ill> {
        let is_place = self.place == "*" || self.place == method;
        if !is_place || self.times == 0 {
            return None;
        }
        self.times -= 1;
        Some(self.ill.clone())
    }
}

/// Does what the illness does instead of answering a call.
pub(crate) async fn act(ill: &Ill, call: &Call) {
    match ill {
        Ill::HangOnConnect | Ill::HangOnList | Ill::HangOnCall => std::future::pending().await,
        Ill::HangAfterHeaders => bytes::hang_after_headers(call).await,
        Ill::DieBeforeHeaders => drop(call.outlet.send(Frame::Die).await),
        Ill::DieMidCall => bytes::die_mid_call(call).await,
        Ill::GiantEvent => bytes::giant_event(call).await,
        Ill::NotUtf8 => bytes::not_utf8(call).await,
        Ill::HugeList => bytes::huge_list(call).await,
        Ill::WrongId => messages::other_id(call, 987_654_321.into()).await,
        Ill::StringId => messages::other_id(call, messages::as_string(call.id())).await,
        Ill::DuplicateAnswer => messages::twice(call).await,
        Ill::EndlessList => messages::endless_list(call).await,
        Ill::LoopingCursor => messages::looping_cursor(call).await,
        Ill::EndlessStream => messages::endless_stream(call).await,
        Ill::Flood => messages::flood(call).await,
        Ill::NotJson => messages::not_json(call).await,
        Ill::ServerRequestsFlood => messages::server_requests(call).await,
        Ill::BadTools => messages::bad_tools(call).await,
        Ill::WrongContentType => whole::wrong_content_type(call).await,
        Ill::Bomb => whole::bomb(call).await,
        Ill::ClosesIdle => {
            messages::well(call).await;
            // Else nobody could ever get as far as a second message.
            if call.message.method() != "initialize" {
                call.session.end_streams(|| Frame::Close);
            }
        }
        Ill::SlowHeaders { ms } if call.transport() == Transport::WebSocket => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            messages::well(call).await;
        }
        // These act before a call exists.
        Ill::ForeignEndpoint(_)
        | Ill::Redirect { .. }
        | Ill::SlowHeaders { .. }
        | Ill::Status { .. }
        | Ill::Unauthorized
        | Ill::LacksScope { .. } => messages::well(call).await,
    }
}
