//! Illnesses that lie in the bytes of the answer.
//! Must never hold a whole huge answer in memory where it can be streamed.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Response;

use crate::behaviour::{Answers, Transport};
use crate::call::{Call, Frame};
use crate::dispatch;
use crate::tools;

/// Size of a huge list.
const HUGE_BYTES: usize = 50 * 1024 * 1024;

/// Size of a giant event.
const GIANT_BYTES: usize = 32 * 1024 * 1024;

/// How long bytes may take to leave the process.
const FLUSH: Duration = Duration::from_millis(20);

/// Size of one piece of either.
const PIECE_BYTES: usize = 64 * 1024;

/// Says nothing, on a stream that is open.
pub(super) async fn hang_after_headers(call: &Call) {
    if call.transport() == Transport::StreamableHttp {
        let silence = stream::pending::<Result<Bytes, std::io::Error>>();
        whole(call, "text/event-stream", Body::from_stream(silence)).await;
    }
    std::future::pending().await
}

/// Sends half of the answer and breaks the connection.
pub(super) async fn die_mid_call(call: &Call) {
    let answer = call.answer_text(dispatch::dispatch(call).await);
    let cut = (1..=answer.len() / 2)
        .rev()
        .find(|cut| answer.is_char_boundary(*cut))
        .unwrap_or(0);
    let half = answer[..cut].to_owned();
    let is_json = call.app.behaviour.answers == Answers::Json;
    match call.transport() {
        Transport::StreamableHttp if is_json => {
            let pieces = stream::iter([Ok(Bytes::from(half))]).chain(stream::once(breaking()));
            whole(call, "application/json", Body::from_stream(pieces)).await;
            return;
        }
        Transport::StreamableHttp | Transport::Sse => {
            raw(call, &format!("event: message\ndata: {half}")).await;
        }
        Transport::WebSocket => {}
    }
    call.outlet.send(Frame::Die).await;
}

/// Breaks a body, once what went before is on its way: hyper drops what it still holds.
pub(crate) async fn breaking() -> std::io::Result<Bytes> {
    tokio::time::sleep(FLUSH).await;
    Err(std::io::Error::other("the upstream died"))
}

/// Sends an event without an end, then holds the stream open.
pub(super) async fn giant_event(call: &Call) {
    if call.transport() == Transport::WebSocket {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"{}"}}"#,
            "x".repeat(GIANT_BYTES)
        );
        call.outlet.send(Frame::Message(text)).await;
        return std::future::pending().await;
    }
    raw(call, "event: message\ndata: ").await;
    let piece = Bytes::from(vec![b'x'; PIECE_BYTES]);
    for _ in 0..GIANT_BYTES / PIECE_BYTES {
        if !call.outlet.send(Frame::Raw(piece.clone())).await {
            return;
        }
    }
    std::future::pending().await
}

pub(super) async fn not_utf8(call: &Call) {
    let answer = call.answer_text(dispatch::dispatch(call).await);
    let mut bytes = answer.into_bytes();
    let inside = bytes.iter().rposition(|byte| *byte == b'"').unwrap_or(0);
    bytes.splice(inside..inside, [0xff, 0xfe, 0xc3, 0x28]);
    let is_json = call.app.behaviour.answers == Answers::Json;
    if call.transport() == Transport::StreamableHttp && is_json {
        return whole(call, "application/json", Body::from(bytes)).await;
    }
    if call.transport() != Transport::WebSocket {
        bytes.splice(0..0, *b"event: message\ndata: ");
        bytes.extend(*b"\n\n");
    }
    call.outlet.send(Frame::Raw(bytes.into())).await;
    call.outlet.send(Frame::Close).await;
}

/// Lists tools until the body is huge.
pub(super) async fn huge_list(call: &Call) {
    let start = match call.revision.is_modern() {
        true => r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":["#,
        false => r#"{"tools":["#,
    };
    let start = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{start}"#, call.id());
    let long = "x".repeat(PIECE_BYTES);
    let count = HUGE_BYTES / PIECE_BYTES;
    let items = (0..count).map(move |item| {
        let comma = if item == 0 { "" } else { "," };
        format!(
            "{comma}{}",
            tools::plain_tool(&format!("huge_{item}"), &long)
        )
    });
    let mut pieces = [start].into_iter().chain(items).chain(["]}}".to_owned()]);
    match call.transport() {
        Transport::StreamableHttp => {
            let pieces = pieces.map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
            whole(
                call,
                "application/json",
                Body::from_stream(stream::iter(pieces)),
            )
            .await;
        }
        Transport::Sse => {
            raw(call, "event: message\ndata: ").await;
            for piece in pieces {
                if !raw(call, &piece).await {
                    return;
                }
            }
            raw(call, "\n\n").await;
        }
        Transport::WebSocket => {
            let text = pieces.by_ref().collect();
            call.outlet.send(Frame::Answer(200, text)).await;
        }
    }
}

async fn raw(call: &Call, text: &str) -> bool {
    call.outlet
        .send(Frame::Raw(Bytes::from(text.to_owned())))
        .await
}

async fn whole(call: &Call, content_type: &'static str, body: Body) {
    let mut response = Response::new(body);
    let content_type = http::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, content_type);
    call.outlet.send(Frame::Whole(Box::new(response))).await;
}
