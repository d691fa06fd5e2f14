//! Grants that are kept fresh: one request whoever asks, nothing lost, and a reason where a person must sign in again.

use std::time::Duration;

use mentor_gateway::oauth::{Ask, Refreshed};
use mentor_gateway::sql;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use upstream_fixtures::issuer::{AuthorizationServer, CLIENT_ID, Fault, Pair, Rotation, Switches};
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::harness::{Client, Mcp, Reply, Stage, Stored, THINKING, eventually, names};

/// Callers at each of two processes.
const CALLERS: usize = 50;
/// Races that a plain test run does; `REFRESH_RACES` names another number.
const RACES: usize = 10;

/// `bob` signed in to a server of the mentor, with a token that ends in so many seconds.
struct World {
    stage: Stage,
    issuer: AuthorizationServer,
    upstream: Upstream,
    server: i64,
    grant: i64,
    pair: Pair,
}

async fn world(switches: Switches, ends_in_s: i64) -> World {
    let stage = Stage::start().await;
    let issuer = AuthorizationServer::start(switches).await.unwrap();
    let upstream = Upstream::start(Behaviour::stateless()).await.unwrap();
    let fields = json!({ "auth_type": "oauth2", "auth_scope": "user" });
    let server = stage.register("Up", &upstream, fields).await;
    stage.attach(&[server]).await;
    let pair = issuer.grant(CLIENT_ID);
    let ends = stage.gateway.seconds_from_now(ends_in_s);
    let grant = stage.gateway.signed_in(&issuer, "bob", &pair, ends).await;
    let connection = json!({ "scope": "user", "auth_type": "oauth2", "connected_service": grant });
    stage.connect(server, connection).await;
    World {
        stage,
        issuer,
        upstream,
        server,
        grant,
        pair,
    }
}

impl World {
    async fn call(&self) -> Reply {
        self.stage.modern().call("up__whoami", json!({})).await
    }

    async fn refresh(&self, ask: Ask) -> Refreshed {
        let refresher = &self.stage.gateway.app.gateway.refresher;
        refresher.refresh(self.grant, ask).await
    }

    async fn stored(&self) -> Stored {
        self.stage.gateway.stored_grant(self.grant).await.unwrap()
    }

    async fn set(&self, change: impl AsyncFnOnce(&mut mentor_gateway::storage::Tx, i64)) {
        let mut tx = self.stage.gateway.app.db.write().await.unwrap();
        change(&mut tx, self.grant).await;
        tx.commit().await.unwrap();
    }

    fn refreshes(&self) -> usize {
        self.issuer.asked_for("refresh_token")
    }

    async fn asked(&self, times: usize) {
        eventually("a refresh", async || {
            (self.refreshes() == times).then_some(())
        })
        .await;
    }

    /// Ends the background work of the gateway in this process: its clock stands days behind that of processes, and
    /// leases are for replicas whose clocks agree within seconds.
    fn leave_to_processes(&self) {
        self.stage.gateway.app.tasks.stop.cancel();
    }

    /// A refresh whose answer the issuer holds back.
    async fn held(&self) -> tokio::task::JoinHandle<Refreshed> {
        self.issuer.switch(|switches| switches.holds = true);
        let refresher = self.stage.gateway.app.gateway.refresher.clone();
        let grant = self.grant;
        #[expect(clippy::disallowed_methods, reason = "it is awaited by the test")]
        let refreshing = tokio::spawn(async move { refresher.refresh(grant, Ask::Call).await });
        self.asked(1).await;
        refreshing
    }

    async fn let_go(&self, refreshing: tokio::task::JoinHandle<Refreshed>) -> Refreshed {
        self.issuer.switch(|switches| switches.holds = false);
        refreshing.await.unwrap()
    }

    /// What the explain endpoint says of the person's own step.
    async fn explained(&self) -> Value {
        let path = format!("mcp-servers/{}/resolve/?user=bob", self.server);
        let explained = self.stage.admin.get(&path).await.expect(200);
        explained["steps"][0]["outcome"].clone()
    }
}

fn fresh(access_token: &str, refresh_token: &str, version: i64) -> Stored {
    Stored {
        access_token: access_token.into(),
        refresh_token: refresh_token.into(),
        version,
        needs_reauth: None,
        refresh_failure: String::new(),
    }
}

