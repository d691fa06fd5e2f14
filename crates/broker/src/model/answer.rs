//! The answer of a Chat Completions endpoint, put together from its pieces.
//! Never holds more of one than the limits allow, whatever the endpoint sends.

use serde::Deserialize;

/// Longest answer, in bytes: its text and what it asks to be called.
pub(super) const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Tools that a model may call in one answer.
const CALLS_MAX: usize = 16;

/// A piece of an answer, or a whole one.
#[derive(Debug, Default, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    /// What some endpoints send instead of a status.
    error: Option<serde::de::IgnoredAny>,
    /// What the whole answer cost; of a stream only its last piece has it.
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    /// Of a piece.
    delta: Option<Part>,
    /// Of a whole answer.
    message: Option<Part>,
}

#[derive(Debug, Default, Deserialize)]
struct Part {
    content: Option<String>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Debug, Deserialize)]
struct CallPart {
    index: Option<usize>,
    id: Option<String>,
    function: Option<FunctionPart>,
}

#[derive(Debug, Default, Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<String>,
}

/// A call that the model asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id, for the answer to it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON, as the model wrote it.
    pub arguments: String,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is not what the protocol says, or says that it failed.
    Protocol,
    /// It is more than is held.
    TooLarge,
}

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub struct Answer {
    /// What the model says.
    pub text: String,
    /// What it asks to be called.
    pub calls: Vec<ToolCall>,
    /// What question and answer cost together, if the endpoint has said so.
    pub tokens: Option<u64>,
    bytes: usize,
}

impl Answer {
    /// Adds a piece and returns its text.
    ///
    /// # Errors
    /// [`Broken`]; the answer is then of no use.
    pub(super) fn add(&mut self, json: &[u8]) -> Result<Option<String>, Broken> {
        let chunk: Chunk = serde_json::from_slice(json).map_err(|_| Broken::Protocol)?;
        if chunk.error.is_some() {
            return Err(Broken::Protocol);
        }
        self.tokens = chunk
            .usage
            .and_then(|usage| usage.total_tokens)
            .or(self.tokens);
        // Pieces that only count tokens have no choice.
        let Some(choice) = chunk.choices.into_iter().next() else {
            return Ok(None);
        };
        let part = choice.delta.or(choice.message).unwrap_or_default();
        for (place, call) in part.tool_calls.unwrap_or_default().into_iter().enumerate() {
            self.add_call(call.index.unwrap_or(place), call)?;
        }
        let text = part.content.filter(|text| !text.is_empty());
        if let Some(text) = &text {
            self.count(text.len())?;
            self.text.push_str(text);
        }
        Ok(text)
    }

    fn add_call(&mut self, index: usize, part: CallPart) -> Result<(), Broken> {
        if index >= CALLS_MAX {
            return Err(Broken::TooLarge);
        }
        if self.calls.len() <= index {
            self.calls.resize(index + 1, ToolCall::default());
        }
        let function = part.function.unwrap_or_default();
        let texts = [part.id, function.name, function.arguments];
        self.count(texts.iter().flatten().map(String::len).sum())?;
        let call = &mut self.calls[index];
        let [id, name, arguments] = texts.map(Option::unwrap_or_default);
        call.id.push_str(&id);
        call.name.push_str(&name);
        call.arguments.push_str(&arguments);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Broken> {
        self.bytes += bytes;
        match self.bytes > TEXT_BYTES_MAX {
            true => Err(Broken::TooLarge),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_put_together_from_its_pieces() {
        let mut answer = Answer::default();
        for piece in [
            r#"{"choices":[{"delta":{"role":"assistant","content":"Let me "}}]}"#,
            r#"{"choices":[{"delta":{"content":"look."}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"up__echo","arguments":"{\"a\""}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"id":"c2","function":{"name":"x"}}]}}]}"#,
            r#"{"choices":[],"usage":{"total_tokens":9}}"#,
        ] {
            answer.add(piece.as_bytes()).unwrap();
        }
        assert_eq!(answer.text, "Let me look.");
        assert_eq!(answer.tokens, Some(9));
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        assert_eq!(
            answer.calls,
            [call("c1", "up__echo", r#"{"a":1}"#), call("c2", "x", "")]
        );
    }

    #[test]
    fn a_whole_answer_is_one_piece() {
        let mut answer = Answer::default();
        let whole = br#"{"choices":[{"message":{"content":"hi","tool_calls":null}}]}"#;
        assert_eq!(answer.add(whole), Ok(Some("hi".into())));
    }

    #[test]
    fn what_is_broken_or_endless_is_refused() {
        let mut answer = Answer::default();
        assert_eq!(answer.add(b"<html>"), Err(Broken::Protocol));
        let failed = br#"{"error":{"message":"no credit"}}"#;
        assert_eq!(answer.add(failed), Err(Broken::Protocol));
        let far = br#"{"choices":[{"delta":{"tool_calls":[{"index":99999}]}}]}"#;
        assert_eq!(answer.add(far), Err(Broken::TooLarge));
        let long = "x".repeat(TEXT_BYTES_MAX);
        let piece = format!(r#"{{"choices":[{{"delta":{{"content":"{long}"}}}}]}}"#);
        assert!(answer.add(piece.as_bytes()).is_ok());
        assert_eq!(answer.add(piece.as_bytes()), Err(Broken::TooLarge));
    }
}
