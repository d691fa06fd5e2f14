//! Session tokens for the academy's second face: which are taken, whom they speak for, and everything that is refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mentor_gateway::sql;
use serde_json::{Value, json};

use crate::harness::{Academy, Client, Mcp};
use crate::revocation::world::Socket;

const TOOL: &str = "/mcp/v2/tools/academy_get_enrollments";
const ISSUER: &str = "https://login.academy.example";
const AUDIENCE: &str = "academy-mcp";
/// 2024-12-02T10:00:00Z, the time of the academy, in seconds.
const NOW: i64 = 1_733_133_600;

/// A key of the issuer.
#[derive(Clone)]
struct Signer {
    id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    fn es256(id: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        let algorithm = Algorithm::ES256;
        Self { id, algorithm, key }
    }

    fn rs256(id: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        let algorithm = Algorithm::RS256;
        Self { id, algorithm, key }
    }

    fn public(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        encode(&header, claims, &self.key).unwrap()
    }
}

/// The issuer's set of keys.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl Issuer {
    async fn start(signers: &[&Signer]) -> Self {
        let keys = Arc::new(Mutex::new(Value::Null));
        let asked = Arc::<AtomicUsize>::default();
        let (shown, count) = (keys.clone(), asked.clone());
        let set = get(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            shown.lock().unwrap().to_string()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let router = Router::new().route("/jwks", set);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the issuer, in drop"
        )]
        let server =
            tokio::task::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let issuer = Self {
            url,
            keys,
            asked,
            server,
        };
        issuer.publish(signers);
        issuer
    }

    fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
        *self.keys.lock().unwrap() = json!({ "keys": keys });
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The academy that takes this issuer's tokens.
    async fn academy(&self) -> Academy {
        Academy::v2_with(|settings| {
            settings.session_issuer = Some(ISSUER.to_owned());
            settings.session_audience = Some(AUDIENCE.to_owned());
            settings.session_jwks_url = Some(self.url.clone());
            settings.egress_allow = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "tenant": "acme", "scope": "enrollments:read openid",
        "iat": NOW, "nbf": NOW, "exp": NOW + 600,
    })
}

fn with(changes: Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            all.as_object_mut().unwrap().remove(name);
        } else {
            all[name] = value.clone();
        }
    }
    all
}

/// The status and the code of an answer to this token.
async fn answer(academy: &Academy, token: &str) -> (u16, String) {
    let mut client: Client = academy.gateway.anonymous();
    client.key = Some(token.to_owned());
    let answer = client.post(TOOL, json!({})).await;
    let code = answer.body["error"]["code"].as_str().unwrap_or("ok");
    (answer.status, code.to_owned())
}

fn ok() -> (u16, String) {
    (200, "ok".to_owned())
}

fn refused() -> (u16, String) {
    (401, "INVALID_API_KEY".to_owned())
}

#[tokio::test]
async fn a_token_speaks_for_the_user_that_it_names() {
    let (ec, rsa) = (Signer::es256("ec"), Signer::rs256("rsa"));
    let issuer = Issuer::start(&[&ec, &rsa]).await;
    let academy = issuer.academy().await;
    for signer in [&ec, &rsa] {
        let mut client = academy.gateway.anonymous();
        client.key = Some(signer.sign(&claims()));
        let seen = client.post(TOOL, json!({})).await.expect(200);
        let own = academy.learner.post(TOOL, json!({})).await.expect(200);
        assert_eq!(seen, own);
    }
    assert_eq!(issuer.asked(), 1);
    let several = with(json!({ "aud": ["other", AUDIENCE] }));
    assert_eq!(answer(&academy, &ec.sign(&several)).await, ok());
}

#[tokio::test]
async fn what_a_token_opened_ends_with_it() {
    let signer = Signer::es256("ec");
    let issuer = Issuer::start(&[&signer]).await;
    let academy = issuer.academy().await;
    let mut client = academy.gateway.anonymous();
    client.key = Some(signer.sign(&claims()));
    let socket = Socket::open(&client, "/mcp/v2/ws").await;
    let mut stream = Mcp::legacy(&client, "/mcp/v2/").await.listen().await;
    academy.gateway.advance(Duration::from_secs(660));
    let over = json!([1008, "the session token expired"]);
    assert_eq!(socket.close().await, over);
    assert_eq!(stream.rest().await, Vec::<Value>::new());
    assert_eq!(
        answer(&academy, client.key.as_deref().unwrap()).await,
        refused()
    );
}

