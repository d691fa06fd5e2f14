//! Pages against other sites, names and addresses that pretend, and whoever guesses keys.

use std::time::Duration;

use mentor_gateway::rate_limit::SIGN_INS_PER_SECOND_MAX;
use serde_json::json;
use upstream_fixtures::issuer::Switches;

use crate::harness::{Browser, CALLBACK, Drive, SignIn, page, says};

#[tokio::test]
async fn a_page_can_be_framed_scripted_and_stored_by_nobody() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let browser = world.browser(&learner, &question).await;
    let query = world.consent(&browser, &question).await;
    for (path, referrer) in [
        ("/sign-in/", "same-origin"),
        ("/connections/", "same-origin"),
        ("/connect/0123456789abcdef0123456789abcdef", "same-origin"),
        (&*format!("{CALLBACK}?{query}"), "no-referrer"),
    ] {
        let answer = browser.get(path).await;
        let headers = [
            ("content-type", "text/html; charset=utf-8"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", referrer),
        ];
        for (name, value) in headers {
            assert_eq!(answer.header(name), Some(value), "{name} of {path}");
        }
        let page = page(&answer);
        assert!(
            !page.contains("<script>") && !page.contains("style=") && !page.contains("javascript:"),
            "{page}"
        );
    }
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let world = Drive::start(Switches::default()).await;
    let learner = world.sign_in.stage.learner.clone();
    let question = world.question(&learner).await;
    let browser = world.browser(&learner, &question).await;
    let row = world.sign_in.connect(&learner).await;
    let disconnect = format!("/connections/{}/disconnect/", row["id"]);
    for origin in ["https://evil.example", "https://app.example", "null", ""] {
        let mut forged = browser.clone();
        forged.origin = origin.to_owned();
        for path in [&*question, &*disconnect, "/sign-out/", "/sign-in/"] {
            assert_eq!(forged.post(path, &[]).await.status, 403, "{origin} {path}");
        }
    }
    assert_eq!(world.sign_in.connected(&learner).await, json!([row]));
    browser.sees("/connections/", 200, &["Fixture Files"]).await;
}

#[tokio::test]
async fn names_that_are_markup_are_shown_as_text() {
    let world = Drive::start(Switches::default()).await;
    let hostile = "\"><script>alert(1)</script>";
    let stage = &world.sign_in.stage;
    stage
        .change_server(world.server, json!({ "name": hostile }))
        .await;
    let learner = stage.learner.clone();
    let question = world.question(&learner).await;
    let browser = world.browser(&learner, &question).await;
    for path in [&*question, "/connections/"] {
        let page = page(&browser.get(path).await);
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert!(!page.contains("<script>alert"), "{page}");
    }
}

#[tokio::test]
async fn an_address_in_another_alphabet_is_pointed_at() {
    const WARNING: &str = "letters that may look like others";
    let world = Drive::start(Switches::default()).await;
    let stage = &world.sign_in.stage;
    let learner = stage.learner.clone();
    let question = world.question(&learner).await;
    let browser = world.browser(&learner, &question).await;
    assert!(!page(&browser.get(&question).await).contains(WARNING));
    // The first letter is Cyrillic.
    let look_alike = json!({ "url": "https://\u{430}pple.example/mcp" });
    stage.change_server(world.server, look_alike).await;
    let asked = browser.get(&question).await;
    says(&asked, 200, &["(https://xn--pple-43d.example)", WARNING]);
}

#[tokio::test]
async fn whoever_tries_keys_too_fast_has_to_wait() {
    let sign_in = SignIn::start(Switches::default()).await;
    let mut browser = Browser::of(&sign_in);
    let wrong = [("key", "wrong")];
    for _ in 0..SIGN_INS_PER_SECOND_MAX {
        assert_eq!(browser.post("/sign-in/", &wrong).await.status, 403);
    }
    let refused = browser.post("/sign-in/", &wrong).await;
    says(&refused, 429, &["Too many attempts"]);
    assert_eq!(refused.header("retry-after"), Some("1"));
    sign_in.gateway().advance(Duration::from_secs(1));
    browser.sign_in(&sign_in.stage.learner, "").await;
}
