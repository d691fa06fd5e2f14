//! One attempt at one delivery, over the way out.
//! Never follows a redirect, keeps nothing of the answer but its status, and opens no transaction.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderName, Method, Request};

use super::Due;
use super::sign::{SIGNATURE_HEADER, signature};
use base::clock::UnixMs;
use egress::{Egress, Failure, Limits};

/// Longest wait for the receiver's answer. Well below the lease of a delivery.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

const EVENT: HeaderName = HeaderName::from_static("x-academy-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-academy-delivery");

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Whether the receiver took it, with a status from 200 to 299.
    pub is_delivered: bool,
    /// `http 204`, or a word for the failure.
    pub result: String,
}

/// Sends one delivery, once.
pub async fn deliver(egress: &Egress, due: &Due, now: UnixMs) -> Attempt {
    match send(egress, due, now).await {
        Ok(status) => Attempt {
            is_delivered: (200..300).contains(&status),
            result: format!("http {status}"),
        },
        Err(failure) => Attempt {
            is_delivered: false,
            result: word_of(&failure).to_owned(),
        },
    }
}

async fn send(egress: &Egress, due: &Due, now: UnixMs) -> Result<u16, Failure> {
    let destination = egress.check_url(&due.url)?;
    let mut request = Request::new(Bytes::from(due.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = destination.uri().clone();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static("mentor-gateway-webhook"),
    );
    headers.insert(DELIVERY, due.id.0.into());
    let signature = signature(&due.secrets, now, &due.body);
    for (name, text) in [
        (EVENT, due.event.as_str()),
        (
            HeaderName::from_static(SIGNATURE_HEADER),
            signature.as_str(),
        ),
    ] {
        let value = HeaderValue::from_str(text).expect("words and hex are header text");
        headers.insert(name, value);
    }
    let limits = Limits {
        headers: ANSWER_TIMEOUT,
        idle: ANSWER_TIMEOUT,
    };
    Ok(egress.send(request, &limits).await?.status().as_u16())
}

/// In words that name no address.
fn word_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refused(_) => "refused",
        Failure::Resolve(_) | Failure::Connect(_) => "unreachable",
        Failure::Tls(_) => "tls",
        Failure::ConnectTimeout { .. }
        | Failure::HeadersTimeout { .. }
        | Failure::IdleTimeout { .. }
        | Failure::BodyTimeout { .. } => "timeout",
        Failure::Closed(_) => "closed",
        Failure::Redirected { .. } => "redirected",
        Failure::TooLarge { .. }
        | Failure::Declined { .. }
        | Failure::Encoding { .. }
        | Failure::Protocol(_) => "protocol",
    }
}
