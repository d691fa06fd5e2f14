//! Answers of a provider that end in nothing: forged, late, repeated, brought by somebody else, and failures of its own
//! (docs/inside/threats.md#signing-in).

use std::time::Duration;

use mentor_gateway::oauth::flow::{self, Person, Start};
use mentor_gateway::oauth::service;
use mentor_gateway::sql;
use mentor_gateway::tenant::{self, user};
use serde_json::json;
use upstream_fixtures::issuer::{Fault, Iss, Switches};
use url::Url;

use crate::harness::{Gateway, SignIn, connected_services, parameter};

const INVALID_STATE: &str = r#"{"detail":"Invalid state"}"#;
const NOT_EXCHANGED: &str = r#"{"detail":"Could not exchange auth token"}"#;
const OTHER_PERSON: &str = r#"{"detail":"This sign-in was started by another user"}"#;
const OTHER_ISSUER: &str = r#"{"detail":"The answer is not from the provider that was asked"}"#;

fn other(text: &str) -> (u16, String) {
    (400, text.to_owned())
}

#[tokio::test]
async fn a_state_that_is_none_or_over_is_refused_before_anything_is_asked() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let query = sign_in.consent(&sign_in.begin(&learner).await).await;
    let long = format!("code=x&state={}", "s".repeat(4000));
    for bad in [
        "",
        "code=x",
        "code=x&state=",
        "code=x&state=acme:fixture:files:bob:8f0c1f2e-0000-4000-8000-000000000000",
        &query.replace("bob", "carol"),
        &query.replace("acme", "globex"),
        &format!("{query}&state=again"),
        &long,
    ] {
        let answer = sign_in.bring(&learner, bad).await;
        assert_eq!(answer.brief(), other(INVALID_STATE), "{bad}");
    }
    let stranger = sign_in.gateway().stranger().await;
    assert_eq!(
        sign_in.bring(&stranger, &query).await.brief(),
        other(INVALID_STATE)
    );
    sign_in.gateway().advance(flow_life());
    assert_eq!(
        sign_in.bring(&learner, &query).await.brief(),
        other(INVALID_STATE)
    );
    assert_eq!(sign_in.issuer.asked(), []);
}

fn flow_life() -> Duration {
    mentor_gateway::oauth::state::STATE_LIFE
}

#[tokio::test]
async fn of_many_answers_at_once_one_is_taken() {
    let sign_in = SignIn::start(Switches {
        delay: Duration::from_millis(50),
        ..Switches::default()
    })
    .await;
    let learner = sign_in.stage.learner.clone();
    let query = sign_in.consent(&sign_in.begin(&learner).await).await;
    let tries = (0..50).map(|_| sign_in.bring(&learner, &query));
    let answers = futures_util::future::join_all(tries).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 1);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.brief(), other(INVALID_STATE));
    }
    assert_eq!(sign_in.issuer.asked().len(), 1);
    assert_eq!(
        sign_in.bring(&learner, &query).await.brief(),
        other(INVALID_STATE)
    );
}

