//! The token and revocation endpoints.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State as Held;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::grants::{Grants, Pair};
use super::switches::{Fault, Switches};
use super::{Asked, CLIENT_ID, CLIENT_SECRET, State, lock};

/// How often a held answer looks whether it may go.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) async fn token(
    Held(state): Held<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = write_down(&state, "/token", &headers, &body);
    let switches = state.switches();
    tokio::time::sleep(switches.delay).await;
    while state.switches().holds {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let fault = take_fault(&state);
    if fault == Some(Fault::Echo) {
        let sent = String::from_utf8_lossy(&body);
        return described(StatusCode::BAD_REQUEST, "invalid_grant", &sent);
    }
    if let Some(answer) = fault.as_ref().and_then(before_work) {
        return answer;
    }
    let Some(client) = client_of(&lock(&state.grants), &asked, &switches) else {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
    };
    let given = {
        let mut grants = lock(&state.grants);
        match asked.get("grant_type") {
            Some("authorization_code") => redeem(&mut grants, &asked, (&client, &switches)),
            Some("refresh_token") => {
                let token = asked.get("refresh_token").unwrap_or_default();
                grants
                    .refresh(token, &client, switches.rotation)
                    .map(|pair| (pair, String::new()))
            }
            _ => return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        }
    };
    let Some((pair, scope)) = given else {
        return refusal(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    if let Some(Fault::Words { content_type, text }) = &fault {
        let text = text
            .replace("AT", &pair.access_token)
            .replace("RT", &pair.refresh_token);
        return ([(header::CONTENT_TYPE, *content_type)], text).into_response();
    }
    let mut answer = json!({
        "access_token": format!("{}{}", pair.access_token, switches.token_tail),
        "refresh_token": format!("{}{}", pair.refresh_token, switches.token_tail),
        "token_type": "Bearer",
    });
    if switches.wants_consent
        && !scope.split(' ').any(|word| word == "offline_access")
        && let Some(members) = answer.as_object_mut()
    {
        members.remove("refresh_token");
    }
    if let Some(seconds) = switches.expires_in {
        answer["expires_in"] = seconds.into();
    }
    if !scope.is_empty() {
        answer["scope"] = scope.into();
    }
    after_work(fault.as_ref(), answer)
}

pub(super) async fn revoke(
    Held(state): Held<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = write_down(&state, "/revoke", &headers, &body);
    let switches = state.switches();
    let mut grants = lock(&state.grants);
    if client_of(&grants, &asked, &switches).is_none() {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    grants.revoke(asked.get("token").unwrap_or_default());
    StatusCode::OK.into_response()
}

fn write_down(state: &State, path: &'static str, headers: &HeaderMap, body: &[u8]) -> Asked {
    let authorization = headers.get(header::AUTHORIZATION);
    let asked = Asked {
        path,
        form: serde_urlencoded::from_bytes(body).unwrap_or_default(),
        authorization: authorization
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
    };
    lock(&state.asked).push(asked.clone());
    asked
}

/// The client that proved itself.
fn client_of(grants: &Grants, asked: &Asked, switches: &Switches) -> Option<String> {
    let (id, secret, method) = match &asked.authorization {
        Some(header) => {
            let pair = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
            let pair = String::from_utf8(pair).ok()?;
            // Each half is form encoded (RFC 6749, section 2.3.1).
            let (id, secret) = pair.split_once(':')?;
            let form = format!("id={id}&secret={secret}");
            let halves: Vec<(String, String)> = serde_urlencoded::from_str(&form).ok()?;
            (
                halves[0].1.clone(),
                Some(halves[1].1.clone()),
                "client_secret_basic",
            )
        }
        None => {
            let secret = asked.get("client_secret").map(str::to_owned);
            let method = if secret.is_some() {
                "client_secret_post"
            } else {
                "none"
            };
            (asked.get("client_id")?.to_owned(), secret, method)
        }
    };
    let expected = match grants.clients.get(&id) {
        Some(registered) => Some(registered.secret.clone()),
        None if id == CLIENT_ID => Some(CLIENT_SECRET.to_owned()),
        None if id.starts_with("http") && switches.takes_client_id_documents => None,
        None => return None,
    };
    let is_right = match secret {
        Some(secret) => expected.as_ref() == Some(&secret),
        None => true,
    };
    (is_right && switches.auth_methods.contains(&method)).then_some(id)
}

fn redeem(
    grants: &mut Grants,
    asked: &Asked,
    (client, switches): (&str, &Switches),
) -> Option<(Pair, String)> {
    let mut code = grants.codes.remove(asked.get("code")?)?;
    if switches.wants_consent && !code.has_consent {
        let kept = code
            .scope
            .split(' ')
            .filter(|word| *word != "offline_access");
        code.scope = kept.collect::<Vec<_>>().join(" ");
    }
    let proof = asked
        .get("code_verifier")
        .map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())));
    let is_right = code.client_id == client
        && asked.get("redirect_uri") == Some(&code.redirect_uri)
        && code.challenge == proof;
    is_right.then(|| (grants.begin(client), code.scope))
}

fn take_fault(state: &State) -> Option<Fault> {
    let mut switches = lock(&state.switches);
    let fault = switches.fault.clone();
    match &mut switches.fault_times {
        Some(0) => None,
        Some(left) => {
            *left -= 1;
            fault
        }
        None => fault,
    }
}

/// The answer of a fault that strikes before anything was done.
fn before_work(fault: &Fault) -> Option<Response> {
    let page = Html("<!doctype html><title>Oops</title><p>access_token=leaked-by-the-page");
    Some(match fault {
        Fault::Status500 => (StatusCode::INTERNAL_SERVER_ERROR, page).into_response(),
        Fault::Html => page.into_response(),
        Fault::Error(code) => refusal(StatusCode::BAD_REQUEST, code),
        Fault::ErrorWith200(code) => refusal(StatusCode::OK, code),
        Fault::Redirect(to) => (
            StatusCode::TEMPORARY_REDIRECT,
            [(header::LOCATION, to.clone())],
        )
            .into_response(),
        Fault::Instead {
            status,
            headers,
            body,
        } => {
            let mut answer = body.clone().into_response();
            *answer.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
            for (name, value) in headers {
                if let Ok(value) = header::HeaderValue::from_str(value) {
                    answer.headers_mut().insert(*name, value);
                }
            }
            answer
        }
        Fault::Echo | Fault::NoAccessToken | Fault::LoseAnswer | Fault::Words { .. } => {
            return None;
        }
    })
}

fn after_work(fault: Option<&Fault>, mut answer: Value) -> Response {
    match fault {
        Some(Fault::NoAccessToken) => {
            if let Some(members) = answer.as_object_mut() {
                members.remove("access_token");
            }
        }
        Some(Fault::LoseAnswer) => {
            let broken = futures_util::stream::once(async {
                Err::<Bytes, _>(std::io::Error::other("the answer is lost"))
            });
            return Body::from_stream(broken).into_response();
        }
        _ => {}
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn refusal(status: StatusCode, code: &str) -> Response {
    described(status, code, "leaked-by-the-description")
}

fn described(status: StatusCode, code: &str, description: &str) -> Response {
    let answer = json!({ "error": code, "error_description": description });
    (status, Json(answer)).into_response()
}
