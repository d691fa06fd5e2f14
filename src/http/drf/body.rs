//! Reads a body of any accepted media type into [`Fields`], within named limits.

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::form;
use base::error::{Error, Result};
use base::fields::{Fields, json, python};

/// Largest body of a JSON or urlencoded request.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Largest body of a multipart request: an image of 2 MB and the fields beside it.
pub(crate) const MULTIPART_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Decodes a request body. No bytes at all are no fields, whatever the media type (docs/inside/contract.md#bodies).
///
/// # Errors
/// `TooLarge`, `UnsupportedMediaType`, or `Malformed` for what cannot be decoded.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Fields> {
    let value = headers.get(CONTENT_TYPE);
    let value = value.map_or(Ok(""), |value| value.to_str());
    let media_type = value.map_err(|_| Error::UnsupportedMediaType(String::new()))?;
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" | "application/merge-patch+json" => {
            let bytes = collect(headers, body, BODY_BYTES_MAX).await?;
            if bytes.is_empty() {
                return Ok(Fields::default());
            }
            match json::parse(&bytes)? {
                Value::Object(members) => Ok(Fields::from_json(members)),
                other => Err(not_an_object(&other)),
            }
        }
        "application/x-www-form-urlencoded" => {
            Fields::from_urlencoded(&collect(headers, body, BODY_BYTES_MAX).await?)
        }
        "multipart/form-data" => {
            let bytes = collect(headers, body, MULTIPART_BYTES_MAX).await?;
            form::multipart(media_type, bytes).await
        }
        _ => {
            let is_empty = collect(headers, body, BODY_BYTES_MAX).await?.is_empty();
            if is_empty {
                Ok(Fields::default())
            } else {
                Err(Error::UnsupportedMediaType(media_type.to_owned()))
            }
        }
    }
}

/// Decodes a request body that must be a multipart form.
///
/// # Errors
/// `TooLarge`, `UnsupportedMediaType` for everything else, or `Malformed` for what cannot be decoded.
pub(crate) async fn read_form(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Fields> {
    let value = headers.get(CONTENT_TYPE);
    let media_type = value.and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return Err(Error::UnsupportedMediaType(media_type.to_owned()));
    }
    let bytes = collect(headers, body, max_bytes).await?;
    form::multipart(media_type, bytes).await
}

async fn collect(headers: &HeaderMap, body: Body, max_bytes: usize) -> Result<Bytes> {
    let declared = headers.get(CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > max_bytes) {
        return Err(Error::TooLarge { max_bytes });
    }
    match Limited::new(body, max_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge { max_bytes }),
        Err(_) => Err(Error::Malformed("the body ended early".into())),
    }
}

fn not_an_object(value: &Value) -> Error {
    let kind = python::type_of(value);
    let message = format!("Invalid data. Expected a dictionary, but got {kind}.");
    Error::field("non_field_errors", message)
}
