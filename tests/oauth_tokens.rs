//! What is asked of a token endpoint, and what its answers and failures become.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mentor_gateway::egress::{Egress, Policy};
use mentor_gateway::oauth::{
    Client, CodeGrant, Revocable, TokenAuthMethod, TokenEndpoint, TokenError, Tokens, revoke,
};
use mentor_gateway::secret::Secret;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use upstream_fixtures::issuer::{
    AuthorizationServer, CLIENT_ID, CLIENT_SECRET, Fault, Rotation, Switches,
};

use crate::harness::closed_address;

fn egress() -> Egress {
    Egress::new(Policy {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    })
    .unwrap()
}

fn client(auth_method: TokenAuthMethod) -> Client {
    Client {
        id: CLIENT_ID.into(),
        secret: Secret::new(CLIENT_SECRET),
        auth_method,
    }
}

fn endpoint(url: String) -> TokenEndpoint {
    TokenEndpoint {
        url,
        client: client(TokenAuthMethod::ClientSecretBasic),
        resource: String::new(),
    }
}

async fn server(switches: Switches) -> AuthorizationServer {
    AuthorizationServer::start(switches).await.unwrap()
}

async fn refresh(server: &AuthorizationServer, token: &str) -> Result<Tokens, TokenError> {
    let endpoint = endpoint(server.url("/token"));
    endpoint.refresh(&egress(), &Secret::new(token)).await
}

