//! How an allowance stands, as headers of an answer (6.3.5.2, 8.5.2).
//! Decides nothing and writes no body: each face has its own.

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

use tenancy::rate_limit::{Refused, Standing};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const SCOPE: HeaderName = HeaderName::from_static("x-ratelimit-scope");
const DEGRADED: HeaderName = HeaderName::from_static("x-ratelimit-degraded");

/// Writes how the allowance stands.
pub fn write_standing(headers: &mut HeaderMap, standing: &Standing) {
    headers.insert(LIMIT, standing.rate.max.into());
    headers.insert(REMAINING, standing.remaining.into());
    headers.insert(RESET, standing.reset_at_s().into());
    headers.insert(SCOPE, HeaderValue::from_static(standing.scope));
    if standing.is_degraded {
        headers.insert(DEGRADED, HeaderValue::from_static("1"));
    }
}

/// Writes how the allowance stands that was used up, and when to come again.
pub fn write_refusal(headers: &mut HeaderMap, refused: &Refused) {
    write_standing(headers, &refused.standing);
    headers.insert(RETRY_AFTER, refused.retry_after_s().into());
}
