//! Tools that always answer the same.
//! Must never wait or ask.

use serde_json::{Value, json};

use super::Call;

/// A 1×1 transparent PNG.
pub(crate) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==";

/// A WAV file of no samples.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// Finds the answer of a tool that has a fixed one.
pub(super) fn find(call: &Call<'_>) -> Option<Value> {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let image = json!({ "type": "image", "data": PNG, "mimeType": "image/png" });
    let content = match call.name() {
        "test_simple_text" => json!([text("This is a simple text response for testing.")]),
        "test_image_content" => json!([image]),
        "test_audio_content" => json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }]),
        "test_embedded_resource" => {
            let said = "This is an embedded resource content.";
            json!([resource("test://embedded-resource", "text/plain", said)])
        }
        "test_multiple_content_types" => {
            let said = r#"{"test":"data","value":123}"#;
            let embedded = resource("test://mixed-content-resource", "application/json", said);
            json!([text("Multiple content types test:"), image, embedded])
        }
        "test_error_handling" => {
            let said = text("This tool intentionally returns an error for testing");
            return Some(json!({ "content": [said], "isError": true }));
        }
        "test_mirrored_header" => json!([text(&format!("region {}", call.argument("region")))]),
        "json_schema_2020_12_tool" => json!([text("The schema is the answer.")]),
        "greet" => {
            let name = call.argument("name").as_str().unwrap_or("stranger");
            json!([text(&format!("Hello, {name}!"))])
        }
        _ => return None,
    };
    Some(json!({ "content": content }))
}

fn resource(uri: &str, mime_type: &str, text: &str) -> Value {
    let contents = json!({ "uri": uri, "mimeType": mime_type, "text": text });
    json!({ "type": "resource", "resource": contents })
}
