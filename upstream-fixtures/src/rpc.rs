//! JSON-RPC messages as text and value together.
//! Must never re-encode what has to be answered as it came.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A message that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) raw: String,
    pub(crate) value: Value,
}

/// What a message is, by its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Notification,
    Response,
    Invalid,
}

impl Message {
    pub(crate) fn parse(text: &str) -> Result<Message, RpcError> {
        let value = serde_json::from_str(text).map_err(|_| RpcError::new(-32700, "Parse error"))?;
        Ok(Message {
            raw: text.to_owned(),
            value,
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        if self.value["jsonrpc"] != "2.0" {
            return Kind::Invalid;
        }
        let has_method = self.value["method"].is_string();
        match (has_method, self.id().is_some()) {
            (true, true) => Kind::Request,
            (true, false) => Kind::Notification,
            (false, true) if self.has("result") || self.has("error") => Kind::Response,
            (false, _) => Kind::Invalid,
        }
    }

    pub(crate) fn id(&self) -> Option<&Value> {
        self.value.get("id")
    }

    pub(crate) fn method(&self) -> &str {
        self.value["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn params(&self) -> &Value {
        &self.value["params"]
    }

    pub(crate) fn meta(&self, key: &str) -> &Value {
        &self.value["params"]["_meta"][key]
    }

    /// Returns the text of `params.arguments`, so that numbers beyond `f64` come back unharmed.
    pub(crate) fn raw_arguments(&self) -> &str {
        #[derive(Deserialize)]
        struct Outer<'a> {
            #[serde(borrow)]
            params: Inner<'a>,
        }
        #[derive(Deserialize)]
        struct Inner<'a> {
            #[serde(borrow)]
            arguments: &'a RawValue,
        }
        serde_json::from_str::<Outer<'_>>(&self.raw)
            .map_or("{}", |outer| outer.params.arguments.get())
    }

    fn has(&self, member: &str) -> bool {
        self.value.get(member).is_some()
    }
}

/// An error as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> RpcError {
        RpcError {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(crate) fn with(mut self, data: Value) -> RpcError {
        self.data = Some(data);
        self
    }

    pub(crate) fn invalid_params(message: impl Into<String>) -> RpcError {
        RpcError::new(-32602, message)
    }

    pub(crate) fn unknown_method(method: &str) -> RpcError {
        RpcError::new(-32601, "Method not found").with(json!({ "method": method }))
    }
}

/// What a method answers: a value, or text that must not be re-encoded.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Value(Value),
    Raw(String),
}

impl From<Value> for Answer {
    fn from(value: Value) -> Answer {
        Answer::Value(value)
    }
}

/// What a method comes to.
pub(crate) type Outcome = Result<Answer, RpcError>;

/// Returns the text of a successful response; `result` is JSON already.
pub(crate) fn result_text(id: &Value, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// Returns the text of an error response.
pub(crate) fn error_text(id: &Value, error: &RpcError) -> String {
    let mut body = Map::new();
    body.insert("code".into(), error.code.into());
    body.insert("message".into(), error.message.clone().into());
    if let Some(data) = &error.data {
        body.insert("data".into(), data.clone());
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": body }).to_string()
}

/// Returns the text of a notification.
pub(crate) fn notification_text(method: &str, params: &Value) -> String {
    match params {
        Value::Null => json!({ "jsonrpc": "2.0", "method": method }).to_string(),
        params => json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string(),
    }
}
