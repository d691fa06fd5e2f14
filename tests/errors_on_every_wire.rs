//! Every error, and how each wire spells it: reading this table is reviewing the error contract.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use mentor_gateway::error::{Ended, Error, SignInFailure, UpstreamFailure, UpstreamFailureKind};
use mentor_gateway::http::path::Words;
use mentor_gateway::http::{chat, drf};

fn every() -> Vec<(&'static str, Error)> {
    let upstream = |kind| {
        Error::Upstream(UpstreamFailure {
            server: "Drive".into(),
            kind,
            may_have_executed: false,
            broken: None,
            retry_after_s: None,
        })
    };
    vec![
        ("NoCredentials", Error::NoCredentials),
        ("InvalidCredentials", Error::InvalidCredentials),
        ("Forbidden", Error::Forbidden("tenant admin")),
        ("NotFound", Error::NotFound("server")),
        ("NotFound page", Error::NotFound("page")),
        (
            "Invalid",
            Error::field("mentor", "Mentor scoped connections require a mentor."),
        ),
        (
            "Malformed",
            Error::Malformed("two Authorization headers".into()),
        ),
        ("TooLarge", Error::TooLarge { max_bytes: 9 }),
        (
            "UnsupportedMediaType",
            Error::UnsupportedMediaType("text/xml".into()),
        ),
        (
            "Conflict",
            Error::Conflict("tenant \"acme\" exists already".into()),
        ),
        ("RateLimited", Error::RateLimited { retry_after_s: 7 }),
        (
            "NoConnection",
            Error::NoConnection {
                server: "Drive".into(),
                reason: "sign in first".into(),
            },
        ),
        ("SignIn no one", Error::SignIn(SignInFailure::NoCredentials)),
        ("SignIn state", Error::SignIn(SignInFailure::InvalidState)),
        ("SignIn again", Error::SignIn(SignInFailure::AlreadyDone)),
        ("SignIn code", Error::SignIn(SignInFailure::Exchange)),
        ("SignIn other", Error::SignIn(SignInFailure::OtherPerson)),
        ("SignIn denied", Error::SignIn(SignInFailure::Denied)),
        ("SignIn issuer", Error::SignIn(SignInFailure::OtherIssuer)),
        ("SignIn request", Error::SignIn(SignInFailure::NoRequest)),
        ("Upstream timeout", upstream(UpstreamFailureKind::Timeout)),
        (
            "Upstream unreachable",
            upstream(UpstreamFailureKind::Unreachable),
        ),
        (
            "Upstream breaker",
            upstream(UpstreamFailureKind::BreakerOpen),
        ),
        ("Ended key", Error::Ended(Ended::KeyRevoked)),
        ("Ended role", Error::Ended(Ended::RoleChanged)),
        ("Ended server", Error::Ended(Ended::ServerOff)),
        ("Unavailable", Error::Unavailable("audit")),
        ("Internal", Error::internal("SELECT secret FROM table")),
    ]
}

async fn rest(error: &Error, words: Words) -> String {
    let response = drf::error::answer(error, words);
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value| format!(" [{}]", value.to_str().unwrap()))
    };
    let extra = header(WWW_AUTHENTICATE)
        .or(header(RETRY_AFTER))
        .unwrap_or_default();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 4096)
        .await
        .unwrap();
    format!("{status} {}{extra}", String::from_utf8_lossy(&body))
}

