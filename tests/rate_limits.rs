//! Rate limits: what one key, one person and one tenant may make of it, alone and over several replicas.
//!
//! The replicas share a real Redis where `TEST_REDIS_URL` names one, which `.ci/run redis` does after starting it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderMap;
use mentor_gateway::auth::Caller;
use mentor_gateway::auth::token::{Environment, TokenId, TokenKind};
use mentor_gateway::clock::{Clock, Stopwatch, UnixMs, random_hex};
use mentor_gateway::http::rate_limit::{write_refusal, write_standing};
use mentor_gateway::rate_limit::{Charges, Limiter, Rate, v1, v2};
use mentor_gateway::tenant::user::{Role, User, UserId};
use mentor_gateway::tenant::{Tenant, TenantId};

use crate::harness::{closed_address, eventually};

const START: UnixMs = UnixMs(1_795_219_200_000);

fn caller(tenant: i64, user: i64, key: i64) -> Caller {
    let user = Arc::new(User {
        id: UserId(user),
        tenant_id: TenantId(tenant),
        username: format!("user{user}"),
        email: String::new(),
        role: Role::Learner,
        is_active: true,
    });
    Caller {
        tenant: Arc::new(Tenant {
            id: TenantId(tenant),
            key: format!("tenant{tenant}"),
            name: String::new(),
        }),
        actor: user.clone(),
        user,
        token: Some(TokenId(key)),
        kind: TokenKind::Mcp,
        environment: Environment::Live,
        scopes: Arc::new([]),
        peer: None,
        session_ends_at: None,
    }
}

fn alone() -> (Limiter, Clock) {
    let clock = Clock::manual(START);
    (Limiter::new(None, 1, clock.clone()).unwrap(), clock)
}

/// How many of so many requests at once are admitted.
async fn admitted(limiter: &Limiter, charges: &Charges, requests: usize) -> usize {
    let verdicts = join_all((0..requests).map(|_| limiter.admit(charges))).await;
    verdicts.iter().filter(|verdict| verdict.is_ok()).count()
}

/// Headers by name, sorted.
fn told(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut told: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    told.sort_unstable();
    told
}

#[tokio::test]
async fn a_burst_takes_ten_places_and_a_minute_sixty() {
    let (limiter, clock) = alone();
    let charges = v1(&caller(1, 1, 1));
    let mut total = 0;
    for second in 0..6 {
        total += admitted(&limiter, &charges, 200).await;
        assert_eq!(total, 10 * (second + 1));
        clock.advance(Duration::from_secs(1));
    }
    clock.advance(Duration::from_millis(53_999));
    assert_eq!(
        admitted(&limiter, &charges, 200).await,
        0,
        "59.999 s after the first"
    );
    clock.advance(Duration::from_millis(1));
    assert_eq!(admitted(&limiter, &charges, 200).await, 10);
}

#[tokio::test]
async fn every_answer_says_how_the_allowance_stands() {
    let (limiter, clock) = alone();
    let charges = v2(&caller(1, 1, 1), "bookings:write");
    let mut headers = HeaderMap::new();
    write_standing(&mut headers, &limiter.admit(&charges).await.unwrap());
    assert_eq!(
        told(&headers),
        [
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "9"),
            ("x-ratelimit-reset", "1795219260"),
            ("x-ratelimit-scope", "bookings:write"),
        ]
    );
    clock.advance(Duration::from_secs(18));
    for _ in 0..3 {
        assert_eq!(admitted(&limiter, &charges, 9).await, 3);
        clock.advance(Duration::from_secs(1));
    }
    let refused = limiter.admit(&charges).await.unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(39));
    clock.advance(Duration::from_millis(200));
    let mut headers = HeaderMap::new();
    write_refusal(&mut headers, &limiter.admit(&charges).await.unwrap_err());
    assert_eq!(
        told(&headers),
        [
            ("retry-after", "39"),
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795219260"),
            ("x-ratelimit-scope", "bookings:write"),
        ]
    );
}

