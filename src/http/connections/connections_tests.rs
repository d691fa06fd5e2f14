//! How connections begin, stall and end, over a pipe and a clock that runs by itself.

use std::net::{IpAddr, Ipv4Addr};

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::pace::{IDLE_TIMEOUT, WRITE_STALL};
use super::seats::{CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX};
use super::*;

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Bytes that are on their way before a write has to wait.
const ON_THE_WAY: usize = 1024;

fn connect() -> (DuplexStream, JoinHandle<()>, CancellationToken) {
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/large", get(|| async { "x".repeat(100 * ON_THE_WAY) }));
    let (client, server) = duplex(ON_THE_WAY);
    let stop = CancellationToken::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "the other end, awaited by the test"
    )]
    let serving = tokio::spawn(converse(server, PEER, router, stop.clone()));
    (client, serving, stop)
}

async fn ask(client: &mut DuplexStream) {
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; ON_THE_WAY];
    let read = client.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_cut_off_whether_first_or_later() {
    for requests_before in [0, 1] {
        let (mut client, serving, _stop) = connect();
        for _ in 0..requests_before {
            ask(&mut client).await;
        }
        // Waiting before a request is no slowness.
        tokio::time::advance(HEAD_TIMEOUT * 2).await;
        let began = Instant::now();
        let trickle = async {
            for byte in b"GET / HTTP/1.1\r\nHost: x\r\n".iter().cycle() {
                if client.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            ended = serving => ended.unwrap(),
            () = trickle => {}
        }
        assert_eq!(
            began.elapsed().as_secs(),
            HEAD_TIMEOUT.as_secs(),
            "{requests_before}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_used_ends_after_its_time() {
    let (mut client, serving, _stop) = connect();
    ask(&mut client).await;
    let began = Instant::now();
    serving.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), IDLE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_off() {
    let (mut client, serving, _stop) = connect();
    client
        .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let began = Instant::now();
    serving.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), WRITE_STALL.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_everything() {
    let (mut client, _serving, _stop) = connect();
    client
        .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let (mut got, mut piece) = (0, [0; ON_THE_WAY / 2]);
    loop {
        tokio::time::sleep(WRITE_STALL / 2).await;
        match client.read(&mut piece).await.unwrap() {
            0 => break,
            read => got += read,
        }
    }
    assert!(got > 100 * ON_THE_WAY, "{got}");
}

#[tokio::test(start_paused = true)]
async fn a_drained_connection_ends_when_it_has_answered() {
    let (mut client, serving, stop) = connect();
    ask(&mut client).await;
    stop.cancel();
    let began = Instant::now();
    serving.await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[test]
fn an_address_has_its_part_of_the_connections_and_a_trusted_proxy_all() {
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let seats = Seats::new(vec!["10.0.0.0/24".parse().unwrap()]);
    let take = |address: IpAddr, count: usize| -> Vec<_> {
        std::iter::from_fn(|| Seats::take(&seats, address))
            .take(count)
            .collect()
    };
    let one = take(PEER.ip(), usize::MAX);
    assert_eq!(one.len(), CONNECTIONS_PER_ADDRESS_MAX);
    let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    assert!(
        Seats::take(&seats, mapped).is_none(),
        "the same address, spelled differently"
    );
    let rest = take(proxy, usize::MAX);
    assert_eq!(rest.len(), CONNECTIONS_MAX - CONNECTIONS_PER_ADDRESS_MAX);
    drop(one);
    assert_eq!(take(PEER.ip(), 1).len(), 1);
}
