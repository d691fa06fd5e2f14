//! The prompts that scenarios get, and their completion.
//! Must never ask the client for more than the one context.

use rmcp::ErrorData;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, InputRequiredResult,
};
use serde_json::{Value, json};

use crate::server::{complete as completed, typed};
use crate::tools::PNG;

/// Values that complete the argument `arg1`.
const PLACES: [&str; 3] = ["paris", "park", "party"];

pub(crate) fn get(request: GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name: &str| -> String {
        let arguments = request.arguments.as_ref();
        let value = arguments
            .and_then(|arguments| arguments.get(name))
            .and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let text = |text: &str| json!({ "type": "text", "text": text });
    let contents = match request.name.as_str() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1"), argument("arg2"));
            vec![text(&format!(
                "Prompt with arguments: arg1='{first}', arg2='{second}'"
            ))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            });
            let embedded = json!({ "type": "resource", "resource": resource });
            vec![
                embedded,
                text("Please process the embedded resource above."),
            ]
        }
        "test_prompt_with_image" => {
            let image = json!({ "type": "image", "data": PNG, "mimeType": "image/png" });
            vec![image, text("Please analyze the image above.")]
        }
        "test_input_required_result_prompt" => {
            let answers = request.input_responses.as_ref();
            match answers.and_then(|answers| answers.get("user_context")) {
                None => return Ok(typed::<InputRequiredResult>(context_wanted())?.into()),
                Some(answer) => {
                    let context = answer["content"]["context"].as_str().unwrap_or("none");
                    vec![text(&format!("Mind this context: {context}"))]
                }
            }
        }
        unknown => {
            return Err(ErrorData::invalid_params(
                format!("Unknown prompt: {unknown}"),
                None,
            ));
        }
    };
    let message = |content| json!({ "role": "user", "content": content });
    let messages: Vec<Value> = contents.into_iter().map(message).collect();
    Ok(completed::<GetPromptResult>(json!({ "messages": messages }))?.into())
}

fn context_wanted() -> Value {
    let schema = json!({
        "type": "object",
        "properties": { "context": { "type": "string" } },
        "required": ["context"],
    });
    let message = "What context should the prompt use?";
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let request = json!({ "method": "elicitation/create", "params": params });
    json!({ "resultType": "input_required", "inputRequests": { "user_context": request } })
}

pub(crate) fn complete(request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let begins = |place: &&&str| place.starts_with(request.argument.value.as_str());
    let values: Vec<&str> = match request.argument.name.as_str() {
        "arg1" => PLACES.iter().filter(begins).copied().collect(),
        _ => Vec::new(),
    };
    let total = values.len();
    completed(json!({ "completion": { "values": values, "total": total, "hasMore": false } }))
}