#[tokio::test]
async fn each_scope_has_the_tier_of_the_document() {
    let person = caller(1, 1, 1);
    for (scope, max, burst, name) in [
        ("enrollments:read", 60, 10, "enrollments:read"),
        ("chat:write", 20, 5, "chat:write"),
        ("admin:email", 120, 20, "admin:*"),
        ("admin:cohorts", 120, 20, "admin:*"),
        ("materials:read", 30, 10, "materials:read"),
        ("bookings:write", 10, 3, "bookings:write"),
        ("bookings:read", 60, 10, "bookings:read"),
    ] {
        let (limiter, clock) = alone();
        let charges = v2(&person, scope);
        let standing = limiter.admit(&charges).await.unwrap();
        assert_eq!(
            (standing.rate, standing.scope),
            (Rate::per_minute(max, burst), name)
        );
        let mut total = 1;
        for _ in 0..59 {
            clock.advance(Duration::from_secs(1));
            total += admitted(&limiter, &charges, 200).await;
        }
        assert_eq!(
            total, max as usize,
            "{scope}: every place of the minute can be used, and no more"
        );
    }
}

#[tokio::test]
async fn the_chat_counts_per_person_and_the_rest_per_key() {
    let (limiter, _) = alone();
    let (first, second) = (caller(1, 1, 1), caller(1, 1, 2));
    assert_eq!(admitted(&limiter, &v2(&first, "chat:write"), 9).await, 5);
    assert_eq!(admitted(&limiter, &v2(&second, "chat:write"), 9).await, 0);
    assert_eq!(
        admitted(&limiter, &v2(&first, "enrollments:read"), 19).await,
        10
    );
    assert_eq!(
        admitted(&limiter, &v2(&second, "enrollments:read"), 19).await,
        10
    );
}

