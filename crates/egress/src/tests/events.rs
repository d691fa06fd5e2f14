//! Server-sent events off the wire.

use futures_util::StreamExt;

use super::listener::{Listener, Then};
use super::*;

async fn events(
    pieces: &[&str],
    then: Then,
    event_bytes_max: usize,
) -> Vec<Result<String, Failure>> {
    let mut answer = String::from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    for piece in pieces {
        answer += &format!("{:x}\r\n{piece}\r\n", piece.len());
    }
    if then == Then::Close {
        answer += "0\r\n\r\n";
    }
    let listener = Listener::answering(answer, then).await;
    let body = get(&to_loopback(), &listener.url(), &HASTY)
        .await
        .unwrap()
        .into_body();
    let text = |event: Event| String::from_utf8(event.data.to_vec()).unwrap();
    body.events(event_bytes_max)
        .map(|event| event.map(text))
        .collect()
        .await
}

#[tokio::test]
async fn events_may_be_split_anywhere() {
    let found = events(
        &["data: {\"a", "\":1}\r", "\n\r\nda", "ta: 2\n\n: ping\n\n"],
        Then::Close,
        64,
    )
    .await;
    let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
    assert_eq!(found, ["{\"a\":1}", "2"]);
}

#[tokio::test]
async fn a_stream_that_breaks_inside_an_event_fails() {
    let found = events(&["data: 1\n\n", "data: 2\n"], Then::Close, 64).await;
    assert!(
        matches!(&found[..], [Ok(first), Err(Failure::Closed(_))] if first == "1"),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_silent_stream_fails() {
    let found = events(&["data: 1\n\n"], Then::Stay, 64).await;
    assert!(
        matches!(&found[..], [Ok(_), Err(Failure::IdleTimeout { .. })]),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_event_over_its_cap_fails() {
    let found = events(
        &["data: 1\n\ndata: 0123456789\n", "data: 0123456789\n\n"],
        Then::Stay,
        20,
    )
    .await;
    assert!(
        matches!(
            &found[..],
            [Ok(_), Err(Failure::TooLarge { max_bytes: 20 })]
        ),
        "{found:?}"
    );
}