#[tokio::test]
async fn nobody_ends_what_somebody_else_began() {
    let sign_in = SignIn::start(Switches::default()).await;
    let (learner, admin) = (&sign_in.stage.learner, &sign_in.stage.admin);
    let carol = sign_in.gateway().client("acme", "carol").await;
    let query = sign_in.consent(&sign_in.begin(learner).await).await;
    for person in [&carol, admin, &sign_in.gateway().anonymous()] {
        let answer = sign_in.bring(person, &query).await;
        assert_eq!(answer.brief(), (403, OTHER_PERSON.to_owned()));
    }
    assert_eq!(sign_in.issuer.asked(), []);
    assert_eq!(sign_in.connected(learner).await, json!([]));
    // The rightful owner's answer is still good.
    sign_in.bring(learner, &query).await.expect(200);

    // An admin may begin for somebody, and then either of the two ends it.
    let path = connected_services("bob", "fixture/notes/");
    let url = admin.get(&path).await.expect(200)["auth_url"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let query = sign_in.consent(&url).await;
    let row = sign_in.bring(admin, &query).await.expect(200);
    assert_eq!(row["username"], json!(["bob"]));
    let audit = admin
        .get("audit/?action=connected_service.connect")
        .await
        .expect(200);
    assert_eq!(audit["results"][0]["actor"], "alice");
}

#[tokio::test]
async fn a_sign_in_that_a_browser_began_ends_in_that_browser() {
    let sign_in = SignIn::start(Switches::default()).await;
    let gateway = sign_in.gateway();
    let mut person = bob(gateway).await;
    "browser one".clone_into(&mut person.browser_digest);
    let url = begin_in(gateway, &person).await;
    let query = sign_in.consent(&url).await;
    // The same person with a key, and in another browser.
    let answer = sign_in.bring(&sign_in.stage.learner, &query).await;
    assert_eq!(answer.brief(), (403, OTHER_PERSON.to_owned()));
    let mut elsewhere = person.clone();
    "browser two".clone_into(&mut elsewhere.browser_digest);
    let brought = brought(&query);
    assert!(
        flow::finish(&gateway.app.flow, &brought, Some(&elsewhere))
            .await
            .is_err()
    );
    let finished = flow::finish(&gateway.app.flow, &brought, Some(&person))
        .await
        .unwrap();
    assert_eq!(finished.user, person.user);
}

async fn bob(gateway: &Gateway) -> Person {
    let mut tx = gateway.app.db.read().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let bob = user::get(&mut tx, acme.id, "bob").await.unwrap();
    Person {
        tenant: acme.id,
        user: bob.id,
        username: bob.username,
        token: Some(mentor_gateway::auth::token::TokenId(1)),
        browser_digest: String::new(),
    }
}

async fn begin_in(gateway: &Gateway, person: &Person) -> Url {
    let mut tx = gateway.app.db.read().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let bob = user::get(&mut tx, acme.id, "bob").await.unwrap();
    let files = service::find_by_names(&mut tx, acme.id, ("fixture", "files")).await;
    let files = files.unwrap().unwrap();
    drop(tx);
    let start = Start {
        tenant: &acme,
        user: &bob,
        by: person,
        service: files.service.id,
        server: None,
        prompt_id: None,
        further_scope: "files.write openid",
        redirect_uri: None,
        base_url: &gateway.base,
    };
    let started = flow::start(&gateway.app.flow, &start).await.unwrap();
    let url: Url = started.auth_url.parse().unwrap();
    assert_eq!(parameter(&url, "scope"), "files.read openid files.write");
    url
}

fn brought(query: &str) -> flow::Answer {
    let url: Url = format!("http://x/?{query}").parse().unwrap();
    let secret = |name| mentor_gateway::secret::Secret::new(parameter(&url, name));
    flow::Answer {
        state: secret("state"),
        code: Some(secret("code")),
        error: None,
        issuers: vec![parameter(&url, "iss")],
        redirect_uri: None,
    }
}

#[tokio::test]
async fn an_answer_from_another_issuer_is_refused_before_its_code_is_sent() {
    let sign_in = SignIn::start_with(Switches::default(), "sends_iss = true").await;
    let learner = sign_in.stage.learner.clone();
    let issuer = sign_in.issuer.issuer();
    for (iss, more) in [
        (Iss::Missing, ""),
        (Iss::Wrong(format!("{issuer}/")), ""),
        (Iss::Wrong(issuer.to_uppercase()), ""),
        (Iss::Wrong(issuer.replace("127", "%3127")), ""),
        (Iss::Right, "&iss=https%3A%2F%2Fevil.example"),
        (Iss::Missing, "&error=access_denied&error_description=evil"),
    ] {
        sign_in.issuer.switch(|switches| switches.iss = iss.clone());
        let query = sign_in.consent(&sign_in.begin(&learner).await).await;
        let query = format!("{query}{more}");
        // Three retries of the browser hear the same.
        for _ in 0..4 {
            let answer = sign_in.bring(&learner, &query).await;
            assert_eq!(answer.brief(), other(OTHER_ISSUER), "{iss:?}{more}");
        }
    }
    assert_eq!(sign_in.issuer.asked(), []);
    assert_eq!(sign_in.connected(&learner).await, json!([]));
}

#[tokio::test]
async fn a_refusal_is_told_without_the_providers_words() {
    let sign_in = SignIn::start(Switches {
        denies: true,
        ..Switches::default()
    })
    .await;
    let learner = sign_in.stage.learner.clone();
    let query = sign_in.consent(&sign_in.begin(&learner).await).await;
    let query = format!("{query}&error_description=%3Cscript%3E");
    for _ in 0..4 {
        let answer = sign_in.bring(&learner, &query).await;
        assert_eq!(
            answer.brief(),
            other(r#"{"detail":"Access was not granted"}"#)
        );
    }
    assert_eq!(sign_in.issuer.asked(), []);
}

#[tokio::test]
async fn a_failed_exchange_is_told_again_and_not_tried_again() {
    for fault in [
        Fault::Status500,
        Fault::Html,
        Fault::NoAccessToken,
        Fault::Error("invalid_grant".into()),
        Fault::ErrorWith200("invalid_request".into()),
        Fault::Redirect("https://evil.example/".into()),
        Fault::LoseAnswer,
    ] {
        let sign_in = SignIn::start(Switches {
            fault: Some(fault.clone()),
            fault_times: Some(1),
            ..Switches::default()
        })
        .await;
        let learner = sign_in.stage.learner.clone();
        let query = sign_in.consent(&sign_in.begin(&learner).await).await;
        for _ in 0..4 {
            let answer = sign_in.bring(&learner, &query).await;
            assert_eq!(answer.brief(), other(NOT_EXCHANGED), "{fault:?}");
        }
        assert_eq!(sign_in.issuer.asked().len(), 1, "{fault:?}");
        assert_eq!(sign_in.connected(&learner).await, json!([]), "{fault:?}");
    }
}

#[tokio::test]
async fn the_code_of_another_flow_is_worth_nothing() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let first = sign_in.consent(&sign_in.begin(&learner).await).await;
    let second = sign_in.consent(&sign_in.begin(&learner).await).await;
    let code = |query: &str| {
        let url: Url = format!("http://x/?{query}").parse().unwrap();
        parameter(&url, "code")
    };
    let mixed = first.replace(&code(&first), &code(&second));
    let answer = sign_in.bring(&learner, &mixed).await;
    assert_eq!(answer.brief(), other(NOT_EXCHANGED));
}

#[tokio::test]
async fn a_person_has_only_so_many_sign_ins_under_way() {
    let sign_in = SignIn::start(Switches::default()).await;
    let learner = sign_in.stage.learner.clone();
    let first = sign_in.consent(&sign_in.begin(&learner).await).await;
    for _ in 0..mentor_gateway::oauth::state::STATES_PER_USER_MAX {
        sign_in.gateway().advance(Duration::from_millis(1));
        sign_in.begin(&learner).await;
    }
    assert_eq!(
        sign_in.bring(&learner, &first).await.brief(),
        other(INVALID_STATE)
    );
}

#[tokio::test]
async fn a_token_endpoint_that_may_not_be_reached_gets_no_code() {
    for address in ["https://169.254.169.254/token", "http://10.0.0.1/token"] {
        let sign_in = SignIn::start(Switches::default()).await;
        let learner = sign_in.stage.learner.clone();
        let query = sign_in.consent(&sign_in.begin(&learner).await).await;
        let mut tx = sign_in.gateway().app.db.write().await.unwrap();
        let changed = sql!(
            &mut tx,
            execute,
            "UPDATE oauth_providers SET token_url = $1 WHERE name = 'fixture'",
            address
        );
        assert_eq!(changed.unwrap(), 1);
        tx.commit().await.unwrap();
        for _ in 0..4 {
            let answer = sign_in.bring(&learner, &query).await;
            assert_eq!(answer.brief(), other(NOT_EXCHANGED), "{address}");
        }
        assert_eq!(sign_in.issuer.asked(), []);
        assert_eq!(sign_in.connected(&learner).await, json!([]));
    }
}