fn token_of(reply: &Reply) -> Value {
    reply.result()["structuredContent"]["headers"]["authorization"].clone()
}

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
    let world = world(
        Switches {
            delay: THINKING,
            ..Switches::default()
        },
        3600,
    )
    .await;
    world.leave_to_processes();
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
    let world = world(Switches::default(), -1).await;
    world.leave_to_processes();
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
    assert!(!reply.answer().to_string().contains("Bearer"));
    let stored = world.stored().await;
    assert_eq!(stored.needs_reauth.as_deref(), Some("interrupted"));
    assert_eq!(stored.refresh_token, world.pair.refresh_token);
    assert_eq!(world.explained().await, "needs_reauth");

    let carol = gateway.client("acme", "carol").await;
    let there = Client::new(&address, "acme", "carol", carol.key.clone());
    let mcp = Mcp::modern(&there, world.stage.mentor_path());
    let reply = mcp.call("up__whoami", json!({})).await;
    assert_eq!(token_of(&reply), "Bearer at-2-2");
}

#[tokio::test]
async fn tokens_are_refreshed_before_they_end_and_not_again() {
    let world = world(Switches::default(), 3600).await;
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
    let world = world(Switches::default(), 3600).await;
    let refresher = &world.stage.gateway.app.gateway.refresher;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    world.stage.gateway.advance(hours(48));
    assert_eq!(refresher.sweep().await.unwrap(), 0);
    world.stage.gateway.advance(hours(6 * 24));
    assert_eq!(refresher.sweep().await.unwrap(), 1);
    assert_eq!(world.stored().await.version, 2);
}

#[tokio::test]
async fn a_call_with_an_ended_token_waits_for_the_new_one() {
    for (rotation, refresh_token) in [(Rotation::Strict, "rt-1-2"), (Rotation::Keep, "rt-1-1")] {
        let switches = Switches {
            rotation,
            ..Switches::default()
        };
        let world = world(switches, -1).await;
        assert_eq!(token_of(&world.call().await), "Bearer at-1-2");
        assert_eq!(world.stored().await, fresh("at-1-2", refresh_token, 2));
        assert_eq!(world.explained().await, "matched");
    }
}

