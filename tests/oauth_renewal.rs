//! Calls and lists with a token that has ended, is refused or lacks something: renewed if it can be, else a reason and a
//! way to sign in again.

use std::time::Duration;

use mentor_gateway::oauth::{Ask, Refreshed};
use mentor_gateway::sql;
use serde_json::json;
use upstream_fixtures::issuer::{Fault, Rotation, Switches};
use upstream_fixtures::{Behaviour, Ill, Illness, Upstream};

use crate::harness::{Granted, Reply, eventually, fresh, names, token_of};

#[tokio::test]
async fn a_call_with_an_ended_token_waits_for_the_new_one() {
    for (rotation, refresh_token) in [(Rotation::Strict, "rt-1-2"), (Rotation::Keep, "rt-1-1")] {
        let switches = Switches {
            rotation,
            ..Switches::default()
        };
        let world = Granted::start(switches, -1).await;
        assert_eq!(token_of(&world.call().await), "Bearer at-1-2");
        assert_eq!(world.stored().await, fresh("at-1-2", refresh_token, 2));
        assert_eq!(world.explained().await, "matched");
    }
}

#[tokio::test]
async fn a_list_misses_no_server_because_its_token_has_ended() {
    let world = Granted::start(Switches::default(), -1).await;
    let listed = world.stage.modern().request("tools/list", json!({})).await;
    let names = names(&listed.result()["tools"]);
    assert!(names.contains(&"up__whoami".to_owned()), "{names:?}");
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_a_token_before_its_end_gets_a_new_one_once() {
    let world = Granted::start(Switches::default(), 1800).await;
    let new = Some("Bearer at-1-2".to_owned());
    world.upstream.require_authorization(new);
    assert_eq!(token_of(&world.call().await), "Bearer at-1-2");
    // One that refuses the new token too does not make us ask the provider again and again, but the person.
    let never = Some("Bearer never".to_owned());
    world.upstream.require_authorization(never);
    for _ in 0..3 {
        assert!(asks_to_sign_in(&world.call().await));
    }
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_token_refused_although_it_was_just_refreshed_asks_its_person() {
    let world = Granted::start(Switches::default(), 1800).await;
    let never = Some("Bearer never".to_owned());
    world.upstream.require_authorization(never);
    for _ in 0..4 {
        assert!(asks_to_sign_in(&world.call().await));
        world.stage.gateway.advance(Duration::from_secs(40));
    }
    assert_eq!(world.refreshes(), 1);
    // The next token may be taken again, as after the sign-in that was asked for.
    world
        .upstream
        .require_authorization(Some("Bearer at-1-2".into()));
    assert_eq!(token_of(&world.call().await), "Bearer at-1-2");
}

#[tokio::test]
async fn a_token_refused_right_after_its_sign_in_asks_its_person() {
    for has_refresh_token in [true, false] {
        let world = Granted::start(Switches::default(), 3600).await;
        if !has_refresh_token {
            let forget = async |tx: &mut _, id| {
                sql!(
                    tx,
                    execute,
                    "UPDATE connected_services SET refresh_token_sealed = '' WHERE id = $1",
                    id
                )
                .unwrap();
            };
            world.set(forget).await;
        }
        world
            .upstream
            .require_authorization(Some("Bearer never".into()));
        assert!(asks_to_sign_in(&world.call().await), "{has_refresh_token}");
        assert_eq!(world.refreshes(), 0);
    }
}

fn asks_to_sign_in(reply: &Reply) -> bool {
    let link = &reply.result()["_meta"]["mentor-gateway/sign-in"]["authUrl"];
    link.as_str().is_some_and(|link| link.contains("/connect/"))
}

#[tokio::test]
async fn a_provider_that_fails_costs_no_grant_and_is_left_alone_for_a_while() {
    for fault in [Fault::Status500, Fault::Html, Fault::NoAccessToken] {
        let switches = Switches {
            rotation: Rotation::Grace,
            fault: Some(fault.clone()),
            ..Switches::default()
        };
        let world = Granted::start(switches, -1).await;
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
async fn a_revoked_grant_stays_and_says_why_wherever_one_looks() {
    let world = Granted::start(Switches::default(), -1).await;
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
async fn a_provider_that_hangs_holds_up_nobody_but_its_own_server() {
    let world = Granted::start(Switches::default(), -1).await;
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
    let world = Granted::start(Switches::default(), 1800).await;
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
    let world = Granted::start(Switches::default(), 1800).await;
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

#[tokio::test]
async fn a_refused_token_that_nothing_can_replace_leads_to_a_new_sign_in() {
    for is_renewable in [true, false] {
        let world = Granted::start(Switches::default(), 1800).await;
        let another = Some("Bearer another".to_owned());
        world.upstream.require_authorization(another);
        world.issuer.revoke_all();
        if !is_renewable {
            let forget = async |tx: &mut _, id| {
                sql!(
                    tx,
                    execute,
                    "UPDATE connected_services SET refresh_token_sealed = '' WHERE id = $1",
                    id
                )
                .unwrap();
            };
            world.set(forget).await;
        }
        let asked = world.call().await;
        let link = &asked.result()["_meta"]["mentor-gateway/sign-in"];
        assert_eq!(
            link["message"], "Up needs you to connect your own account first.",
            "{is_renewable}"
        );
        let calls = world.stage.calls_in_audit(1).await;
        assert_eq!(calls[0]["outcome"], "sign_in_needed", "{is_renewable}");
    }
}
