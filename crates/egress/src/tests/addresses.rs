//! Which addresses are dialled.

use super::listener::{Listener, Then};
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

fn reason(failure: &Failure) -> Option<&Reason> {
    match failure {
        Failure::Refused(refused) => Some(refused.reason()),
        _ => None,
    }
}

#[tokio::test]
async fn no_spelling_of_loopback_is_dialled() {
    let listener = Listener::answering(OK, Then::Stay).await;
    let egress = Egress::new(Policy::default()).unwrap();
    let hosts = "127.0.0.1 2130706433 0x7f000001 0x7f.1 017700000001 127.1 0 0.0.0.0 localhost
        localhost. x.localhost [::ffff:127.0.0.1] [::ffff:7f00:1] [::1] [::127.0.0.1] 127.0.0.1.
        a@127.0.0.1 [64:ff9b::7f00:1]";
    for host in hosts.split_whitespace() {
        let url = format!("http://{host}:{}/mcp", listener.port());
        assert!(egress.check_url(&url).is_err(), "{url}");
        // The connector refuses by itself, whoever wrote the URI.
        let request = Request::get(&url).body(Bytes::new()).unwrap();
        let failure = egress.send(request, &PATIENT).await.unwrap_err();
        assert!(reason(&failure).is_some(), "{url}: {failure:?}");
        assert_eq!(failure.sent(), Sent::Never);
    }
    assert_eq!(listener.accepted(), 0);
}

#[tokio::test]
async fn an_opened_range_is_dialled() {
    let listener = Listener::answering(OK, Then::Stay).await;
    let egress = to_loopback();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "x.localhost",
    ] {
        let url = format!("http://{host}:{}/", listener.port());
        assert_eq!(
            get(&egress, &url, &PATIENT).await.unwrap().status(),
            200,
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_name_with_any_closed_address_is_not_dialled() {
    let listener = Listener::answering(OK, Then::Stay).await;
    let url = format!("https://upstream.example:{}/", listener.port());
    let lists: [&[&str]; 6] = [
        &["127.0.0.1"],
        &["8.8.8.8", "127.0.0.1"],
        &["8.8.8.8", "::1"],
        &["169.254.169.254"],
        &["64:ff9b::7f00:1", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
    ];
    for list in lists {
        let egress = resolving(Policy::default(), &[list]);
        let failure = get(&egress, &url, &PATIENT).await.unwrap_err();
        assert!(
            matches!(reason(&failure), Some(Reason::Address(_))),
            "{list:?}: {failure:?}"
        );
        assert_eq!(failure.sent(), Sent::Never);
    }
    assert_eq!(listener.accepted(), 0);
}

#[tokio::test]
async fn a_metadata_address_is_not_dialled_inside_an_opened_range() {
    let egress = resolving(opened("0.0.0.0/0"), &[&["169.254.169.254"]]);
    let failure = get(&egress, "http://tools/", &PATIENT).await.unwrap_err();
    assert_eq!(
        reason(&failure),
        Some(&Reason::Address("169.254.169.254".parse().unwrap()))
    );
}

#[tokio::test]
async fn every_connection_is_checked_again() {
    let listener = Listener::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        Then::Close,
    )
    .await;
    let egress = resolving(opened(LOOPBACK), &[&["127.0.0.1"], &["169.254.169.254"]]);
    let url = format!("http://tools:{}/", listener.port());
    assert_eq!(get(&egress, &url, &PATIENT).await.unwrap().status(), 200);
    let failure = get(&egress, &url, &PATIENT).await.unwrap_err();
    assert!(
        matches!(reason(&failure), Some(Reason::Address(_))),
        "{failure:?}"
    );
    assert_eq!(listener.accepted(), 1);
}

#[tokio::test]
async fn a_pooled_connection_is_not_resolved_again() {
    let listener = Listener::answering(OK, Then::Stay).await;
    let egress = resolving(opened(LOOPBACK), &[&["127.0.0.1"], &[]]);
    for _ in 0..3 {
        let answer = get(
            &egress,
            &format!("http://tools:{}/", listener.port()),
            &PATIENT,
        )
        .await
        .unwrap();
        answer
            .into_body()
            .read_to_end(64, PATIENT.idle)
            .await
            .unwrap();
    }
    assert_eq!(listener.accepted(), 1);
}

#[tokio::test]
async fn no_address_and_too_many_are_failures() {
    let none = resolving(Policy::default(), &[&[]]);
    let failure = get(&none, "https://upstream.example/", &PATIENT)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Resolve(_)) && failure.sent() == Sent::Never);

    let many = vec!["8.8.8.8"; 200];
    let egress = resolving(Policy::default(), &[&many]);
    let failure = get(&egress, "https://upstream.example/", &PATIENT)
        .await
        .unwrap_err();
    assert_eq!(
        reason(&failure),
        Some(&Reason::TooManyAddresses { max: 32 })
    );
}

