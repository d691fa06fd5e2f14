//! Grants that are refreshed: one request whoever asks, at whatever replica, and nothing lost.

use std::time::Duration;

use mentor_gateway::oauth::{Ask, Refreshed};
use mentor_gateway::sql;
use serde_json::json;
use tokio::task::JoinSet;
use upstream_fixtures::issuer::{CLIENT_ID, Fault, Rotation, Switches};

use crate::harness::{Client, Granted, Mcp, THINKING, eventually, fresh, token_of};

/// Callers at each of two processes.
const CALLERS: usize = 50;
/// Races that a plain test run does; `REFRESH_RACES` names another number.
const RACES: usize = 10;

#[expect(
    clippy::disallowed_methods,
    reason = "the nightly run has no other way to say that it has time"
)]
fn races() -> usize {
    let asked = std::env::var("REFRESH_RACES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(RACES)
}

#[tokio::test]
async fn a_hundred_callers_at_two_processes_cost_one_refresh_and_all_succeed() {
    let slow = Switches {
        delay: THINKING,
        ..Switches::default()
    };
    let world = Granted::for_processes(slow, 3600).await;
    let gateway = &world.stage.gateway;
    let (first, second) = tokio::join!(gateway.process(), gateway.process());
    for race in 1..=races() {
        let name = format!("racer-{race}");
        let person = gateway.newcomer(&name).await;
        let pair = world.issuer.grant(CLIENT_ID);
        let ended = gateway.seconds_from_now(-1);
        let grant = gateway.signed_in(&world.issuer, &name, &pair, ended).await;
        let connection =
            json!({ "scope": "user", "auth_type": "oauth2", "connected_service": grant });
        world.stage.connect(world.server, connection).await;
        let number = pair.access_token.strip_suffix("-1").unwrap();
        let new = format!("{number}-2");
        world
            .upstream
            .require_authorization(Some(format!("Bearer {new}")));
        let before = world.refreshes();
        let mut callers = JoinSet::new();
        for caller in 0..2 * CALLERS {
            let address = if caller % 2 == 0 { &first.1 } else { &second.1 };
            let there = Client::new(address, "acme", &name, person.key.clone());
            let mcp = Mcp::modern(&there, world.stage.mentor_path());
            callers.spawn(async move { mcp.call("up__whoami", json!({})).await });
        }
        let expected = format!("Bearer {new}");
        for reply in callers.join_all().await {
            assert_eq!(token_of(&reply), expected, "race {race}");
        }
        assert_eq!(world.refreshes() - before, 1, "race {race}");
        let stored = gateway.stored_grant(grant).await.unwrap();
        let refresh_token = new.replacen("at", "rt", 1);
        assert_eq!(stored, fresh(&new, &refresh_token, 2), "race {race}");
        assert!(world.issuer.would_refresh(&refresh_token), "race {race}");
    }
}

#[tokio::test]
async fn a_process_killed_with_new_tokens_in_hand_loses_that_grant_and_says_so() {
    let world = Granted::for_processes(Switches::default(), -1).await;
    let gateway = &world.stage.gateway;
    let other = world.issuer.grant(CLIENT_ID);
    let ended = gateway.seconds_from_now(-1);
    let others = gateway
        .signed_in(&world.issuer, "carol", &other, ended)
        .await;
    let connection = json!({ "scope": "user", "auth_type": "oauth2", "connected_service": others });
    world.stage.connect(world.server, connection).await;

    world.issuer.switch(|switches| switches.holds = true);
    let (mut first, address) = gateway.process().await;
    let key = world.stage.learner.key.clone();
    let there = Client::new(&address, "acme", "bob", key.clone());
    let mcp = Mcp::modern(&there, world.stage.mentor_path());
    let message = mcp.message(
        Some(1.into()),
        "tools/call",
        json!({ "name": "up__whoami" }),
    );
    let request = mcp.post(&message);
    let mut calls = JoinSet::new();
    calls.spawn(async move { request.send().await.is_ok() });
    world.asked(1).await;
    // The row is locked, so that the tokens come and cannot be stored.
    let mut lock = gateway.app.db.write().await.unwrap();
    let locked = sql!(
        &mut lock,
        execute,
        "UPDATE connected_services SET lease_until = 0 WHERE id = $1",
        world.grant
    );
    assert_eq!(locked.unwrap(), 1);
    world.issuer.switch(|switches| switches.holds = false);
    let used_up = async || (!world.issuer.would_refresh(&world.pair.refresh_token)).then_some(());
    eventually("the new tokens", used_up).await;
    first.kill().await.unwrap();
    assert_eq!(calls.join_all().await, [false]);
    // The lease runs out.
    lock.commit().await.unwrap();

    let (_second, address) = gateway.process().await;
    let there = Client::new(&address, "acme", "bob", key);
    let mcp = Mcp::modern(&there, world.stage.mentor_path());
    let reply = mcp.call("up__whoami", json!({})).await;
    let link = &reply.result()["_meta"]["mentor-gateway/sign-in"]["authUrl"];
    assert!(link.as_str().unwrap().contains("/connect/"), "{reply:?}");
    let stored = world.stored().await;
    assert_eq!(stored.needs_reauth.as_deref(), Some("interrupted"));
    let path = "mcp-server-connections/?user=bob";
    let page = world.stage.admin.get(path).await.expect(200);
    let summary = &page["results"][0]["connected_service_summary"];
    assert_eq!(
        summary["needs_reauth_reason"],
        "New tokens were lost before they could be stored, and the provider does not accept the old ones; sign in again."
    );
    assert_eq!(stored.refresh_token, world.pair.refresh_token);
    assert_eq!(world.explained().await, "needs_reauth");

    let carol = gateway.client("acme", "carol").await;
    let there = Client::new(&address, "acme", "carol", carol.key.clone());
    let mcp = Mcp::modern(&there, world.stage.mentor_path());
    let reply = mcp.call("up__whoami", json!({})).await;
    assert_eq!(token_of(&reply), "Bearer at-2-2");
}

#[tokio::test]
async fn a_token_that_ends_five_times_is_replaced_five_times_and_no_call_fails() {
    let world = Granted::start(Switches::default(), 3600).await;
    for version in 2..=6 {
        world.stage.gateway.advance(Duration::from_secs(3600));
        let reply = world.call().await;
        assert_eq!(token_of(&reply), format!("Bearer at-1-{version}"));
        let tokens = (format!("at-1-{version}"), format!("rt-1-{version}"));
        assert_eq!(world.stored().await, fresh(&tokens.0, &tokens.1, version));
        assert_eq!(world.refreshes(), usize::try_from(version).unwrap() - 1);
    }
}

#[tokio::test]
async fn tokens_are_refreshed_before_they_end_and_not_again() {
    let world = Granted::start(Switches::default(), 3600).await;
    let refresher = &world.stage.gateway.app.gateway.refresher;
    assert_eq!(refresher.sweep().await.unwrap(), 0);
    world.stage.gateway.advance(Duration::from_secs(3600 - 149));
    assert_eq!(refresher.sweep().await.unwrap(), 1);
    assert_eq!(world.stored().await, fresh("at-1-2", "rt-1-2", 2));
    assert_eq!(refresher.sweep().await.unwrap(), 0);
    assert_eq!(world.refreshes(), 1);
    assert_eq!(token_of(&world.call().await), "Bearer at-1-2");
}

#[tokio::test]
async fn grants_that_nobody_uses_are_only_kept_alive() {
    let world = Granted::start(Switches::default(), 3600).await;
    let refresher = &world.stage.gateway.app.gateway.refresher;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    world.stage.gateway.advance(hours(48));
    assert_eq!(refresher.sweep().await.unwrap(), 0);
    world.stage.gateway.advance(hours(6 * 24));
    assert_eq!(refresher.sweep().await.unwrap(), 1);
    assert_eq!(world.stored().await.version, 2);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_named_if_it_was_the_last() {
    let fault = (Some(Fault::LoseAnswer), Some(1));
    for (rotation, end) in [
        (Rotation::Grace, Refreshed::Fresh),
        (Rotation::Strict, Refreshed::NeedsReauth),
    ] {
        let switches = Switches {
            rotation,
            fault: fault.0.clone(),
            fault_times: fault.1,
            ..Switches::default()
        };
        let world = Granted::start(switches, -1).await;
        assert_eq!(world.refresh(Ask::Call).await, Refreshed::Later);
        world.stage.gateway.advance(Duration::from_secs(6));
        assert_eq!(world.refresh(Ask::Call).await, end);
        let reason = world.stored().await.needs_reauth;
        let expected = (end == Refreshed::NeedsReauth).then_some("interrupted");
        assert_eq!(reason.as_deref(), expected);
    }
}

#[tokio::test]
async fn a_grant_given_back_while_it_is_refreshed_stays_gone() {
    let world = Granted::start(Switches::default(), -1).await;
    let refreshing = world.held().await;
    let delete = async |tx: &mut _, id| {
        sql!(
            tx,
            execute,
            "DELETE FROM connected_services WHERE id = $1",
            id
        )
        .unwrap();
    };
    world.set(delete).await;
    assert_eq!(world.let_go(refreshing).await, Refreshed::Impossible);
    assert_eq!(world.stage.gateway.stored_grant(world.grant).await, None);
}

#[tokio::test]
async fn a_sign_in_during_a_refresh_is_not_written_over() {
    let world = Granted::start(Switches::default(), -1).await;
    let refreshing = world.held().await;
    let ends = world.stage.gateway.seconds_from_now(3600);
    let sign_in = async |tx: &mut _, id| {
        sql!(
            tx,
            execute,
            "UPDATE connected_services SET version = 7, expires_at = $2, lease_holder = '', lease_until = 0 WHERE id = $1",
            id,
            ends
        )
        .unwrap();
    };
    world.set(sign_in).await;
    assert_eq!(world.let_go(refreshing).await, Refreshed::Fresh);
    assert_eq!(world.stored().await, fresh("at-1-1", "rt-1-1", 7));
}

#[tokio::test]
async fn tokens_that_come_late_undo_the_verdict_of_whoever_came_between() {
    let world = Granted::start(Switches::default(), -1).await;
    let refreshing = world.held().await;
    // Another replica took over when the lease ran out, and its refresh token was refused.
    let verdict = async |tx: &mut _, id| {
        sql!(
            tx,
            execute,
            "UPDATE connected_services SET needs_reauth = 'revoked', lease_holder = '', lease_until = 0 WHERE id = $1",
            id
        )
        .unwrap();
    };
    world.set(verdict).await;
    assert_eq!(world.let_go(refreshing).await, Refreshed::Fresh);
    assert_eq!(world.stored().await, fresh("at-1-2", "rt-1-2", 2));
}

#[tokio::test]
async fn a_refusal_that_comes_late_does_not_count_against_whoever_has_the_grant_now() {
    let switches = Switches {
        fault: Some(Fault::Error("invalid_grant".into())),
        ..Switches::default()
    };
    let world = Granted::start(switches, -1).await;
    let refreshing = world.held().await;
    let others = async |tx: &mut _, id| {
        sql!(
            tx,
            execute,
            "UPDATE connected_services SET lease_holder = 'another' WHERE id = $1",
            id
        )
        .unwrap();
    };
    world.set(others).await;
    world.issuer.switch(|switches| switches.holds = false);
    let theirs = async |tx: &mut _, id| {
        sql!(
            tx,
            execute,
            "UPDATE connected_services SET version = 2, expires_at = NULL, lease_holder = '' WHERE id = $1",
            id
        )
        .unwrap();
    };
    world.set(theirs).await;
    assert_eq!(refreshing.await.unwrap(), Refreshed::Fresh);
    assert_eq!(world.stored().await.needs_reauth, None);
}

#[tokio::test]
async fn whoever_stops_waiting_stops_nothing() {
    let world = Granted::start(Switches::default(), -1).await;
    let refreshing = world.held().await;
    refreshing.abort();
    world.issuer.switch(|switches| switches.holds = false);
    let is_stored = async || (world.stored().await.version == 2).then_some(());
    eventually("the new tokens", is_stored).await;
    assert_eq!(world.stored().await, fresh("at-1-2", "rt-1-2", 2));
}

#[tokio::test]
async fn a_grant_of_another_client_is_not_shown_to_the_provider() {
    let world = Granted::start(Switches::default(), -1).await;
    let other = async |tx: &mut _, id| {
        sql!(
            tx,
            execute,
            "UPDATE connected_services SET client_id = 'another-client' WHERE id = $1",
            id
        )
        .unwrap();
    };
    world.set(other).await;
    assert_eq!(world.refresh(Ask::Call).await, Refreshed::NeedsReauth);
    assert_eq!(world.refreshes(), 0);
    let reason = world.stored().await.needs_reauth;
    assert_eq!(reason.as_deref(), Some("client_changed"));
}
