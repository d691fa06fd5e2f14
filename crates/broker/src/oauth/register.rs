//! Becoming a client of an authorization server that nobody registered us at: by the address of a document of ours
//! (Client ID Metadata Documents), else by registration (RFC 7591).
//! Sends nothing that is secret, and takes no client that could not be used.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use serde_json::{Value, json};

use super::{Client, TokenAuthMethod, lenient};
use base::clock::UnixMs;
use base::secret::Secret;
use egress::{Egress, Limits};

/// Where our document lies, below the public URL.
pub(crate) const DOCUMENT_PATH: &str = "/api/accounts/oauth-client/";

/// What we are called.
pub(crate) const CLIENT_NAME: &str = "mentor-gateway";

/// Longest wait for a registration.
const REGISTRATION_DEADLINE: Duration = Duration::from_secs(15);
/// Largest answer to one, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Longest id or secret that is taken, in bytes.
const CLIENT_BYTES_MAX: usize = 2048;

/// Why a server did not register us.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It may not be asked, or did not answer.
    #[error("the registration endpoint cannot be asked")]
    Failure(#[from] egress::Failure),
    /// It refused.
    #[error("the registration was refused with status {0}")]
    Refused(u16),
    /// Its answer holds no client that can be used.
    #[error("the answer to the registration holds no usable client")]
    Unusable,
}

/// A client that was registered, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The client.
    pub client: Client,
    /// When the server forgets it, if it does.
    pub expires_at: Option<UnixMs>,
}

/// What we say of ourselves, in a document and in a registration.
pub fn metadata(redirect_uris: &[String], auth_method: TokenAuthMethod) -> Value {
    json!({
        "client_name": CLIENT_NAME,
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": auth_method.as_str(),
        "application_type": "web",
    })
}

/// Our client id where documents are taken: the document's own address, which must be of https. `None` without one.
pub fn document_id(public_url: Option<&str>) -> Option<String> {
    let base = public_url.filter(|url| url.starts_with("https://"))?;
    Some(format!("{base}{DOCUMENT_PATH}"))
}

/// Registers a client for one redirect URI.
///
/// # Errors
/// If there is no usable client in the end.
pub async fn register(
    egress: &Egress,
    registration_url: &str,
    redirect_uri: &str,
    auth_method: TokenAuthMethod,
) -> Result<Registration, RegisterError> {
    let destination = egress
        .check_url(registration_url)
        .map_err(egress::Failure::Refused)?;
    let body = metadata(&[redirect_uri.to_owned()], auth_method).to_string();
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = destination.uri().clone();
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(ACCEPT, json.clone());
    request.headers_mut().insert(CONTENT_TYPE, json);
    let limits = Limits {
        headers: REGISTRATION_DEADLINE,
        idle: REGISTRATION_DEADLINE,
    };
    let answer = egress.send(request, &limits).await?;
    if !answer.status().is_success() {
        return Err(RegisterError::Refused(answer.status().as_u16()));
    }
    let body = answer.into_body();
    let body = body
        .read_to_end(ANSWER_BYTES_MAX, REGISTRATION_DEADLINE)
        .await?;
    let answer: Value = serde_json::from_slice(&body).map_err(|_| RegisterError::Unusable)?;
    read(&answer, auth_method).ok_or(RegisterError::Unusable)
}

fn read(answer: &Value, asked: TokenAuthMethod) -> Option<Registration> {
    let is_usable = |text: &&str| {
        !text.is_empty() && text.len() <= CLIENT_BYTES_MAX && !text.contains(char::is_control)
    };
    let id = answer["client_id"].as_str().filter(is_usable)?;
    let secret = answer["client_secret"].as_str().filter(is_usable);
    let auth_method = match answer["token_endpoint_auth_method"].as_str() {
        Some(word) => word.parse().ok()?,
        None => asked,
    };
    // A secret that does not come cannot prove anything.
    let auth_method = match secret {
        Some(_) => auth_method,
        None => TokenAuthMethod::None,
    };
    let expires_at_s = lenient::number(&answer["client_secret_expires_at"]).filter(|at| *at > 0.0);
    Some(Registration {
        client: Client {
            id: id.to_owned(),
            secret: Secret::new(secret.unwrap_or_default()),
            auth_method,
        },
        expires_at: expires_at_s
            .map(|at| UnixMs(0).plus(Duration::try_from_secs_f64(at).unwrap_or(Duration::MAX))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_is_read_as_far_as_it_can_be_used() {
        let basic = TokenAuthMethod::ClientSecretBasic;
        let whole = json!({
            "client_id": "c", "client_secret": "s", "client_secret_expires_at": 7,
            "token_endpoint_auth_method": "client_secret_post",
        });
        let expected = Registration {
            client: Client {
                id: "c".into(),
                secret: Secret::new("s"),
                auth_method: TokenAuthMethod::ClientSecretPost,
            },
            expires_at: Some(UnixMs(7000)),
        };
        assert_eq!(read(&whole, basic), Some(expected));
        for (written, ms) in [
            (json!("7"), Some(7000)),
            (json!(7.5), Some(7500)),
            (json!(-1), None),
            (json!("never"), None),
            (json!(1e300), Some(i64::MAX)),
        ] {
            let answer = json!({"client_id": "c", "client_secret_expires_at": written});
            let read = read(&answer, basic).unwrap();
            assert_eq!(read.expires_at, ms.map(UnixMs), "{written}");
        }
        let public = json!({"client_id": "c", "client_secret_expires_at": 0});
        let registration = read(&public, basic).unwrap();
        assert_eq!(registration.client, Client::public("c"));
        assert_eq!(registration.expires_at, None);
        for bad in [
            json!({}),
            json!({"client_id": ""}),
            json!({"client_id": 7}),
            json!({"client_id": "a\nb"}),
            json!({"client_id": "c", "token_endpoint_auth_method": "private_key_jwt"}),
        ] {
            assert_eq!(read(&bad, basic), None, "{bad}");
        }
    }
}
