//! What becomes of a request: a whole answer, or a stream that ends with one.

use bytes::Bytes;

use super::listen::Subscription;
use super::relay::Relay;
use crate::upstream::uri::Namer;
use mcp::{Message, message};

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// A whole response, and the HTTP status that goes with it.
    Answer(Bytes, u16),
    /// A stream of messages that ends with the response.
    Stream(Box<Relay>),
    /// The same of a server of our own.
    Told(native::Telling),
    /// A stream of changes that ends when the client or the gateway closes it.
    Listen(Box<Subscription>),
}

impl Outcome {
    /// A whole response of one of our own servers, with its resources as a client of a union knows them.
    pub(super) fn named(self, namer: &Namer) -> Self {
        let Self::Answer(text, status) = self else {
            return self;
        };
        let Ok(message) = Message::parse(text.clone()) else {
            return Self::Answer(text, status);
        };
        let id = message.id.as_deref().unwrap_or(b"null");
        let result = message.result.as_deref().and_then(|it| namer.name(it));
        let error = message.error.as_deref().and_then(|it| namer.error(it));
        let named = match (result, error) {
            (Some(result), _) => message::result(id, &result).into(),
            (None, Some(error)) => message::error(id, &error).into(),
            (None, None) => text,
        };
        Self::Answer(named, status)
    }
}