#[tokio::test]
async fn plain_http_to_a_name_goes_into_an_opened_range_only() {
    let egress = resolving(opened(LOOPBACK), &[&["8.8.8.8"]]);
    let failure = get(&egress, "http://tools/", &PATIENT).await.unwrap_err();
    assert_eq!(reason(&failure), Some(&Reason::Plaintext));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() {
    let listener = Listener::answering(OK, Then::Stay).await;
    let egress = resolving(opened(LOOPBACK), &[&["127.0.0.2", "127.0.0.1"]]);
    let url = format!("http://tools:{}/", listener.port());
    assert_eq!(get(&egress, &url, &PATIENT).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_a_failed_connection() {
    let (listener, socket) = Listener::bind().await;
    drop(socket);
    let failure = get(&to_loopback(), &listener.url(), &PATIENT)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Connect(_)), "{failure:?}");
    assert_eq!(failure.sent(), Sent::Never);
}

#[tokio::test]
async fn only_the_address_that_was_checked_is_dialled() {
    let listener = Listener::answering(OK, Then::Stay).await;
    let egress = resolving(opened(LOOPBACK), &[&["127.0.0.3"], &["127.0.0.1"]]);
    let failure = get(
        &egress,
        &format!("http://tools:{}/", listener.port()),
        &PATIENT,
    )
    .await
    .unwrap_err();
    assert!(matches!(failure, Failure::Connect(_)), "{failure:?}");
    assert_eq!(listener.accepted(), 0);
}

/// A resolver that never answers.
struct Silent;

impl Resolver for Silent {
    fn resolve(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_deadline_before_the_connection_proves_that_nothing_left() {
    let egress = Egress::with_resolver(Policy::default(), Arc::new(Silent)).unwrap();
    let failure = get(&egress, "https://upstream.example/", &HASTY)
        .await
        .unwrap_err();
    assert!(
        matches!(failure, Failure::ConnectTimeout { .. }),
        "{failure:?}"
    );
    assert_eq!(failure.sent(), Sent::Never);
}

#[tokio::test]
async fn pools_do_not_share_connections_and_do_not_show() {
    let listener = Listener::answering(OK, Then::Stay).await;
    let egress = to_loopback();
    let destination = egress.check_url(&listener.url()).unwrap();
    for pool in [0xa, 0xa, 0xb] {
        let uri = destination.in_pool(pool).uri().clone();
        let answer = egress
            .send(Request::get(uri).body(Bytes::new()).unwrap(), &PATIENT)
            .await
            .unwrap();
        answer
            .into_body()
            .read_to_end(64, PATIENT.idle)
            .await
            .unwrap();
    }
    assert_eq!(listener.accepted(), 2);
    assert!(
        !listener.received().contains('@'),
        "{}",
        listener.received()
    );
    assert!(
        listener
            .received()
            .contains(&format!("host: {}\r\n", listener.address))
    );
}
