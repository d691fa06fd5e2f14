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
    let serving = tokio::spawn(converse(
        Paced::new(server),
        PEER,
        router,
        (stop.clone(), CancellationToken::new()),
    ));
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

fn seated(seats: &Arc<Seats>, address: IpAddr, count: usize) -> Vec<(seats::Seat, Arc<Pace>)> {
    std::iter::from_fn(|| {
        let (_, pace) = Paced::new(());
        // It has something to say.
        pace.read_something();
        Some((Seats::take(seats, address, &pace)?, pace))
    })
    .take(count)
    .collect()
}

#[tokio::test]
async fn an_address_has_its_part_of_the_connections_and_a_trusted_proxy_all() {
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let seats = Seats::new(vec!["10.0.0.0/24".parse().unwrap()], CONNECTIONS_MAX);
    let take = |address: IpAddr, count: usize| seated(&seats, address, count);
    let one = take(PEER.ip(), usize::MAX);
    assert_eq!(one.len(), CONNECTIONS_PER_ADDRESS_MAX);
    let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    assert!(
        take(mapped, 1).is_empty(),
        "the same address, spelled differently"
    );
    let rest = take(proxy, usize::MAX);
    assert_eq!(rest.len(), CONNECTIONS_MAX - CONNECTIONS_PER_ADDRESS_MAX);
    drop(one);
    assert_eq!(take(PEER.ip(), 1).len(), 1);
}

#[tokio::test]
async fn who_only_waits_goes_before_anybody_is_refused() {
    let seats = Seats::new(Vec::new(), 4);
    let (one, other) = (PEER.ip(), IpAddr::from([10, 0, 0, 1]));
    let of_one = seated(&seats, one, usize::MAX);
    assert_eq!(of_one.len(), 2, "half of all");
    of_one[1].1.await_head();
    let newcomer = seated(&seats, one, 1);
    assert_eq!(newcomer.len(), 1);
    let left = |taken: &[(seats::Seat, Arc<Pace>)]| -> Vec<bool> {
        taken
            .iter()
            .map(|(seat, _)| seat.leave.is_cancelled())
            .collect()
    };
    assert_eq!(
        (left(&of_one), left(&newcomer)),
        (vec![false, true], vec![false])
    );
    assert!(seated(&seats, one, 1).is_empty(), "nobody else waits");
    let of_other = seated(&seats, other, usize::MAX);
    assert_eq!(of_other.len(), 2);
    // Whose place was given away has none to give back.
    drop(of_one);
    let third = seated(&seats, IpAddr::from([10, 0, 0, 2]), usize::MAX);
    assert_eq!(third.len(), 1);
}

/// A request with a body, sent in two pieces, and how the connection goes on.
async fn refused(body: usize, sent: usize, expects: bool) -> (String, bool) {
    let router = Router::new().route("/", get(|| async { "hello" }));
    let (mut client, server) = duplex(1 << 20);
    #[expect(
        clippy::disallowed_methods,
        reason = "the other end, awaited by the test"
    )]
    let serving = tokio::spawn(converse(
        Paced::new(server),
        PEER,
        router,
        (CancellationToken::new(), CancellationToken::new()),
    ));
    let expect = if expects {
        "Expect: 100-continue\r\n"
    } else {
        ""
    };
    let head =
        format!("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: {body}\r\n{expect}\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.write_all(&vec![b'x'; sent]).await.unwrap();
    let mut answer = vec![0; ON_THE_WAY];
    let read = client.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    let says_close = answer.contains("connection: close");
    if !says_close {
        ask(&mut client).await;
    }
    drop(client);
    serving.await.unwrap();
    (answer.lines().next().unwrap().to_owned(), says_close)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_reads_a_small_body_or_says_that_it_closes() {
    for (body, sent, expects, says_close) in [
        (1, 1, false, false),
        (64 * 1024, 64 * 1024, false, false),
        (64 * 1024 + 1, 64 * 1024 + 1, false, true),
        (4 << 20, 1000, false, true),
        // The rest never comes.
        (100, 50, false, true),
        (100, 0, true, true),
    ] {
        let (status, closes) = refused(body, sent, expects).await;
        let case = format!("{body} {sent} {expects}");
        assert_eq!(
            (&*status, closes),
            ("HTTP/1.1 404 Not Found", says_close),
            "{case}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_for_whom_there_is_no_place_is_told_when_to_come_again() {
    let (mut client, server) = duplex(ON_THE_WAY);
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let telling = turned_away::Porter::default().turn_away(server);
    let hearing = async {
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        drop(client);
        heard
    };
    let ((), heard) = tokio::join!(telling, hearing);
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 5"),
        "{head}"
    );
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{heard}"
    );
}
