//! The four lists, page by page.
//! Must never answer a cursor it did not give.

use serde_json::{Value, json};

use crate::call::Call;
use crate::rpc::{Outcome, RpcError};

/// Answers one page of a list; `member` is the member that holds the items.
pub(crate) fn page(call: &Call, member: &str, items: Vec<Value>) -> Outcome {
    let start = match &call.params()["cursor"] {
        Value::Null => 0,
        Value::String(cursor) => find_start(cursor, items.len())?,
        _ => return Err(RpcError::invalid_params("cursor is not a string")),
    };
    let size = call.app.behaviour.page_size;
    let end = start.saturating_add(size).min(items.len());
    let mut result = json!({});
    result[member] = items[start..end].into();
    if end < items.len() {
        result["nextCursor"] = format!("after:{end}").into();
    }
    Ok(cacheable(call, result).into())
}

/// Adds what a modern client needs to know before it keeps a result.
pub(crate) fn cacheable(call: &Call, mut result: Value) -> Value {
    if call.revision.is_modern() {
        result["ttlMs"] = call.app.behaviour.ttl_ms.into();
        result["cacheScope"] = call.app.behaviour.cache_scope.clone().into();
    }
    result
}

fn find_start(cursor: &str, len: usize) -> Result<usize, RpcError> {
    let start = cursor
        .strip_prefix("after:")
        .and_then(|start| start.parse().ok());
    start
        .filter(|start| *start <= len)
        .ok_or_else(|| RpcError::invalid_params("unknown cursor").with(json!({ "cursor": cursor })))
}
