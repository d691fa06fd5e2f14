//! What a client declared that it can answer.

use mcp::{Message, RawObject};

/// Whether the client declared that it can answer a question.
pub(crate) fn can_answer(capabilities: &[u8], ask: &Message) -> bool {
    let capabilities = RawObject::parse(capabilities).unwrap_or_default();
    match ask.method.as_deref() {
        Some("elicitation/create") => {
            let elicitation = capabilities
                .get("elicitation")
                .and_then(|modes| RawObject::parse(modes).ok());
            let has = |mode| elicitation.as_ref().is_some_and(|e| e.get(mode).is_some());
            let mode = RawObject::parse(ask.params_or_empty())
                .ok()
                .and_then(|params| params.get_str("mode"));
            // An empty object means the form mode alone.
            match mode.as_deref() {
                Some("url") => has("url"),
                _ => elicitation.is_some() && (has("form") || !has("url")),
            }
        }
        Some("sampling/createMessage") => capabilities.get("sampling").is_some(),
        Some("roots/list") => capabilities.get("roots").is_some(),
        _ => false,
    }
}

/// Whether an upstream asks for one of the capabilities of clients that this one did not declare.
pub(crate) fn is_undeclared(capabilities: &[u8], ask: &Message) -> bool {
    let needs_one = matches!(
        ask.method.as_deref(),
        Some("elicitation/create" | "sampling/createMessage" | "roots/list")
    );
    needs_one && !can_answer(capabilities, ask)
}
