//! Forms to the endpoints of a provider, with the proof of who we are.
//! Sends each once, and never puts anything of an answer into an error.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use http::{Method, Request, StatusCode};
use jiff::fmt::rfc2822;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::client::{Client, TokenAuthMethod};
use super::tokens::TokenError;
use egress::{Egress, Failure, Limits, Sent};

/// Longest wait for the answer of a token endpoint. Long, because an answer that comes too late is a rotated
/// token lost.
const TOKEN_DEADLINE: Duration = Duration::from_secs(60);
/// Longest answer of a token endpoint, in bytes.
const TOKEN_ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// An answer that says something about the request.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Sends a form and reads the answer. A status that asks to come back later is no answer.
pub(super) async fn post(
    egress: &Egress,
    url: &str,
    client: &Client,
    fields: &[(&str, &str)],
) -> Result<Answer, TokenError> {
    let destination = egress.check_url(url).map_err(|_| TokenError::Address)?;
    let mut request = request(client, fields)?;
    *request.uri_mut() = destination.uri().clone();
    let limits = Limits {
        headers: TOKEN_DEADLINE,
        idle: TOKEN_DEADLINE,
    };
    let answer = egress.send(request, &limits).await.map_err(no_answer)?;
    let status = answer.status();
    if let Some(may_be_used) = is_for_later(status) {
        tracing::debug!(
            http.status = status.as_u16(),
            "an endpoint of a provider is not available"
        );
        return Err(TokenError::Unavailable {
            may_be_used,
            retry_after: retry_after(answer.headers()),
        });
    }
    let body = answer.into_body();
    let body = body.read_to_end(TOKEN_ANSWER_BYTES_MAX, TOKEN_DEADLINE);
    Ok(Answer {
        status,
        body: body.await.map_err(no_answer)?,
    })
}

fn request(client: &Client, fields: &[(&str, &str)]) -> Result<Request<Bytes>, TokenError> {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields);
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    match client.auth_method {
        TokenAuthMethod::ClientSecretBasic => {
            headers.insert(AUTHORIZATION, basic(client)?);
        }
        TokenAuthMethod::ClientSecretPost => {
            form.append_pair("client_id", &client.id)
                .append_pair("client_secret", client.secret.expose());
        }
        TokenAuthMethod::None => {
            form.append_pair("client_id", &client.id);
        }
    }
    let mut request = Request::new(Bytes::from(form.finish()));
    *request.method_mut() = Method::POST;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Id and secret as RFC 6749 section 2.3.1 wants them: encoded like a form each, then as `Basic`.
fn basic(client: &Client) -> Result<HeaderValue, TokenError> {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(&client.id), encode(client.secret.expose()));
    let header = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(pair)));
    let mut header =
        header.map_err(|_| TokenError::Malformed("our client id or secret is no header value"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// Whether a status asks to come back later, and if so, whether the request may have been carried out.
fn is_for_later(status: StatusCode) -> Option<bool> {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Some(false)
        }
        status => status.is_server_error().then_some(true),
    }
}

/// The pause that an answer asks for, in seconds or until a time (RFC 9110 section 10.2.3), by its own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let asked = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let second = |text: &str| Some(rfc2822::parse(text).ok()?.timestamp().as_second());
    let seconds = second(asked)?.saturating_sub(second(text(DATE)?)?);
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

fn no_answer(failure: Failure) -> TokenError {
    match failure {
        Failure::Refused(_) => TokenError::Address,
        Failure::Redirected { .. } => TokenError::Malformed("it redirects"),
        Failure::TooLarge { .. } => TokenError::Malformed("its answer is too long"),
        failure => TokenError::Unavailable {
            may_be_used: failure.sent() == Sent::Maybe,
            retry_after: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_said_in_seconds_or_until_a_time() {
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        for (asked, seconds) in [
            ("30", Some(30)),
            (" 0 ", Some(0)),
            ("Wed, 21 Oct 2015 07:29:30 GMT", Some(90)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", None),
            ("-1", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_static(date));
            headers.insert(RETRY_AFTER, HeaderValue::from_static(asked));
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(&headers), expected, "{asked}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
