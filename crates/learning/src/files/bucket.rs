//! Files in a bucket of an S3-compatible service.
//! Opens no connection of its own: every request goes out through `egress`.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::FilesError;
use base::secret::Secret;
use egress::{Egress, Failure, Limits, Sent};

/// Largest answer of the service, in bytes: a file, or the text of an error.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Longest wait for a whole answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for the head of an answer, and in the middle of one. A file is sent before the head comes.
const LIMITS: Limits = Limits {
    headers: Duration::from_secs(60),
    idle: Duration::from_secs(15),
};
/// How often a request is sent again that failed.
const RETRIES_MAX: usize = 2;
/// How long it is tried: somebody waits for it.
const RETRY_TIME: Duration = Duration::from_secs(10);
/// The pause before the first time that a request is sent again; each one after it is twice as long.
const BACKOFF: Duration = Duration::from_millis(100);

/// Where the bucket is and who we are there.
#[derive(Debug, Clone)]
pub struct BucketSettings {
    /// `s3://BUCKET/PREFIX`.
    pub url: String,
    /// The service, unless it is Amazon's.
    pub endpoint: Option<String>,
    /// The region that the bucket is in.
    pub region: String,
    /// The number of the key.
    pub key_id: Secret,
    /// The key.
    pub key: Secret,
}

/// The store behind the settings. Nothing is asked of it yet.
pub(super) fn open(
    settings: &BucketSettings,
    egress: Egress,
) -> Result<Box<dyn ObjectStore>, FilesError> {
    let (bucket, prefix) = parse(&settings.url)?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&settings.region)
        .with_access_key_id(settings.key_id.expose())
        .with_secret_access_key(settings.key.expose())
        // Deleting many at once is not done, and not every service can.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: BACKOFF,
                ..BackoffConfig::default()
            },
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIME,
        });
    if let Some(endpoint) = &settings.endpoint {
        let refused = |refused| FilesError::Endpoint(endpoint.clone(), refused);
        egress.check_url(endpoint).map_err(refused)?;
        builder = builder.with_endpoint(endpoint);
    }
    // Whether a service may be spoken to in the clear is decided by `egress`.
    let store = builder
        .with_allow_http(true)
        .with_http_connector(WayOut(egress))
        .build()?;
    Ok(match prefix {
        "" => Box::new(store),
        prefix => Box::new(PrefixStore::new(store, prefix)),
    })
}

/// The bucket and the prefix in a URL.
fn parse(url: &str) -> Result<(&str, &str), FilesError> {
    let rest = url.strip_prefix("s3://").unwrap_or_default();
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_plain =
        Url::parse(url).is_ok_and(|url| url.query().is_none() && url.fragment().is_none());
    if bucket.is_empty() || !bucket.chars().all(is_name) || !is_plain {
        return Err(FilesError::Url(url.to_owned()));
    }
    Ok((bucket, prefix.trim_matches('/')))
}

/// Requests of the store, on their way through `egress`.
#[derive(Clone)]
struct WayOut(Egress);

impl fmt::Debug for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WayOut")
    }
}

impl HttpConnector for WayOut {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for WayOut {
    // What `async_trait`, in which the trait is written, makes of an `async fn`.
    fn call<'s, 'f>(
        &'s self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let request = http::Request::from_parts(head, body);
            let answer = self.0.send(request, &LIMITS).await.map_err(failed)?;
            let (head, body) = answer.into_parts();
            let whole = body.read_to_end(ANSWER_BYTES_MAX, ANSWER_TIMEOUT).await;
            let whole: Bytes = whole.map_err(failed)?;
            Ok(HttpResponse::from_parts(head, whole.into()))
        })
    }
}

/// A failure, with whether it is worth another try. Whatever we send may be sent twice.
fn failed(failure: Failure) -> HttpError {
    let kind = match (&failure, failure.sent()) {
        (Failure::Refused(_), _) => HttpErrorKind::Unknown,
        (_, Sent::Never) => HttpErrorKind::Connect,
        (Failure::Closed(_), _) => HttpErrorKind::Interrupted,
        (
            Failure::HeadersTimeout { .. }
            | Failure::IdleTimeout { .. }
            | Failure::BodyTimeout { .. },
            _,
        ) => HttpErrorKind::Timeout,
        (_, Sent::Maybe) => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_a_url() {
        assert_eq!(parse("s3://files").unwrap(), ("files", ""));
        assert_eq!(parse("s3://files/").unwrap(), ("files", ""));
        assert_eq!(
            parse("s3://my.files-1/a/b/").unwrap(),
            ("my.files-1", "a/b")
        );
        for url in [
            "",
            "files",
            "s3:files",
            "s3://",
            "s3:///a",
            "https://files/a",
            "s3://me:word@files/a",
            "s3://files/a?region=x",
            "s3://files/a#b",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
