//! Illnesses that lie in the HTTP response: its status, its headers, its coding.
//! Must never look into a message.

use std::io::Write;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::{HeaderName, StatusCode, header};

use crate::call::{Call, Frame};
use crate::dispatch;
use crate::transport::unauthorized;

use super::Ill;
use super::messages;

/// What a bomb unpacks to.
const BOMB_BYTES: usize = 1 << 30;

/// How much of it is packed at once.
static SPACES: [u8; 1 << 20] = [b' '; 1 << 20];

/// Does what can be done before the message is looked at: a response, a wait, or nothing.
pub(crate) async fn at_the_door(ill: &Ill, resource_metadata: Option<String>) -> Option<Response> {
    match ill {
        Ill::HangOnConnect => std::future::pending().await,
        Ill::SlowHeaders { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            None
        }
        Ill::Redirect { status, to } => {
            Some((code(*status), [(header::LOCATION, to.clone())]).into_response())
        }
        Ill::Status {
            status,
            retry_after,
        } => {
            let wait = retry_after.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
            Some(match wait {
                Some(wait) => (code(*status), wait, "upstream refuses").into_response(),
                None => (code(*status), "upstream refuses").into_response(),
            })
        }
        Ill::Unauthorized => Some(unauthorized(resource_metadata)),
        Ill::LacksScope { scope } => {
            let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
            Some(
                (
                    StatusCode::FORBIDDEN,
                    [(header::WWW_AUTHENTICATE, challenge)],
                )
                    .into_response(),
            )
        }
        _ => None,
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(super) async fn wrong_content_type(call: &Call) {
    let answer = call.answer_text(dispatch::dispatch(call).await);
    let response = ([(header::CONTENT_TYPE, "text/html")], answer).into_response();
    send_whole(call, response).await;
}

/// Answers with the good answer behind 1 GiB of spaces, in gzip.
pub(super) async fn bomb(call: &Call) {
    let answer = call.answer_text(dispatch::dispatch(call).await);
    let packer = GzEncoder::new(Vec::new(), Compression::best());
    let pieces = stream::unfold(Some((packer, 0)), move |packing| {
        let answer = answer.clone();
        async move {
            let (mut packer, done) = packing?;
            if done == BOMB_BYTES {
                packer.write_all(answer.as_bytes()).ok()?;
                return Some((packer.finish().map(Bytes::from), None));
            }
            packer.write_all(&SPACES).ok()?;
            packer.flush().ok()?;
            let packed = std::mem::take(packer.get_mut());
            // Packing is work without a wait; others on this thread want their turn.
            tokio::task::yield_now().await;
            Some((
                Ok::<_, std::io::Error>(Bytes::from(packed)),
                Some((packer, done + SPACES.len())),
            ))
        }
    });
    let headers: [(HeaderName, &str); 2] = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_ENCODING, "gzip"),
    ];
    send_whole(call, (headers, Body::from_stream(pieces)).into_response()).await;
}

/// Sends the response, or does nothing wrong where there is no HTTP response to send.
async fn send_whole(call: &Call, response: Response) {
    if call.transport() == crate::Transport::StreamableHttp {
        call.outlet.send(Frame::Whole(Box::new(response))).await;
    } else {
        messages::well(call).await;
    }
}
