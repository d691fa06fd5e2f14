//! Tools whose answers are hard to carry.
//! Must never be made easier: their oddities are what they are for.

use serde_json::{Value, json};

use crate::call::Call;
use crate::rpc::Answer;

use super::text;

/// The most that `big` answers.
const BIG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A 1×1 transparent PNG.
pub(crate) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==";

/// A WAV file of no samples.
pub(crate) const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

pub(super) fn big(call: &Call) -> Value {
    let bytes = call.arguments()["bytes"]
        .as_u64()
        .unwrap_or(1 << 20)
        .min(BIG_BYTES_MAX);
    text("x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX)))
}

/// Numbers that do not fit a double, explicit nulls, and members and `_meta` at every level.
pub(super) fn big_numbers() -> Answer {
    Answer::Raw(BIG_NUMBERS.trim_end().to_owned())
}

const BIG_NUMBERS: &str = include_str!("big_numbers.json");

/// One block of every type, each with its annotations.
pub(super) fn rich() -> Value {
    let annotations = json!({
        "audience": ["user", "assistant"],
        "priority": 0.7,
        "lastModified": "2026-07-28T12:00:00Z",
    });
    json!({
        "content": [
            { "type": "text", "text": "Grüße, 世界 \u{1F44B}\u{2028}<b>&amp;</b>", "annotations": annotations },
            { "type": "image", "data": PNG, "mimeType": "image/png", "annotations": annotations },
            { "type": "audio", "data": WAV, "mimeType": "audio/wav", "annotations": annotations },
            {
                "type": "resource",
                "resource": { "uri": "fixture://static/text", "mimeType": "text/plain", "text": "in words" },
                "annotations": annotations,
            },
            {
                "type": "resource",
                "resource": { "uri": "fixture://static/binary", "mimeType": "image/png", "blob": PNG },
            },
            {
                "type": "resource_link",
                "uri": "fixture://item/7",
                "name": "item-7",
                "title": "Item seven",
                "description": "To be read later.",
                "mimeType": "application/json",
                "size": 9_007_199_254_740_993_u64,
                "annotations": annotations,
                "_meta": { "com.example/kept": true },
            },
        ],
        "structuredContent": { "blocks": 6 },
        "isError": false,
        "_meta": { "com.example/kept": { "deep": [1, null, "x"] } },
    })
}
