//! What is sent, and how much of an answer is read.

use futures_util::StreamExt;
use http::header;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::listener::{Listener, Then};
use super::*;

async fn read(answer: &str, then: Then) -> Result<Bytes, Failure> {
    let listener = Listener::answering(answer, then).await;
    get(&to_loopback(), &listener.url(), &HASTY)
        .await?
        .into_body()
        .read_to_end(16, PATIENT.idle)
        .await
}

#[tokio::test]
async fn headers_of_the_connection_are_ours() {
    let listener = Listener::answering("HTTP/1.1 204 No Content\r\n\r\n", Then::Stay).await;
    let egress = to_loopback();
    let request = Request::post(egress.check_url(&listener.url()).unwrap().uri().clone())
        .header(header::HOST, "evil.example")
        .header(header::TRANSFER_ENCODING, "chunked")
        .header(header::CONTENT_LENGTH, "999")
        .header(header::ACCEPT_ENCODING, "gzip")
        .header("x-api-key", "k")
        .body(Bytes::from_static(b"{}"))
        .unwrap();
    egress.send(request, &PATIENT).await.unwrap();
    let mut lines: Vec<_> = listener.received().lines().map(str::to_owned).collect();
    lines.sort_unstable();
    let host = format!("host: {}", listener.address);
    assert_eq!(
        lines,
        [
            "",
            "POST /mcp HTTP/1.1",
            "accept-encoding: identity",
            "content-length: 2",
            &host,
            "x-api-key: k",
            "{}"
        ]
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target =
        Listener::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Then::Stay).await;
    let egress = to_loopback();
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let head = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            target.url()
        );
        let listener = Listener::answering(head, Then::Stay).await;
        let request = Request::post(listener.url())
            .header("x-api-key", "k")
            .body(Bytes::from_static(b"{}"));
        let failure = egress.send(request.unwrap(), &PATIENT).await.unwrap_err();
        assert!(matches!(failure, Failure::Redirected { status: found } if found == status));
        assert_eq!(failure.sent(), Sent::Maybe);
    }
    assert_eq!((target.accepted(), target.received()), (0, String::new()));
}

#[tokio::test]
async fn an_answer_of_no_readable_encoding_is_refused_by_its_name() {
    for (header, named) in [
        ("content-encoding: gzip", "gzip"),
        ("content-encoding: identity, br", "br"),
        ("content-encoding: br, deflate", "deflate"),
        ("transfer-encoding: gzip, chunked", "gzip, chunked"),
        (
            "content-encoding: gzip, gzip, gzip, gzip",
            "gzip, gzip, gzip, gzip",
        ),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n\u{7f}not packed");
        let failure = read(&answer, Then::Close).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Encoding { encoding } if encoding == named),
            "{header}: {failure:?}"
        );
    }
    let unknown = "HTTP/1.1 200 OK\r\ncontent-encoding: utf-8\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(read(unknown, Then::Stay).await.unwrap(), "{}");
    let plain = "HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(read(plain, Then::Stay).await.unwrap(), "{}");
}