#[tokio::test]
async fn scopes_are_those_of_the_token_within_the_users_role() {
    let signer = Signer::es256("ec");
    let issuer = Issuer::start(&[&signer]).await;
    let academy = issuer.academy().await;
    let lists = "/mcp/v2/tools/academy_admin_list_cohorts";
    let scope = "admin:cohorts enrollments:read";
    for (user, status) in [("bob", 403), ("alice", 200)] {
        let mut client = academy.gateway.anonymous();
        client.key = Some(signer.sign(&with(json!({ "sub": user, "scope": scope }))));
        assert_eq!(client.post(lists, json!({})).await.status, status, "{user}");
    }
    let none = with(json!({ "scope": null }));
    let code = "SCOPE_REQUIRED".to_owned();
    assert_eq!(answer(&academy, &signer.sign(&none)).await, (403, code));
}

/// A time in seconds with a fraction.
fn at(seconds: i64, fraction: f64) -> f64 {
    f64::from(i32::try_from(seconds).unwrap()) + fraction
}

#[tokio::test]
async fn a_token_that_is_not_for_us_now_is_refused() {
    let signer = Signer::es256("ec");
    let issuer = Issuer::start(&[&signer]).await;
    let academy = issuer.academy().await;
    for changes in [
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": null }),
        json!({ "aud": "another" }),
        json!({ "aud": null }),
        json!({ "exp": null }),
        json!({ "exp": NOW - 60 }),
        json!({ "exp": NOW + 25 * 3600 }),
        json!({ "exp": "soon" }),
        json!({ "exp": -0.5 }),
        json!({ "exp": 1e300 }),
        json!({ "exp": at(NOW - 61, 0.5) }),
        json!({ "nbf": at(NOW + 61, 0.5) }),
        json!({ "nbf": NOW + 61 }),
        json!({ "sub": null }),
        json!({ "sub": "nobody" }),
        json!({ "tenant": null }),
        json!({ "tenant": "nowhere" }),
        json!({ "tenant": "globex" }),
        json!({ "environment": "other" }),
    ] {
        let token = signer.sign(&with(changes.clone()));
        assert_eq!(answer(&academy, &token).await, refused(), "{changes}");
    }
    // Clocks differ: a minute either way is nothing. Times may have a fraction (RFC 7519 section 2).
    for changes in [
        json!({ "exp": NOW - 59 }),
        json!({ "nbf": NOW + 60 }),
        json!({ "exp": at(NOW - 60, 0.5) }),
        json!({ "exp": at(NOW + 600, 0.25), "nbf": at(NOW, 0.75), "iat": at(NOW, 0.75) }),
    ] {
        let token = signer.sign(&with(changes.clone()));
        assert_eq!(answer(&academy, &token).await, ok(), "{changes}");
    }
}