#[tokio::test]
async fn a_list_misses_no_server_because_its_token_has_ended() {
    let world = world(Switches::default(), -1).await;
    let listed = world.stage.modern().request("tools/list", json!({})).await;
    let names = names(&listed.result()["tools"]);
    assert!(names.contains(&"up__whoami".to_owned()), "{names:?}");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_a_token_before_its_end_gets_a_new_one_once() {
    let world = world(Switches::default(), 1800).await;
    let new = Some("Bearer at-1-2".to_owned());
    world.upstream.require_authorization(new);
    assert_eq!(token_of(&world.call().await), "Bearer at-1-2");
    // One that refuses the new token too does not make us ask again and again.
    let never = Some("Bearer never".to_owned());
    world.upstream.require_authorization(never);
    for _ in 0..3 {
        let refused = world.call().await;
        assert_eq!(refused.answer()["error"]["data"]["kind"], "unauthorized");
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_provider_that_fails_costs_no_grant_and_is_left_alone_for_a_while() {
    for fault in [Fault::Status500, Fault::Html, Fault::NoAccessToken] {
        let switches = Switches {
            rotation: Rotation::Grace,
            fault: Some(fault.clone()),
            ..Switches::default()
        };
        let world = world(switches, -1).await;
        for _ in 0..3 {
            let failed = world.call().await;
            let error = &failed.answer()["error"];
            assert_eq!(error["data"]["kind"], "no_connection", "{fault:?}");
            let text = error["message"].as_str().unwrap();
            assert!(text.contains("try again in a minute"), "{text}");
        }
        assert_eq!(world.refreshes(), 1, "{fault:?}");
        let stored = world.stored().await;
        assert_eq!(stored.needs_reauth, None, "{fault:?}");
        assert_eq!(stored.refresh_token, "rt-1-1", "{fault:?}");
        assert_eq!(world.explained().await, "token_expired", "{fault:?}");

        world.issuer.switch(|switches| switches.fault = None);
        world.stage.gateway.advance(Duration::from_secs(6));
        assert_eq!(
            world.refresh(Ask::Call).await,
            Refreshed::Fresh,
            "{fault:?}"
        );
        assert_eq!(world.stored().await.refresh_failure, "");
    }
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
        let world = world(switches, -1).await;
        assert_eq!(world.refresh(Ask::Call).await, Refreshed::Later);
        world.stage.gateway.advance(Duration::from_secs(6));
        assert_eq!(world.refresh(Ask::Call).await, end);
        let reason = world.stored().await.needs_reauth;
        let expected = (end == Refreshed::NeedsReauth).then_some("interrupted");
        assert_eq!(reason.as_deref(), expected);
    }
}

#[tokio::test]
async fn a_revoked_grant_stays_and_says_why_wherever_one_looks() {
    let world = world(Switches::default(), -1).await;
    world.issuer.revoke_all();
    let refused = world.call().await;
    let text = refused.answer().to_string();
    assert!(
        text.contains("needs you to connect your own account"),
        "{text}"
    );
    let stored = world.stored().await;
    assert_eq!(stored.needs_reauth.as_deref(), Some("revoked"));
    assert_eq!(stored.refresh_token, "rt-1-1");
    assert_eq!(world.explained().await, "needs_reauth");
    let page = world.stage.admin.get("mcp-server-connections/").await;
    let summary = &page.expect(200)["results"][0]["connected_service_summary"];
    assert_eq!(summary["needs_reauth"], "revoked");
    assert_eq!(
        summary["needs_reauth_reason"],
        "The provider ended the sign-in; sign in again."
    );
    // Nobody asks again.
    world.call().await;
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_grant_given_back_while_it_is_refreshed_stays_gone() {
    let world = world(Switches::default(), -1).await;
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
    let world = world(Switches::default(), -1).await;
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
    let world = world(Switches::default(), -1).await;
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
    let world = world(switches, -1).await;
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
    let world = world(Switches::default(), -1).await;
    let refreshing = world.held().await;
    refreshing.abort();
    world.issuer.switch(|switches| switches.holds = false);
    let is_stored = async || (world.stored().await.version == 2).then_some(());
    eventually("the new tokens", is_stored).await;
    assert_eq!(world.stored().await, fresh("at-1-2", "rt-1-2", 2));
}

#[tokio::test]
async fn a_grant_of_another_client_is_not_shown_to_the_provider() {
    let world = world(Switches::default(), -1).await;
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

#[tokio::test]
async fn a_provider_that_hangs_holds_up_nobody_but_its_own_server() {
    let world = world(Switches::default(), -1).await;
    let other = Upstream::start(Behaviour::stateless()).await.unwrap();
    let other = world.stage.register("Other", &other, json!({})).await;
    world.stage.attach(&[world.server, other]).await;
    let refreshing = world.held().await;
    let reply = world.stage.modern().call("other__whoami", json!({})).await;
    assert_eq!(reply.status, 200);
    assert!(reply.result()["structuredContent"].is_object());
    world.let_go(refreshing).await;
}

#[tokio::test]
async fn a_call_that_lacks_a_scope_asks_its_person_for_it_and_not_for_another_token() {
    let world = world(Switches::default(), 1800).await;
    let lacking = Ill::LacksScope {
        scope: "files:write".into(),
    };
    world.call().await;
    world
        .upstream
        .fall_ill(Some(Illness::new(lacking).on("tools/call")));
    let asked = world.call().await;
    let text = asked.answer().to_string();
    assert!(text.contains("/connect/"), "{text}");
    let mut tx = world.stage.gateway.app.db.read().await.unwrap();
    let scopes = sql!(
        &mut tx,
        scalar as String,
        "SELECT scope FROM sign_in_prompts"
    );
    assert_eq!(scopes.unwrap(), "files:write");
    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn the_use_of_a_grant_is_noted() {
    let world = world(Switches::default(), 1800).await;
    world.call().await;
    let now = world.stage.gateway.app.clock.now();
    let is_noted = async || {
        let mut tx = world.stage.gateway.app.db.read().await.unwrap();
        let used = sql!(
            &mut tx,
            scalar as Option<i64>,
            "SELECT last_used_at FROM connected_services WHERE id = $1",
            world.grant
        );
        (used.unwrap() == Some(now.0)).then_some(())
    };
    eventually("the use of the grant", is_noted).await;
}
