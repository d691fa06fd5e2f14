//! What is said beside the answer to a secret that was saved. The answer itself keeps the shape that clients know.

use http::HeaderValue;
use http::header::WARNING;
use serde_json::Value;

use super::super::answer::Answer;
use base::fields::Fields;
use broker::credentials::headers::is_hidden_in_errors_alone;

const SHORT_SECRET: HeaderValue = HeaderValue::from_static(
    "299 - \"a secret of less than 16 bytes is hidden in errors alone if the server says it back\"",
);

/// The answer, with a warning if the fields have a secret that is short.
pub(super) fn warned(answer: Answer, fields: &Fields) -> Answer {
    let fields = fields.to_json();
    let credentials = fields.get("credentials").and_then(Value::as_str);
    let extra = fields.get("extra_headers").and_then(Value::as_object);
    let extra = extra.into_iter().flatten();
    let extra = extra.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let mut all = credentials
        .map(|it| ("authorization", it))
        .into_iter()
        .chain(extra);
    if all.any(|(name, value)| is_hidden_in_errors_alone(name, value)) {
        answer.with_header(WARNING, SHORT_SECRET)
    } else {
        answer
    }
}