#[tokio::test]
async fn a_body_is_read_to_its_cap_and_no_further() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789abcdef";
    assert_eq!(read(whole, Then::Stay).await.unwrap(), "0123456789abcdef");
    let pieces = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n89abcdef\r\n0\r\n\r\n";
    assert_eq!(read(pieces, Then::Stay).await.unwrap(), "0123456789abcdef");
    let to_the_end = "HTTP/1.1 200 OK\r\n\r\n0123456789abcdef";
    assert_eq!(
        read(to_the_end, Then::Close).await.unwrap(),
        "0123456789abcdef"
    );

    // The announced length is refused before a byte of it comes.
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\n0123456789abcdefg\r\n";
    let endless = "HTTP/1.1 200 OK\r\n\r\n0123456789abcdefg";
    for answer in [announced, chunked, endless] {
        let failure = read(answer, Then::Stay).await.unwrap_err();
        assert!(
            matches!(failure, Failure::TooLarge { max_bytes: 16 }),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_capped_stream_ends_at_its_cap() {
    let answer =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    let listener = Listener::answering(answer, Then::Stay).await;
    let body = get(&to_loopback(), &listener.url(), &PATIENT)
        .await
        .unwrap()
        .into_body();
    let pieces: Vec<_> = body
        .capped(5)
        .map(|piece| piece.map_err(|failure| failure.to_string()))
        .collect()
        .await;
    assert_eq!(
        pieces,
        [
            Ok(Bytes::from_static(b"abc")),
            Err("the answer is longer than 5 bytes".into())
        ]
    );
}

#[tokio::test]
async fn silence_ends_at_its_deadline() {
    let failure = read("", Then::Stay).await.unwrap_err();
    assert!(
        matches!(failure, Failure::HeadersTimeout { .. }),
        "{failure:?}"
    );
    assert_eq!(failure.sent(), Sent::Maybe);
    let failure = read(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        Then::Stay,
    )
    .await
    .unwrap_err();
    assert!(
        matches!(failure, Failure::IdleTimeout { .. }),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_body_that_keeps_coming_is_not_idle() {
    let (listener, socket) = Listener::bind().await;
    tokio::spawn(async move {
        let mut stream = socket.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
            .await
            .unwrap();
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.write_all(b"x").await.unwrap();
        }
    });
    let limits = Limits {
        idle: Duration::from_millis(400),
        ..PATIENT
    };
    let body = get(&to_loopback(), &listener.url(), &limits)
        .await
        .unwrap()
        .into_body();
    assert_eq!(body.read_to_end(16, PATIENT.idle).await.unwrap(), "xxxxx");
}

#[tokio::test]
async fn a_large_request_is_sent_whole() {
    const SIZE: usize = 4 << 20;
    let (listener, socket) = Listener::bind().await;
    tokio::spawn(async move {
        let mut stream = socket.accept().await.unwrap();
        let (mut buffer, mut found) = (vec![0; 1 << 16], 0);
        while found < SIZE {
            let read = stream.read(&mut buffer).await.unwrap();
            found += buffer[..read].iter().filter(|byte| **byte == 0).count();
        }
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
    });
    let request = Request::post(listener.url())
        .body(Bytes::from(vec![0; SIZE]))
        .unwrap();
    assert_eq!(
        to_loopback()
            .send(request, &PATIENT)
            .await
            .unwrap()
            .status(),
        204
    );
}

#[tokio::test]
async fn a_slow_body_ends_at_its_deadline() {
    let listener = Listener::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        Then::Stay,
    )
    .await;
    let body = get(&to_loopback(), &listener.url(), &PATIENT)
        .await
        .unwrap()
        .into_body();
    let failure = body
        .read_to_end(16, Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(
        matches!(failure, Failure::BodyTimeout { .. }),
        "{failure:?}"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_have_been_carried_out() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
    ] {
        let failure = read(answer, Then::Close).await.unwrap_err();
        assert!(
            matches!(failure, Failure::Closed(_)),
            "{answer:?}: {failure:?}"
        );
        assert_eq!(failure.sent(), Sent::Maybe);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_breaks_the_protocol() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1000));
    let long = format!(
        "HTTP/1.1 200 OK\r\na: {}\r\n\r\n",
        "x".repeat(2 * HEAD_BYTES_MAX)
    );
    for answer in [
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        &many,
        &long,
    ] {
        let failure = read(answer, Then::Close).await.unwrap_err();
        assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
        assert_eq!(failure.sent(), Sent::Maybe);
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let listener = Listener::answering(answer, Then::Close).await;
    let egress = to_loopback();
    for _ in 0..5 {
        let body = get(&egress, &listener.url(), &PATIENT)
            .await
            .unwrap()
            .into_body();
        assert_eq!(body.read_to_end(16, PATIENT.idle).await.unwrap(), "{}");
        // Lets the pool see that the server has gone.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(listener.accepted(), 5);
}

#[tokio::test]
async fn a_failure_prints_no_url_and_no_cause() {
    let egress = resolving(Policy::default(), &[&[]]);
    let failure = get(
        &egress,
        "https://upstream.example/?api_key=s3cret",
        &PATIENT,
    )
    .await
    .unwrap_err();
    assert_eq!(failure.to_string(), "the host name could not be resolved");
    assert!(!format!("{failure:?}").contains("s3cret"));
    assert!(std::error::Error::source(&failure).is_some());
}
