//! Multipart bodies: the published SDK's only working way in (docs/inside/contract.md#bodies).

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;

use base::error::{Error, Result};
use base::fields::{FIELDS_MAX, Fields, Upload};

/// Decodes a multipart body that is in memory already.
///
/// # Errors
/// `Malformed` if it does not follow its boundary, a text is not UTF-8, or there are too many parts.
pub(super) async fn multipart(media_type: &str, body: Bytes) -> Result<Fields> {
    if body.is_empty() {
        return Ok(Fields::default());
    }
    let request = Request::builder().header(CONTENT_TYPE, media_type);
    let mut request = request.body(Body::from(body)).map_err(Error::internal)?;
    // The body was limited when it was read.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|error| malformed(&error.body_text()))?;
    let mut fields = Fields::default();
    let mut count = 0;
    while let Some(part) = parts
        .next_field()
        .await
        .map_err(|e| malformed(&e.body_text()))?
    {
        count += 1;
        if count > FIELDS_MAX {
            return Err(Error::Malformed(format!(
                "more than {FIELDS_MAX} form fields"
            )));
        }
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let content = part.bytes().await.map_err(|e| malformed(&e.body_text()))?;
        if let Some(file_name) = file_name {
            fields.add_file(&name, Upload { file_name, content });
        } else {
            let text = String::from_utf8(content.into());
            fields.add_text(&name, text.map_err(|_| malformed("a text is not UTF-8"))?);
        }
    }
    Ok(fields)
}

fn malformed(why: &str) -> Error {
    Error::Malformed(format!("Multipart form parse error - {why}"))
}