#[tokio::test]
async fn a_token_that_the_issuer_did_not_sign_so_is_refused() {
    let (signer, stranger) = (Signer::es256("ec"), Signer::es256("ec"));
    let rsa = Signer::rs256("rsa");
    let issuer = Issuer::start(&[&signer, &rsa]).await;
    let academy = issuer.academy().await;
    let good = signer.sign(&claims());
    assert_eq!(answer(&academy, &good).await, ok());
    let (body, signature) = good.rsplit_once('.').unwrap();
    let (head, payload) = body.split_once('.').unwrap();
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let admin = encoded(with(json!({ "sub": "alice" })));
    // The public key as the secret of an HMAC.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("rsa".to_owned());
    let secret = rsa.public()["n"].as_str().unwrap().to_owned();
    let hmac = encode(
        &header,
        &claims(),
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .unwrap();
    let crossed = Signer {
        id: "rsa",
        ..signer.clone()
    };
    for token in [
        stranger.sign(&claims()),
        crossed.sign(&claims()),
        hmac,
        format!(
            "{}.{payload}.",
            encoded(json!({ "alg": "none", "typ": "JWT" }))
        ),
        format!(
            "{}.{payload}.",
            encoded(json!({ "alg": "none", "kid": "ec" }))
        ),
        format!(
            "{}.{payload}.{signature}",
            encoded(json!({ "alg": "ES256", "kid": "nobody" }))
        ),
        format!(
            "{}.{payload}.{signature}",
            encoded(json!({ "alg": "ES384", "kid": "ec" }))
        ),
        format!("{head}.{admin}.{signature}"),
        format!("{head}.{payload}."),
        format!("{good}x"),
        format!("{head}.{payload}"),
    ] {
        assert_eq!(answer(&academy, &token).await, refused(), "{token}");
    }
}

#[tokio::test]
async fn a_token_opens_no_other_face_and_nothing_for_a_disabled_user() {
    let signer = Signer::es256("ec");
    let issuer = Issuer::start(&[&signer]).await;
    let academy = issuer.academy().await;
    let mut client = academy.gateway.anonymous();
    client.key = Some(signer.sign(&claims()));
    let v1 = client
        .post("/mcp/v1/tools/get_learner_enrollments", json!({}))
        .await;
    assert_eq!(v1.status, 401);
    let mut admin = academy.gateway.anonymous();
    admin.key = Some(signer.sign(&with(json!({ "sub": "alice" }))));
    assert_eq!(admin.get("api-keys/").await.status, 403);
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "UPDATE users SET is_active = FALSE WHERE username = 'bob'"
    )
    .unwrap();
    tx.commit().await.unwrap();
    academy.gateway.app.auth.forget_all();
    let token = client.key.unwrap();
    assert_eq!(answer(&academy, &token).await, refused());
}

#[tokio::test]
async fn a_new_key_is_found_and_unknown_ones_do_not_make_us_ask_all_the_time() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let issuer = Issuer::start(&[&old]).await;
    let academy = issuer.academy().await;
    assert_eq!(answer(&academy, &old.sign(&claims())).await, ok());
    for nth in 0..20 {
        let stranger = with(json!({ "jti": nth }));
        assert_eq!(answer(&academy, &new.sign(&stranger)).await, refused());
    }
    assert_eq!(issuer.asked(), 1);
    issuer.publish(&[&old, &new]);
    academy.gateway.advance(Duration::from_secs(30));
    academy.gateway.app.auth.forget_all();
    assert_eq!(answer(&academy, &new.sign(&claims())).await, ok());
    assert_eq!(issuer.asked(), 2);
    // The old one is taken back; that is known within five minutes.
    issuer.publish(&[&new]);
    academy.gateway.advance(Duration::from_secs(300));
    academy.gateway.app.auth.forget_all();
    assert_eq!(answer(&academy, &old.sign(&claims())).await, refused());
}

#[tokio::test]
async fn an_issuer_that_is_away_is_believed_for_an_hour_and_never_before_it_was_heard() {
    let signer = Signer::es256("ec");
    let issuer = Issuer::start(&[&signer]).await;
    let academy = issuer.academy().await;
    assert_eq!(answer(&academy, &signer.sign(&claims())).await, ok());
    *issuer.keys.lock().unwrap() = json!("down");
    let later = |seconds: i64| signer.sign(&with(json!({ "exp": NOW + seconds + 60 })));
    academy.gateway.advance(Duration::from_secs(3599));
    assert_eq!(answer(&academy, &later(3599)).await, ok());
    academy.gateway.advance(Duration::from_secs(1));
    academy.gateway.app.auth.forget_all();
    let (status, _) = answer(&academy, &later(3600)).await;
    assert_eq!(status, 503);
}

#[tokio::test]
async fn the_keys_are_fetched_from_no_private_address() {
    let signer = Signer::es256("ec");
    let issuer = Issuer::start(&[&signer]).await;
    let academy = Academy::v2_with(|settings| {
        settings.session_issuer = Some(ISSUER.to_owned());
        settings.session_audience = Some(AUDIENCE.to_owned());
        settings.session_jwks_url = Some(issuer.url.clone());
    })
    .await;
    let (status, _) = answer(&academy, &signer.sign(&claims())).await;
    assert_eq!((status, issuer.asked()), (503, 0));
}