#[tokio::test]
async fn a_refresh_token_becomes_new_tokens_and_the_resource_is_named() {
    let server = server(Switches::default()).await;
    let grant = server.grant(CLIENT_ID);
    let mut endpoint = endpoint(server.url("/token"));
    endpoint.resource = "https://mcp.example.com/mcp".into();
    let tokens = endpoint
        .refresh(&egress(), &Secret::new(grant.refresh_token.as_str()))
        .await;
    let expected = Tokens {
        access_token: Secret::new("at-1-2"),
        refresh_token: Some(Secret::new("rt-1-2")),
        expires_in: Some(Duration::from_secs(3600)),
        scope: None,
    };
    assert_eq!(tokens, Ok(expected));
    let asked = server.asked().remove(0);
    assert_eq!(
        asked.form,
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", "rt-1-1"),
            ("resource", "https://mcp.example.com/mcp"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn a_client_proves_itself_in_the_way_that_was_agreed() {
    for (method, has_header, id, secret) in [
        (TokenAuthMethod::ClientSecretBasic, true, None, None),
        (
            TokenAuthMethod::ClientSecretPost,
            false,
            Some(CLIENT_ID),
            Some(CLIENT_SECRET),
        ),
        (TokenAuthMethod::None, false, Some(CLIENT_ID), None),
    ] {
        let server = server(Switches::default()).await;
        let grant = server.grant(CLIENT_ID);
        let mut endpoint = endpoint(server.url("/token"));
        endpoint.client = client(method);
        let token = Secret::new(grant.refresh_token);
        assert!(endpoint.refresh(&egress(), &token).await.is_ok());
        let revocable = Revocable::Refresh(Secret::new("rt-1-2"));
        let (egress, url) = (egress(), server.url("/revoke"));
        let revoked = revoke(&egress, &url, &endpoint.client, &revocable).await;
        assert_eq!(revoked, Ok(()));
        for asked in server.asked() {
            assert_eq!(asked.authorization.is_some(), has_header, "{method}");
            let shown = (asked.get("client_id"), asked.get("client_secret"));
            assert_eq!(shown, (id, secret), "{method} {}", asked.path);
        }
        assert!(!server.accepts("at-1-2"), "{method}");
    }
}

#[tokio::test]
async fn a_code_is_exchanged_with_its_verifier_and_redirect_uri() {
    let server = server(Switches::default()).await;
    let redirect_uri = "https://gateway.example.com/callback/?a=b";
    let verifier = "a-verifier-that-is-long-enough-to-be-one-of-43-characters";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let code = async |redirect: &str| {
        let parameters = [
            ("client_id", CLIENT_ID),
            ("redirect_uri", redirect),
            ("scope", "read write"),
            ("code_challenge", challenge.as_str()),
        ];
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let url = reqwest::Url::parse_with_params(&server.url("/authorize"), parameters).unwrap();
        let answer = client.get(url).send().await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap();
        let location = reqwest::Url::parse(location).unwrap();
        let code = location.query_pairs().find(|(key, _)| key == "code");
        Secret::new(code.unwrap().1)
    };
    let endpoint = endpoint(server.url("/token"));
    let exchange = async |code: &Secret, verifier: &str, redirect_uri: &str| {
        let verifier = Secret::new(verifier);
        let grant = CodeGrant {
            code,
            verifier: &verifier,
            redirect_uri,
        };
        endpoint.exchange(&egress(), &grant).await
    };
    let good = exchange(&code(redirect_uri).await, verifier, redirect_uri).await;
    assert_eq!(good.unwrap().scope.as_deref(), Some("read write"));
    let refused = Err(TokenError::Refused("invalid_grant".into()));
    let other = "https://gateway.example.com/callback/";
    assert_eq!(
        exchange(&code(redirect_uri).await, verifier, other).await,
        refused
    );
    assert_eq!(
        exchange(&code(redirect_uri).await, "another", redirect_uri).await,
        refused
    );
    let used = code(redirect_uri).await;
    assert!(exchange(&used, verifier, redirect_uri).await.is_ok());
    assert_eq!(exchange(&used, verifier, redirect_uri).await, refused);
}

#[tokio::test]
async fn every_bad_answer_is_told_apart_and_tells_nothing_of_itself() {
    use Fault::{Error, ErrorWith200, Html, LoseAnswer, NoAccessToken, Redirect, Status500};
    let lost = TokenError::Unavailable {
        may_be_used: true,
        retry_after: None,
    };
    for (fault, expected) in [
        (Status500, lost.clone()),
        (LoseAnswer, lost),
        (
            Html,
            TokenError::Malformed("its answer is neither JSON nor a form"),
        ),
        (
            NoAccessToken,
            TokenError::Malformed("its answer holds no access token"),
        ),
        (
            Error("invalid_client".into()),
            TokenError::Refused("invalid_client".into()),
        ),
        (
            ErrorWith200("bad_refresh_token".into()),
            TokenError::Refused("bad_refresh_token".into()),
        ),
        (Error("<script>".into()), TokenError::RefusedUnread(400)),
        (
            Redirect("http://127.0.0.1:1/".into()),
            TokenError::Malformed("it redirects"),
        ),
    ] {
        let server = server(Switches {
            fault: Some(fault.clone()),
            ..Switches::default()
        })
        .await;
        let grant = server.grant(CLIENT_ID);
        let failed = refresh(&server, &grant.refresh_token).await.unwrap_err();
        assert_eq!(failed, expected, "{fault:?}");
        let told = format!("{failed} {failed:?}");
        assert!(!told.contains("leaked") && !told.contains("rt-1"), "{told}");
    }
}

#[tokio::test]
async fn a_request_that_never_left_is_not_taken_for_one_that_may_have() {
    let nobody = closed_address().await;
    let gone = endpoint(format!("http://{nobody}/token"));
    let token = Secret::new("rt");
    assert_eq!(
        gone.refresh(&egress(), &token).await,
        Err(TokenError::Unavailable {
            may_be_used: false,
            retry_after: None
        })
    );
    for closed in [
        "http://10.0.0.1/token",
        "https://169.254.169.254/token",
        "file:///etc/passwd",
        "token",
        "https://user@example.com/token",
    ] {
        let endpoint = endpoint(closed.into());
        let refreshed = endpoint.refresh(&egress(), &token).await;
        assert_eq!(refreshed, Err(TokenError::Address), "{closed}");
        let revocable = Revocable::Access(token.clone());
        let revoked = revoke(&egress(), closed, &endpoint.client, &revocable).await;
        assert_eq!(revoked, Err(TokenError::Address), "{closed}");
    }
}

#[tokio::test]
async fn the_fixture_ends_a_family_on_reuse_as_strict_servers_do() {
    for (rotation, old, new) in [
        (Rotation::Strict, false, false),
        (Rotation::Once, false, true),
        (Rotation::Grace, true, true),
    ] {
        let server = server(Switches {
            rotation,
            ..Switches::default()
        })
        .await;
        let grant = server.grant(CLIENT_ID);
        refresh(&server, &grant.refresh_token).await.unwrap();
        let again = refresh(&server, &grant.refresh_token).await;
        assert_eq!(again.is_ok(), old, "{rotation:?}");
        assert_eq!(
            refresh(&server, "rt-1-2").await.is_ok(),
            new,
            "{rotation:?}"
        );
    }
}
