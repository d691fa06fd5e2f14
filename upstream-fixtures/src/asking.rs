//! Tools, prompts and resources that need the client's help: elicitation, sampling, roots.
//! Must never ask for what the client did not declare.
//!
//! A legacy client is asked with a request on the stream of the call; a modern one gets an
//! `input_required` result and comes back with the answers.

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::rpc::{Outcome, RpcError};

/// A question to the client.
pub(crate) struct Question {
    /// Its key in `inputRequests`.
    pub(crate) key: String,
    pub(crate) method: &'static str,
    pub(crate) capability: &'static str,
    pub(crate) params: Value,
}

/// The answers by key, or the interim result that asks for them.
pub(crate) enum Asked {
    Answers(Map<String, Value>),
    Interim(Value),
}

/// Asks the user, in one or more rounds, each for one answer.
pub(crate) async fn ask(call: &Call) -> Outcome {
    let rounds = call.arguments()["rounds"].as_u64().unwrap_or(1).clamp(1, 9);
    let rounds = (1..=rounds).map(|round| vec![elicitation(call, &format!("answer-{round}"))]);
    finish(rounds_of(call, rounds.collect()).await?)
}

/// Asks the model.
pub(crate) async fn sample(call: &Call) -> Outcome {
    finish(rounds_of(call, vec![vec![sampling(call)]]).await?)
}

/// Asks for the client's roots.
pub(crate) async fn roots(call: &Call) -> Outcome {
    finish(rounds_of(call, vec![vec![root_list()]]).await?)
}

/// Asks all three in one round.
pub(crate) async fn ask_all(call: &Call) -> Outcome {
    let questions = vec![elicitation(call, "answer-1"), sampling(call), root_list()];
    finish(rounds_of(call, vec![questions]).await?)
}

/// Asks the user once, for a prompt or a resource; `None` when the answer is still to come.
pub(crate) async fn ask_once(call: &Call) -> Result<Asked, RpcError> {
    rounds_of(call, vec![vec![elicitation(call, "answer-1")]]).await
}

fn finish(asked: Asked) -> Outcome {
    let answers = match asked {
        Asked::Interim(result) => return Ok(result.into()),
        Asked::Answers(answers) => Value::from(answers),
    };
    Ok(json!({
        "content": [{ "type": "text", "text": answers.to_string() }],
        "structuredContent": { "answers": answers },
        "isError": false,
    })
    .into())
}

async fn rounds_of(call: &Call, rounds: Vec<Vec<Question>>) -> Result<Asked, RpcError> {
    for question in rounds.iter().flatten() {
        if !call.client_can(question.capability) {
            return Err(lacking(call, question.capability));
        }
    }
    if call.revision.is_modern() {
        return next_round(call, &rounds);
    }
    let mut answers = Map::new();
    for question in rounds.into_iter().flatten() {
        let asked = call
            .session
            .ask(&call.outlet, question.method, &question.params);
        answers.insert(question.key, asked.await?);
    }
    Ok(Asked::Answers(answers))
}

fn lacking(call: &Call, capability: &str) -> RpcError {
    let message = format!("the client does not offer {capability}");
    if !call.revision.is_modern() {
        return RpcError::new(-32603, message);
    }
    RpcError::new(-32021, message).with(json!({ "requiredCapabilities": { capability: {} } }))
}

/// Gathers the answers of a retry, and asks for the first that are still missing.
fn next_round(call: &Call, rounds: &[Vec<Question>]) -> Result<Asked, RpcError> {
    let mut gathered = match &call.params()["requestState"] {
        Value::Null => Map::new(),
        state => {
            let kept = state.as_str().and_then(|token| call.app.take_state(token));
            let unknown = || RpcError::invalid_params("requestState is not one of ours");
            kept.and_then(|kept| kept.as_object().cloned())
                .ok_or_else(unknown)?
        }
    };
    for (key, answer) in call.params()["inputResponses"]
        .as_object()
        .into_iter()
        .flatten()
    {
        if rounds.iter().flatten().any(|question| question.key == *key) {
            gathered.insert(key.clone(), answer.clone());
        }
    }
    let is_open = |question: &&Question| !gathered.contains_key(&question.key);
    let Some(open) = rounds
        .iter()
        .find(|round| round.iter().any(|question| is_open(&question)))
    else {
        return Ok(Asked::Answers(gathered));
    };
    let mut requests = Map::new();
    for question in open.iter().filter(is_open) {
        let request = json!({ "method": question.method, "params": question.params });
        requests.insert(question.key.clone(), request);
    }
    Ok(Asked::Interim(json!({
        "resultType": "input_required",
        "inputRequests": requests,
        "requestState": call.app.keep_state(gathered.into()),
    })))
}

fn elicitation(call: &Call, key: &str) -> Question {
    let message = call.arguments()["question"]
        .as_str()
        .unwrap_or("What is your name?");
    let mut params = json!({ "message": message });
    if call.arguments()["mode"] == "url" {
        params["mode"] = "url".into();
        params["url"] = "https://example.com/fixture/sign-in".into();
        // Since 2026-07-28 the answer itself says how it ended, so there is no id to wait for.
        if !call.revision.is_modern() {
            params["elicitationId"] = format!("elicitation-{key}").into();
        }
    } else {
        params["requestedSchema"] = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "title": "Name", "minLength": 1 },
                "age": { "type": "integer", "minimum": 0, "maximum": 150 },
                "newsletter": { "type": "boolean", "default": false },
            },
            "required": ["name"],
        });
    }
    Question {
        key: key.to_owned(),
        method: "elicitation/create",
        capability: "elicitation",
        params,
    }
}

fn sampling(call: &Call) -> Question {
    let prompt = call.arguments()["prompt"]
        .as_str()
        .unwrap_or("Say something.");
    let params = json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
        "modelPreferences": { "hints": [{ "name": "small" }], "speedPriority": 0.7 },
        "systemPrompt": "You are tested.",
        "maxTokens": 100,
    });
    let (method, capability) = ("sampling/createMessage", "sampling");
    Question {
        key: "sample".to_owned(),
        method,
        capability,
        params,
    }
}

fn root_list() -> Question {
    let (method, capability) = ("roots/list", "roots");
    Question {
        key: "roots".to_owned(),
        method,
        capability,
        params: json!({}),
    }
}