#[tokio::test]
async fn every_error_has_its_answer_on_the_rest_surface() {
    let mut table = String::new();
    for (name, error) in every() {
        table += &format!("{name:<22}{}\n", rest(&error, Words::Mentor).await);
    }
    let mentor = Error::field("mentor", "Mentor scoped connections require a mentor.");
    table += &format!(
        "{:<22}{}\n",
        "Invalid, agent",
        rest(&mentor, Words::Agent).await
    );
    insta::assert_snapshot!(table, @r#"
    NoCredentials         401 {"detail":"Authentication credentials were not provided."} [Token realm="mentor-gateway"]
    InvalidCredentials    401 {"detail":"Invalid token."} [Token realm="mentor-gateway"]
    Forbidden             403 {"detail":"You do not have permission to perform this action."}
    NotFound              404 {"detail":"Not found."}
    NotFound page         404 {"detail":"Invalid page."}
    Invalid               400 {"mentor":["Mentor scoped connections require a mentor."]}
    Malformed             400 {"detail":"Two Authorization headers."}
    TooLarge              413 {"detail":"Request body exceeds 9 bytes."}
    UnsupportedMediaType  415 {"detail":"Unsupported media type \"text/xml\" in request."}
    Conflict              409 {"detail":"Tenant \"acme\" exists already."}
    RateLimited           429 {"detail":"Request was throttled. Expected available in 7 seconds."} [7]
    NoConnection          400 {"detail":"No connection to server \"Drive\": sign in first."}
    SignIn no one         400 {"detail":"No credentials found"}
    SignIn state          400 {"detail":"Invalid state"}
    SignIn again          400 {"detail":"Invalid state"}
    SignIn code           400 {"detail":"Could not exchange auth token"}
    SignIn other          403 {"detail":"This sign-in was started by another user"}
    SignIn denied         400 {"detail":"Access was not granted"}
    SignIn issuer         400 {"detail":"The answer is not from the provider that was asked"}
    SignIn request        400 {"detail":"The provider cannot be asked"}
    Upstream timeout      504 {"detail":"Server \"Drive\" did not answer in time."}
    Upstream unreachable  502 {"detail":"Server \"Drive\" cannot be reached."}
    Upstream breaker      503 {"detail":"Server \"Drive\" failed repeatedly and is not called for a while."}
    Ended key             401 {"detail":"The key was revoked while this was under way; the call may have executed."} [Token realm="mentor-gateway"]
    Ended role            401 {"detail":"The user's role was changed while this was under way; the call may have executed."} [Token realm="mentor-gateway"]
    Ended server          403 {"detail":"The server was switched off while this was under way; the call may have executed."}
    Unavailable           503 {"detail":"Temporarily unavailable."} [5]
    Internal              500 {"detail":"Internal server error."}
    Invalid, agent        400 {"agent":["Agent scoped connections require an agent."]}
    "#);
}

#[test]
fn every_error_has_its_frame_in_a_chat() {
    let mut table = String::new();
    for (name, error) in every() {
        table += &format!("{name:<22}{}\n", chat::error::frame(&error));
    }
    insta::assert_snapshot!(table, @r#"
    NoCredentials         {"error":"Authentication credentials were not provided.","status_code":401}
    InvalidCredentials    {"error":"Invalid token.","status_code":401}
    Forbidden             {"error":"You do not have permission to perform this action.","status_code":403}
    NotFound              {"error":"Not found.","status_code":404}
    NotFound page         {"error":"Not found.","status_code":404}
    Invalid               {"error":"mentor: Mentor scoped connections require a mentor.","status_code":400}
    Malformed             {"error":"Two Authorization headers.","status_code":400}
    TooLarge              {"error":"The request body is larger than 9 bytes.","status_code":413}
    UnsupportedMediaType  {"error":"Unsupported media type \"text/xml\".","status_code":415}
    Conflict              {"error":"Tenant \"acme\" exists already.","status_code":409}
    RateLimited           {"error":"Rate limited; retry after 7 s.","status_code":429,"retry_after":7}
    NoConnection          {"error":"No connection to server \"Drive\": sign in first.","status_code":400}
    SignIn no one         {"error":"No credentials found","status_code":400}
    SignIn state          {"error":"Invalid state","status_code":400}
    SignIn again          {"error":"Invalid state","status_code":400}
    SignIn code           {"error":"Could not exchange auth token","status_code":400}
    SignIn other          {"error":"This sign-in was started by another user","status_code":403}
    SignIn denied         {"error":"Access was not granted","status_code":400}
    SignIn issuer         {"error":"The answer is not from the provider that was asked","status_code":400}
    SignIn request        {"error":"The provider cannot be asked","status_code":400}
    Upstream timeout      {"error":"Server \"Drive\" did not answer in time.","status_code":504}
    Upstream unreachable  {"error":"Server \"Drive\" cannot be reached.","status_code":502}
    Upstream breaker      {"error":"Server \"Drive\" failed repeatedly and is not called for a while.","status_code":503,"retry_after":5}
    Ended key             {"error":"Invalid token.","status_code":401}
    Ended role            {"error":"The user's role was changed.","status_code":401}
    Ended server          {"error":"The server was switched off.","status_code":403}
    Unavailable           {"error":"Temporarily unavailable.","status_code":503,"retry_after":5}
    Internal              {"error":"Internal server error.","status_code":500}
    "#);
}
