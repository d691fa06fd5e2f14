//! Metadata, the authorization endpoint and registration.

use std::sync::Arc;

use axum::extract::{Query, State as Held};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::grants::{Code, Registered};
use super::switches::{Iss, Pkce};
use super::{State, lock, tokens};

pub(super) fn router(state: Arc<State>) -> Router {
    let path = state.switches().path;
    let oauth = "/.well-known/oauth-authorization-server";
    let openid = "/.well-known/openid-configuration";
    let mut router = Router::new()
        .route(&format!("{oauth}{path}"), get(oauth_metadata))
        .route(&format!("{openid}{path}"), get(openid_metadata))
        .route("/authorize", get(authorize))
        .route("/token", post(tokens::token))
        .route("/revoke", post(tokens::revoke))
        .route("/register", post(register))
        .fallback(any(async || StatusCode::NOT_FOUND));
    if !path.is_empty() {
        router = router.route(&format!("{path}{openid}"), get(openid_metadata));
    }
    router.with_state(state)
}

async fn oauth_metadata(Held(state): Held<Arc<State>>) -> Response {
    let switches = state.switches();
    if switches.is_openid_only || !switches.has_metadata {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(metadata(&state)).into_response()
}

async fn openid_metadata(Held(state): Held<Arc<State>>) -> Response {
    if !state.switches().has_metadata {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(metadata(&state)).into_response()
}

fn metadata(state: &State) -> Value {
    let switches = state.switches();
    let base = state
        .issuer
        .strip_suffix(&switches.path)
        .unwrap_or(&state.issuer);
    let mut metadata = json!({
        "issuer": switches.claims_issuer.as_ref().unwrap_or(&state.issuer),
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "revocation_endpoint": format!("{base}/revoke"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": switches.auth_methods,
        "authorization_response_iss_parameter_supported": switches.iss != Iss::NotAnnounced,
        "client_id_metadata_document_supported": switches.takes_client_id_documents,
    });
    match switches.pkce {
        Pkce::S256 => metadata["code_challenge_methods_supported"] = json!(["S256"]),
        Pkce::Plain => metadata["code_challenge_methods_supported"] = json!(["plain"]),
        Pkce::Absent => {}
    }
    if switches.registers {
        metadata["registration_endpoint"] = format!("{base}/register").into();
    }
    if !switches.scopes.is_empty() {
        metadata["scopes_supported"] = json!(switches.scopes);
    }
    metadata
}

/// The parameters of an authorization request.
#[derive(Deserialize)]
struct Authorization {
    client_id: String,
    redirect_uri: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    scope: String,
    code_challenge: Option<String>,
    #[serde(default)]
    prompt: String,
}

/// Asks nobody: the answer is the redirect that a person's yes or no would bring.
async fn authorize(Held(state): Held<Arc<State>>, Query(asked): Query<Authorization>) -> Response {
    let switches = state.switches();
    let mut grants = lock(&state.grants);
    let registered = grants.clients.get(&asked.client_id);
    if registered.is_none() && asked.client_id.starts_with("registered-") {
        return (StatusCode::BAD_REQUEST, "client_id").into_response();
    }
    if registered.is_some_and(|client| !client.redirect_uris.contains(&asked.redirect_uri)) {
        return (StatusCode::BAD_REQUEST, "redirect_uri").into_response();
    }
    let mut answer = vec![("state", asked.state)];
    match &switches.iss {
        Iss::Right => answer.push(("iss", state.issuer.clone())),
        Iss::Wrong(iss) => answer.push(("iss", iss.clone())),
        Iss::Missing | Iss::NotAnnounced => {}
    }
    let error = switches.answers_error.clone();
    let error = error.or_else(|| switches.denies.then(|| "access_denied".to_owned()));
    if let Some(error) = error {
        answer.push(("error", error));
    } else {
        let code = format!("code-{}", uuid::Uuid::new_v4());
        answer.push(("code", code.clone()));
        grants.codes.insert(
            code,
            Code {
                client_id: asked.client_id,
                redirect_uri: asked.redirect_uri.clone(),
                challenge: asked.code_challenge,
                scope: asked.scope,
                has_consent: asked.prompt == "consent",
            },
        );
    }
    let query = serde_urlencoded::to_string(&answer).unwrap_or_default();
    let glue = if asked.redirect_uri.contains('?') {
        '&'
    } else {
        '?'
    };
    let location = format!("{}{glue}{query}", asked.redirect_uri);
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

async fn register(Held(state): Held<Arc<State>>, Json(mut asked): Json<Value>) -> Response {
    let switches = state.switches();
    if !switches.registers {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Some(status) = switches.registration_status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        return (status, Json(json!({ "error": "access_denied" }))).into_response();
    }
    let redirect_uris: Vec<String> = asked["redirect_uris"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|uri| uri.as_str().map(str::to_owned))
        .collect();
    if redirect_uris.is_empty() {
        let refusal = json!({ "error": "invalid_redirect_uri" });
        return (StatusCode::BAD_REQUEST, Json(refusal)).into_response();
    }
    let mut grants = lock(&state.grants);
    grants.registered += 1;
    let id = format!("registered-{}", grants.registered);
    let secret = format!("secret-of-{id}");
    asked["client_id"] = id.clone().into();
    if asked["token_endpoint_auth_method"] != "none" {
        asked["client_secret"] = secret.clone().into();
        asked["client_secret_expires_at"] = 0.into();
    }
    grants.clients.insert(
        id,
        Registered {
            secret,
            redirect_uris,
        },
    );
    (StatusCode::CREATED, Json(asked)).into_response()
}
