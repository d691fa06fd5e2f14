//! WebSockets: the handshake, the subprotocol, the caps.

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::listener::{Listener, Then};
use super::*;

/// Echoes messages after choosing `subprotocol`.
async fn echo(subprotocol: Option<&'static str>) -> Listener {
    let (listener, socket) = Listener::bind().await;
    let received = listener.received_by();
    tokio::spawn(async move {
        while let Some(stream) = socket.accept().await {
            let received = Arc::clone(&received);
            #[expect(clippy::result_large_err, reason = "tungstenite's callback")]
            let choose =
                move |request: &Request, mut answer: Response| -> Result<Response, ErrorResponse> {
                    let asked = format!("{} {:?}", request.uri(), request.headers());
                    received.lock().unwrap().extend_from_slice(asked.as_bytes());
                    if let Some(chosen) = subprotocol {
                        answer
                            .headers_mut()
                            .insert("sec-websocket-protocol", HeaderValue::from_static(chosen));
                    }
                    Ok(answer)
                };
            let Ok(socket) = accept_hdr_async(stream, choose).await else {
                continue;
            };
            let (sink, messages) = socket.split();
            let _ = messages.forward(sink).await;
        }
    });
    listener
}

async fn open(listener: &Listener, limits: &Limits) -> Result<WebSocket, Failure> {
    let egress = to_loopback();
    let url = format!("ws://{}/mcp?x=1", listener.address);
    let destination = egress.check_url(&url)?.in_pool(7);
    let headers =
        HeaderMap::from_iter([("x-api-key".parse().unwrap(), HeaderValue::from_static("k"))]);
    egress.websocket(&destination, headers, limits).await
}

#[tokio::test]
async fn messages_go_both_ways() {
    let listener = echo(Some(SUBPROTOCOL)).await;
    let mut socket = open(&listener, &PATIENT).await.unwrap();
    socket.send(Message::text("{}")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("{}"));
    let asked = listener.received();
    let host = format!("\"host\": \"{}\"", listener.address);
    for part in [
        "/mcp?x=1",
        "\"x-api-key\": \"k\"",
        "\"sec-websocket-protocol\": \"mcp\"",
        &host,
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_choose_mcp_is_left() {
    for subprotocol in [None, Some("graphql-ws")] {
        let failure = open(&echo(subprotocol).await, &PATIENT).await.unwrap_err();
        assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
    }
}

/// Answers the handshake by hand, with these header lines.
async fn answering(lines: &'static str) -> Listener {
    let (listener, socket) = Listener::bind().await;
    tokio::spawn(async move {
        while let Some(mut stream) = socket.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let key = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("sec-websocket-key")
                    .then_some(value)
            });
            let accept = derive_accept_key(key.unwrap().as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                 sec-websocket-accept: {accept}\r\n{lines}\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        }
    });
    listener
}

#[tokio::test]
async fn a_handshake_that_gives_more_than_was_asked_for_fails() {
    let plain = answering("sec-websocket-protocol: mcp\r\n").await;
    assert!(open(&plain, &PATIENT).await.is_ok());
    for lines in [
        "sec-websocket-protocol: mcp\r\nsec-websocket-extensions: permessage-deflate\r\n",
        "sec-websocket-protocol: mcp\r\nsec-websocket-extensions: \r\n",
        "sec-websocket-protocol: mcp\r\nsec-websocket-protocol: mcp\r\n",
        "sec-websocket-protocol: mcp\r\nsec-websocket-protocol: graphql-ws\r\n",
        "sec-websocket-protocol: mcp, graphql-ws\r\n",
        "sec-websocket-protocol: MCP\r\n",
        "",
    ] {
        let failure = open(&answering(lines).await, &PATIENT).await.unwrap_err();
        assert!(
            matches!(failure, Failure::Protocol(_)),
            "{lines}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn a_declined_handshake_keeps_its_challenge() {
    let answer =
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n";
    let listener = Listener::answering(answer, Then::Stay).await;
    let Failure::Declined { status, headers } = open(&listener, &PATIENT).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(
        (status.as_u16(), &headers["www-authenticate"]),
        (401, &HeaderValue::from_static("Bearer"))
    );
}

#[tokio::test]
async fn a_redirected_or_silent_handshake_fails() {
    let answer =
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: ws://127.0.0.1/\r\ncontent-length: 0\r\n\r\n";
    let listener = Listener::answering(answer, Then::Stay).await;
    assert!(matches!(
        open(&listener, &PATIENT).await,
        Err(Failure::Redirected { .. })
    ));
    let silent = Listener::answering("", Then::Stay).await;
    assert!(matches!(
        open(&silent, &HASTY).await,
        Err(Failure::HeadersTimeout { .. })
    ));
}

#[tokio::test]
async fn a_message_over_its_cap_is_refused_by_its_header() {
    let (listener, socket) = Listener::bind().await;
    tokio::spawn(async move {
        let stream = socket.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "tungstenite's callback")]
        let choose = |_: &Request, mut answer: Response| -> Result<Response, ErrorResponse> {
            answer
                .headers_mut()
                .insert("sec-websocket-protocol", HeaderValue::from_static("mcp"));
            Ok(answer)
        };
        let mut socket = accept_hdr_async(stream, choose).await.unwrap();
        let mut header = vec![0x81, 127];
        header.extend_from_slice(&(FRAME_BYTES_MAX as u64 + 1).to_be_bytes());
        socket.get_mut().write_all(&header).await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut socket = open(&listener, &PATIENT).await.unwrap();
    let failure = Failure::from(socket.next().await.unwrap().unwrap_err());
    assert!(matches!(failure, Failure::TooLarge { .. }), "{failure:?}");
}

#[tokio::test]
async fn closed_addresses_and_other_schemes_are_not_dialled() {
    let listener = echo(Some(SUBPROTOCOL)).await;
    let egress = resolving(opened("10.0.0.0/8"), &[&["127.0.0.1"]]);
    let open = async |url: String| {
        let destination = egress.check_url(&url)?;
        egress
            .websocket(&destination, HeaderMap::new(), &PATIENT)
            .await
            .map(drop)
    };
    for scheme in ["ws", "wss", "https"] {
        let failure = open(format!("{scheme}://tools:{}/", listener.port()))
            .await
            .unwrap_err();
        assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
    }
    assert_eq!(listener.accepted(), 0);
}
