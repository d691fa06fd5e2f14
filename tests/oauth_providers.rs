//! Providers as they are: what they answer at the sign-in, in a refresh and instead of a code, and what is made of it
//! wherever one looks.

use std::time::Duration;

use serde_json::{Value, json};
use upstream_fixtures::issuer::{Fault, Switches};

use crate::harness::{Drive, Granted, connected_services, page, says, token_of};

const NOT_EXCHANGED: &str = r#"{"detail":"Could not exchange auth token"}"#;
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const ASKED_SCOPE: &str = "files.read openid";

fn words(content_type: &'static str, text: &str) -> Fault {
    Fault::Words {
        content_type,
        text: text.to_owned(),
    }
}

/// What a token answer gives: whether a refresh token, a life in ms, and scopes.
type Given = (bool, Option<i64>, &'static str);

/// Answers to a code: what it is, `Content-Type`, the words, and what is stored; `None` where it is refused.
const AT_SIGN_IN: &[(&str, &str, &str, Option<Given>)] = &[
    (
        "as the standard has it",
        JSON,
        r#"{"access_token":"AT","refresh_token":"RT","token_type":"Bearer","expires_in":3600,"scope":"a b"}"#,
        Some((true, Some(3_600_000), "a b")),
    ),
    (
        "a life as a text",
        JSON,
        r#"{"access_token":"AT","refresh_token":"RT","token_type":"Bearer","expires_in":"3600"}"#,
        Some((true, Some(3_600_000), ASKED_SCOPE)),
    ),
    (
        "a life with a fraction",
        JSON,
        r#"{"access_token":"AT","token_type":"Bearer","expires_in":59.5}"#,
        Some((false, Some(59_500), ASKED_SCOPE)),
    ),
    (
        "a life beyond all years",
        JSON,
        r#"{"access_token":"AT","token_type":"Bearer","expires_in":1e300}"#,
        Some((false, Some(315_360_000_000), ASKED_SCOPE)),
    ),
    (
        "no life, and nothing to renew it with",
        JSON,
        r#"{"access_token":"AT","expires_in":0,"scope":null,"token_type":"bearer"}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "less than no life, as a text",
        JSON,
        r#"{"access_token":"AT","expires_in":"-1","token_type":"bearer"}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "no life, and a way to the next token",
        JSON,
        r#"{"access_token":"AT","refresh_token":"RT","expires_in":0,"token_type":"bearer"}"#,
        Some((true, Some(0), ASKED_SCOPE)),
    ),
    (
        "a life that is no number",
        JSON,
        r#"{"access_token":"AT","token_type":"bearer","expires_in":"soon"}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "a life that is true",
        JSON,
        r#"{"access_token":"AT","token_type":"bearer","expires_in":true}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "a life by its old name",
        JSON,
        r#"{"access_token":"AT","token_type":"bearer","expires":5184000}"#,
        Some((false, Some(5_184_000_000), ASKED_SCOPE)),
    ),
    (
        "a date by that name",
        JSON,
        r#"{"access_token":"AT","token_type":"bearer","expires":1795219200}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "Entra's first version",
        JSON,
        r#"{"access_token":"AT","refresh_token":"RT","token_type":"Bearer","expires_in":"3599","expires_on":"1388444763","not_before":"1388440863","resource":"x","id_token":null}"#,
        Some((true, Some(3_599_000), ASKED_SCOPE)),
    ),
    (
        "no type",
        JSON,
        r#"{"access_token":"AT","expires_in":60}"#,
        Some((false, Some(60_000), ASKED_SCOPE)),
    ),
    (
        "a type of the provider's own",
        JSON,
        r#"{"ok":true,"access_token":"AT","token_type":"user","scope":"search:read,users:read"}"#,
        Some((false, None, "search:read users:read")),
    ),
    (
        "a bot",
        JSON,
        r#"{"ok":true,"access_token":"AT","token_type":"bot","authed_user":{"id":"U1"}}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "a person's own token one floor down",
        JSON,
        r#"{"ok":true,"app_id":"A","authed_user":{"id":"U1","scope":"search:read","access_token":"AT","token_type":"user","refresh_token":"RT","expires_in":43200}}"#,
        Some((true, Some(43_200_000), "search:read")),
    ),
    (
        "everything one floor down",
        JSON,
        r#"{"code":0,"message":"success","data":{"access_token":"AT","refresh_token":"RT","expires_in":7200}}"#,
        Some((true, Some(7_200_000), ASKED_SCOPE)),
    ),
    (
        "an empty refresh token",
        JSON,
        r#"{"access_token":"AT","refresh_token":"","token_type":"bearer"}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "a refresh token that is no header value",
        JSON,
        r#"{"access_token":"AT","refresh_token":{"token":"RT"},"token_type":"bearer"}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "scopes with commas",
        JSON,
        r#"{"access_token":"AT","scope":"read:user,repo, gist","token_type":"bearer"}"#,
        Some((false, None, "read:user repo gist")),
    ),
    (
        "scopes in a list",
        JSON,
        r#"{"access_token":"AT","scope":["a","b c",7],"token_type":"bearer"}"#,
        Some((false, None, "a b c")),
    ),
    (
        "scopes that are a number",
        JSON,
        r#"{"access_token":"AT","scope":7,"token_type":"bearer"}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "no scope at all",
        JSON,
        r#"{"access_token":"AT","scope":"","token_type":"bearer"}"#,
        Some((false, None, "")),
    ),
    (
        "a form",
        FORM,
        "access_token=AT&scope=repo%2Cgist&token_type=bearer&expires_in=28800&refresh_token=RT",
        Some((true, Some(28_800_000), "repo gist")),
    ),
    (
        "a form that is called a text",
        "text/plain",
        "access_token=AT&scope=&token_type=bearer\n",
        Some((false, None, "")),
    ),
    (
        "JSON that is called a text",
        "text/plain;charset=utf-8",
        r#"{"access_token":"AT","token_type":"bearer"}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "JSON that is called a page, after a byte order mark",
        "text/html",
        "\u{feff} {\"access_token\":\"AT\",\"token_type\":\"bearer\"}\n",
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "JSON within JSON",
        JSON,
        r#""{\"access_token\":\"AT\",\"token_type\":\"bearer\"}""#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "JSON with something after it",
        JSON,
        "{\"access_token\":\"AT\",\"error\":null}\n<!-- 7 ms -->",
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "a scheme before the token",
        JSON,
        r#"{"access_token":"Bearer AT"}"#,
        Some((false, None, ASKED_SCOPE)),
    ),
    (
        "a type that wants a proof",
        JSON,
        r#"{"access_token":"AT","token_type":"DPoP","expires_in":60}"#,
        None,
    ),
    (
        "another type that wants one",
        JSON,
        r#"{"access_token":"AT","token_type":"mac","mac_key":"k"}"#,
        None,
    ),
    (
        "not ok",
        JSON,
        r#"{"ok":false,"error":"invalid_code","access_token":"AT"}"#,
        None,
    ),
    (
        "an error",
        JSON,
        r#"{"error":{"code":"bad_verification_code"}}"#,
        None,
    ),
    (
        "an error in a form",
        FORM,
        "error=bad_verification_code",
        None,
    ),
    (
        "an empty token",
        JSON,
        r#"{"access_token":" ","token_type":"bearer"}"#,
        None,
    ),
    (
        "a token of two lines",
        JSON,
        r#"{"access_token":"A\nB"}"#,
        None,
    ),
    ("a list", JSON, r#"[{"access_token":"AT"}]"#, None),
    ("a page", "text/html", "<p>access_token=AT", None),
    ("nothing", JSON, "", None),
];

#[tokio::test]
async fn a_token_answer_is_understood_however_it_is_written() {
    let world = Drive::start(Switches::default()).await;
    let sign_in = &world.sign_in;
    let (gateway, learner) = (sign_in.gateway(), sign_in.stage.learner.clone());
    let mut granted = 0;
    for (what, content_type, text, expected) in AT_SIGN_IN {
        granted += 1;
        let fault = words(content_type, text);
        sign_in
            .issuer
            .switch(|switches| switches.fault = Some(fault));
        let url = sign_in
            .begin_with(&learner, &format!("?server={}", world.server))
            .await;
        let query = sign_in.consent(&url).await;
        let brought = sign_in.bring(&learner, &query).await;
        let audit = "audit/?action=connected_service.connect&page_size=1";
        let audit = sign_in.stage.admin.get(audit).await.expect(200);
        let outcome = &audit["results"][0]["outcome"];
        let Some((has_refresh_token, life_ms, scope)) = *expected else {
            assert_eq!(brought.brief(), (400, NOT_EXCHANGED.to_owned()), "{what}");
            assert_eq!(sign_in.connected(&learner).await, json!([]), "{what}");
            assert_eq!(outcome, "exchange", "{what}");
            continue;
        };
        let row = brought.expect(200);
        let now = gateway.app.clock.now();
        let end = life_ms.map(|ms| mentor_gateway::clock::UnixMs(now.0 + ms).to_iso());
        let shown = ["expires_at", "scope", "token_type", "needs_reauth"].map(|name| &row[name]);
        assert_eq!(json!(shown), json!([end, scope, "bearer", null]), "{what}");
        assert_eq!(outcome, "ok", "{what}");
        let id = row["id"].as_i64().unwrap();
        let stored = gateway.stored_grant(id).await.unwrap();
        let refresh_token = match has_refresh_token {
            true => format!("rt-{granted}-1"),
            false => String::new(),
        };
        let access_token = format!("at-{granted}-1");
        assert_eq!(
            (stored.access_token, stored.refresh_token),
            (access_token.clone(), refresh_token),
            "{what}"
        );
        if life_ms != Some(0) {
            gateway.advance(Duration::from_secs(2));
            world.call(&learner).await;
            let sent = world.upstream.seen().pop().unwrap();
            let sent = sent.header("authorization").map(str::to_owned);
            assert_eq!(sent, Some(format!("Bearer {access_token}")), "{what}");
        }
        let path = connected_services("bob", &format!("{id}/"));
        assert_eq!(learner.delete(&path).await.status, 204);
    }
}

/// Answers to a refresh token: the words, the refresh token that is kept, and whether the access token ends.
const AT_REFRESH: &[(&str, &str, &str, bool)] = &[
    (
        "numbers as texts",
        r#"{"access_token":"AT","refresh_token":"RT","token_type":"Bearer","expires_in":"3600"}"#,
        "rt-1-2",
        true,
    ),
    (
        "no type and no new refresh token",
        r#"{"access_token":"AT","expires_in":60}"#,
        "rt-1-1",
        true,
    ),
    (
        "an empty refresh token",
        r#"{"access_token":"AT","refresh_token":"","expires_in":60}"#,
        "rt-1-1",
        true,
    ),
    (
        "a form",
        "access_token=AT&refresh_token=RT&expires_in=60",
        "rt-1-2",
        true,
    ),
    (
        "no life",
        r#"{"access_token":"AT","refresh_token":"RT","expires_in":0}"#,
        "rt-1-2",
        false,
    ),
    (
        "a type that it did not have before",
        r#"{"access_token":"AT","refresh_token":"RT","token_type":"mac"}"#,
        "rt-1-2",
        false,
    ),
    (
        "a life, a scope and a type that are none",
        r#"{"access_token":"AT","refresh_token":"RT","token_type":[],"scope":{},"expires_in":"x"}"#,
        "rt-1-2",
        false,
    ),
];

#[tokio::test]
async fn no_token_of_a_refresh_is_lost_by_what_comes_with_it() {
    for (what, text, refresh_token, ends) in AT_REFRESH {
        let switches = Switches {
            fault: Some(words("text/plain", text)),
            ..Switches::default()
        };
        let world = Granted::start(switches, -1).await;
        assert_eq!(token_of(&world.call().await), "Bearer at-1-2", "{what}");
        let stored = world.stored().await;
        assert_eq!(stored.access_token, "at-1-2", "{what}");
        assert_eq!(stored.refresh_token, *refresh_token, "{what}");
        assert_eq!(stored.needs_reauth, None, "{what}");
        assert_eq!(world.explained().await, "matched", "{what}");
        let grants = connected_services("bob", "");
        let grants = world.stage.learner.get(&grants).await.expect(200);
        assert_eq!(grants[0]["expires_at"].is_string(), *ends, "{what}");
        assert_eq!(world.refreshes(), 1, "{what}");
    }
}

/// What a provider says instead of a code, and what that is called in an answer, on the page and in the audit log.
const INSTEAD_OF_A_CODE: &[(&str, &str, &str, &str)] = &[
    (
        "access_denied",
        "Access was not granted",
        "Access was not granted",
        "denied",
    ),
    (
        "user_cancelled_authorize",
        "Access was not granted",
        "Access was not granted",
        "denied",
    ),
    (
        "server_error",
        "The provider had a fault; try again",
        "The service had a fault",
        "provider_fault",
    ),
    (
        "temporarily_unavailable",
        "The provider had a fault; try again",
        "The service had a fault",
        "provider_fault",
    ),
    (
        "consent_required",
        "The provider needs you to sign in or to agree there first",
        "The service needs more from you",
        "unfinished",
    ),
    (
        "login_required",
        "The provider needs you to sign in or to agree there first",
        "The service needs more from you",
        "unfinished",
    ),
    (
        "interaction_required",
        "The provider needs you to sign in or to agree there first",
        "The service needs more from you",
        "unfinished",
    ),
    (
        "invalid_scope",
        "The provider did not accept the request; tell an administrator",
        "The service did not accept the request",
        "request_refused",
    ),
    (
        "invalid_request",
        "The provider did not accept the request; tell an administrator",
        "The service did not accept the request",
        "request_refused",
    ),
    (
        "unauthorized_client",
        "The provider did not accept the request; tell an administrator",
        "The service did not accept the request",
        "request_refused",
    ),
    (
        "a word of their own <script>",
        "The provider did not accept the request; tell an administrator",
        "The service did not accept the request",
        "request_refused",
    ),
    (
        "",
        "The provider did not accept the request; tell an administrator",
        "The service did not accept the request",
        "request_refused",
    ),
];

#[tokio::test]
async fn what_a_provider_says_instead_of_a_code_is_told_apart() {
    let world = Drive::start(Switches::default()).await;
    let sign_in = &world.sign_in;
    let learner = sign_in.stage.learner.clone();
    let browser = world.browser(&learner, "/connections/").await;
    for (error, detail, title, word) in INSTEAD_OF_A_CODE {
        sign_in
            .issuer
            .switch(|switches| switches.answers_error = Some((*error).to_owned()));
        let query = sign_in.consent(&sign_in.begin(&learner).await).await;
        // A browser that asks again hears the same.
        for _ in 0..2 {
            let told = sign_in.bring(&learner, &query).await.expect(400);
            assert_eq!(told, json!({ "detail": detail }), "{error}");
        }
        let question = world.question(&learner).await;
        let answer = world.answer(&browser, &question).await;
        says(&answer, 400, &[*title]);
        assert!(!page(&answer).contains("<script>"), "{error}");
        let path = "audit/?action=connected_service.connect&page_size=2";
        let audit = sign_in.stage.admin.get(path).await.expect(200);
        let rows = audit["results"].as_array().unwrap();
        let outcomes: Vec<&Value> = rows.iter().map(|row| &row["outcome"]).collect();
        assert_eq!(outcomes, [*word, *word], "{error}");
    }
    assert_eq!(sign_in.issuer.asked(), []);
}
