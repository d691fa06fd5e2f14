//! An answer on its way: as one piece or as a stream of events, whichever the endpoint sends.
//! Never waits without end for the next piece.

use futures_util::StreamExt;
use http::Response;
use http::header::CONTENT_TYPE;

use super::answer::{Answer, Broken, TEXT_BYTES_MAX};
use super::{LIMITS, failed, failure_of};
use base::error::{Result, UpstreamFailureKind};
use egress::{Body, EventStream};

/// Longest whole answer of an endpoint that does not stream, and longest event of one that does, in bytes.
const BODY_BYTES_MAX: usize = 4 * TEXT_BYTES_MAX;

/// An answer as it comes.
pub struct Coming {
    source: Source,
    /// What has come so far.
    pub answer: Answer,
}

enum Source {
    Whole(Body),
    Events(Box<EventStream>),
    Ended,
}

impl Coming {
    pub(super) fn of(response: Response<Body>) -> Self {
        let media_type = response.headers().get(CONTENT_TYPE);
        let is_stream =
            media_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        let body = response.into_body();
        let source = match is_stream {
            true => Source::Events(Box::new(body.events(BODY_BYTES_MAX))),
            false => Source::Whole(body),
        };
        let answer = Answer::default();
        Self { source, answer }
    }

    /// The next piece of the text; `None` when the answer is complete.
    ///
    /// # Errors
    /// `Upstream` if the answer breaks off, or is none.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            let json = match std::mem::replace(&mut self.source, Source::Ended) {
                Source::Ended => return Ok(None),
                Source::Whole(body) => {
                    let whole = body.read_to_end(BODY_BYTES_MAX as u64, LIMITS.headers);
                    whole.await.map_err(|failure| failed(&failure))?
                }
                Source::Events(mut events) => {
                    let Some(event) = events.next().await else {
                        return Ok(None);
                    };
                    let event = event.map_err(|failure| failed(&failure))?;
                    if event.data.trim_ascii() == b"[DONE]" {
                        return Ok(None);
                    }
                    self.source = Source::Events(events);
                    if event.data.is_empty() {
                        continue;
                    }
                    event.data
                }
            };
            let text = self.answer.add(&json).map_err(|what| {
                failure_of(match what {
                    Broken::Protocol => UpstreamFailureKind::Protocol,
                    Broken::TooLarge => UpstreamFailureKind::TooLarge,
                })
            })?;
            if text.is_some() {
                return Ok(text);
            }
        }
    }
}