#[tokio::test]
async fn more_keys_scopes_and_people_get_no_further_than_the_ceilings() {
    let (limiter, clock) = alone();
    let mut total = 0;
    for second in 0..60 {
        for key in 0..10 {
            total += admitted(&limiter, &v1(&caller(1, 1, 10 * second + key)), 10).await;
        }
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(total, 240, "one person with 600 keys");
    let refused = limiter.admit(&v1(&caller(1, 1, 0))).await;
    assert!(refused.is_ok(), "the minute of the first burst is over");

    let mut total = 0;
    for person in 2..1_000 {
        total += admitted(&limiter, &v1(&caller(1, person, person)), 10).await;
    }
    assert_eq!(
        total, 599,
        "one tenant in one second; one place went to the request before"
    );
    let refused = limiter.admit(&v1(&caller(1, 1_000, 1))).await.unwrap_err();
    assert_eq!(refused.standing.scope, "tenant");
    assert_eq!(
        admitted(&limiter, &v1(&caller(2, 5_000, 5_000)), 11).await,
        10,
        "another tenant"
    );
}

#[tokio::test]
async fn a_refused_request_counts_nowhere() {
    let (limiter, clock) = alone();
    let (mine, other) = (caller(1, 1, 1), caller(1, 1, 2));
    assert_eq!(admitted(&limiter, &v1(&mine), 1_000).await, 10);
    assert_eq!(
        admitted(&limiter, &v1(&other), 1_000).await,
        10,
        "the person's ceiling has room"
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(admitted(&limiter, &v1(&mine), 1_000).await, 10);
}

#[tokio::test]
async fn without_redis_each_replica_allows_its_share() {
    let gone = format!("redis://{}/", closed_address().await);
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("redis://{}/", silent.local_addr().unwrap());
    for url in [gone, slow] {
        let clock = Clock::manual(START);
        let limiter = Limiter::new(Some(&url), 3, clock.clone()).unwrap();
        let charges = v1(&caller(1, 1, 1));
        let watch = Stopwatch::start();
        let mut total = 0;
        for _ in 0..3 {
            total += admitted(&limiter, &charges, 50).await;
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(total, 20, "a third of sixty");
        assert!(
            watch.elapsed() < Duration::from_secs(2),
            "nobody waits for it"
        );
        let mut headers = HeaderMap::new();
        write_refusal(&mut headers, &limiter.admit(&charges).await.unwrap_err());
        assert_eq!(headers["x-ratelimit-degraded"], "1");
        assert_eq!(headers["x-ratelimit-limit"], "20");
    }
}

#[test]
fn a_wrong_redis_url_is_refused_at_once() {
    let refused = Limiter::new(Some("http://127.0.0.1/"), 1, Clock::default());
    assert!(refused.is_err());
}

/// The URL of a Redis, if one runs; says so if it does not.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to be told"
)]
fn redis_url() -> Option<String> {
    let url = std::env::var("TEST_REDIS_URL")
        .ok()
        .filter(|url| !url.is_empty());
    if url.is_none() {
        // Not `eprintln!`, which the test runner keeps to itself when the test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: TEST_REDIS_URL names no Redis");
    }
    url
}

/// One test: it empties and stops the Redis that it is given.
#[tokio::test]
async fn replicas_share_one_count_in_redis_and_outlive_it() {
    let Some(url) = redis_url() else { return };
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let replicas: Vec<Limiter> = (0..3)
        .map(|_| Limiter::new(Some(&url), 3, Clock::default()).unwrap())
        .collect();
    // Numbers that no run before used.
    let number = i64::from_str_radix(&random_hex::<6>(), 16).unwrap();
    let person = caller(number, number, number);

    // A busy machine may need more than one attempt to connect.
    for limiter in &replicas {
        let probe = v1(&caller(number, number + 2, number + 2));
        eventually("a connection to Redis", async || {
            let standing = limiter.admit(&probe).await.ok()?;
            (!standing.is_degraded).then_some(())
        })
        .await;
    }
    let _: String = redis::cmd("FLUSHALL")
        .query_async(&mut redis)
        .await
        .unwrap();

    let mut charges = v1(&person);
    charges[0].rate = Rate::per_minute(20, 20);
    let all = join_all(
        replicas
            .iter()
            .map(|limiter| admitted(limiter, &charges, 40)),
    )
    .await;
    assert_eq!(all.iter().sum::<usize>(), 20, "{all:?}");
    let refused = replicas[0].admit(&charges).await.unwrap_err();
    assert_eq!(
        (refused.standing.remaining, refused.standing.is_degraded),
        (0, false)
    );
    assert!((1..=60).contains(&refused.retry_after_s()), "{refused:?}");

    let pattern = format!("mentor-gateway:limit:{{{number}}}*");
    let mut names: Vec<String> = redis::cmd("KEYS")
        .arg(&pattern)
        .query_async(&mut redis)
        .await
        .unwrap();
    names.sort();
    let expected = ["key:N:v1", "tenant", "user:N:user"];
    let expected = expected
        .map(|name| format!("mentor-gateway:limit:{{N}}:{name}").replace('N', &number.to_string()));
    assert_eq!(names, expected, "numbers, never keys");
    for name in &names {
        let ttl: i64 = redis::cmd("PTTL")
            .arg(name)
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!((1..=60_000).contains(&ttl), "{name} lives for {ttl} ms");
    }

    // A clock that was set back: what lies in the future counts as now.
    let mut add = redis::cmd("ZADD");
    add.arg(&names[2])
        .arg(9_999_999_999_999_i64)
        .arg("from-the-future");
    let _: i64 = add.query_async(&mut redis).await.unwrap();
    let ahead = |verdict: Result<_, mentor_gateway::rate_limit::Refused>| {
        verdict.unwrap_err().retry_after_s()
    };
    assert!(ahead(replicas[1].admit(&charges).await) <= 60);

    // Scripts and counts are gone: it counts anew, and still counts.
    let _: String = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query_async(&mut redis)
        .await
        .unwrap();
    let _: String = redis::cmd("FLUSHALL")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(admitted(&replicas[2], &charges, 30).await, 20);
    assert_eq!(admitted(&replicas[0], &charges, 30).await, 0);

    // It takes no command for two seconds: each replica has its share, and says so.
    let mut pause = redis::cmd("CLIENT");
    pause.arg("PAUSE").arg(2_000);
    let _: String = pause.query_async(&mut redis).await.unwrap();
    let mut others = v1(&caller(number, number + 1, number + 1));
    others[0].rate = Rate::per_minute(20, 20);
    let watch = Stopwatch::start();
    assert_eq!(
        admitted(&replicas[0], &others, 30).await,
        6,
        "a third of twenty"
    );
    assert!(watch.elapsed() < Duration::from_secs(1));
    assert!(
        replicas[0]
            .admit(&others)
            .await
            .unwrap_err()
            .standing
            .is_degraded
    );

    // It answers again: so does the common count.
    eventually("the common count", async || {
        let verdict = replicas[0].admit(&charges).await;
        verdict
            .is_err_and(|refused| !refused.standing.is_degraded)
            .then_some(())
    })
    .await;
}
