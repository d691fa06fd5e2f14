//! The resources that scenarios read.
//! Must never answer an empty list for a resource that does not exist.

use rmcp::ErrorData;
use rmcp::model::ReadResourceResult;
use serde_json::json;

use crate::server::complete;
use crate::skills;
use crate::tools::PNG;

pub(crate) fn read(uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let template = uri
        .strip_prefix("test://template/")
        .and_then(|rest| rest.strip_suffix("/data"));
    let contents = match (uri, template) {
        ("test://static-text", _) => json!({
            "uri": uri,
            "mimeType": "text/plain",
            "text": "This is the content of the static text resource.",
        }),
        ("test://static-binary", _) => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        ("test://watched-resource", _) => {
            json!({ "uri": uri, "mimeType": "text/plain", "text": "Watched." })
        }
        (uri, None) if skills::find(uri).is_some() => {
            json!({ "uri": uri, "mimeType": "text/markdown", "text": skills::find(uri) })
        }
        (_, Some(id)) => {
            let data = format!("Data for ID: {id}");
            let text = json!({ "id": id, "templateTest": true, "data": data }).to_string();
            json!({ "uri": uri, "mimeType": "application/json", "text": text })
        }
        (_, None) => {
            let data = Some(json!({ "uri": uri }));
            return Err(ErrorData::resource_not_found("Resource not found", data));
        }
    };
    complete(json!({ "contents": [contents] }))
}
