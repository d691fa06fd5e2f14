//! What was asked of a server with a manner, and what it says: bytes that are sent as they are.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

/// One HTTP request.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The verb.
    pub(crate) verb: String,
    /// The message; null if there is none.
    pub(crate) message: Value,
    /// Whether it names a session that the server knows.
    pub(crate) is_known: bool,
    /// Whether it names a session that was forgotten.
    pub(crate) is_stale: bool,
    /// The last call in the session before this request.
    pub(crate) last_call: Value,
    /// How often the session's own stream was opened before.
    pub(crate) polls: usize,
}

/// What is sent back.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// The connection stays open and silent after the body.
    pub(crate) hangs: bool,
    /// Nothing is sent: the connection is closed.
    pub(crate) dies: bool,
    /// How long the body takes to come, in ms.
    pub(crate) late_ms: u64,
}

impl Asked {
    /// The method; empty if there is none.
    pub(crate) fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    /// Whether it is a request of a client that speaks to this server as it should.
    pub(crate) fn is_request(&self) -> bool {
        self.verb == "POST" && !self.message["id"].is_null() && !self.method().is_empty()
    }

    /// Whether it calls the tool.
    pub(crate) fn is_call(&self) -> bool {
        self.method() == "tools/call"
    }

    /// Whether it is the notification after the handshake.
    pub(crate) fn is_initialized(&self) -> bool {
        self.method() == "notifications/initialized"
    }

    /// The id as it was sent.
    pub(crate) fn id(&self) -> String {
        self.message["id"].to_string()
    }

    /// The well result.
    pub(crate) fn result(&self) -> Value {
        match self.method() {
            "initialize" => json!({
                "protocolVersion": self.message["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "manners", "version": "1" },
            }),
            "tools/list" => json!({ "tools": [
                { "name": "echo", "description": "Says it back.", "inputSchema": { "type": "object" } },
            ] }),
            "tools/call" => json!({ "content": [
                { "type": "text", "text": self.message["params"]["arguments"]["text"] },
            ] }),
            _ => json!({}),
        }
    }

    /// The well response as text, with this for the id.
    pub(crate) fn response_as(&self, id: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#,
            self.result()
        )
    }

    /// The well response as text.
    pub(crate) fn response(&self) -> String {
        self.response_as(&self.id())
    }

    /// The answer to `initialize` with a member of its result changed, or taken out; others are well.
    pub(crate) fn handshake_with(&self, member: &str, value: Option<Value>) -> Option<Reply> {
        if self.method() != "initialize" {
            return None;
        }
        let mut result = self.result();
        match value {
            Some(value) => result[member] = value,
            None => drop(result.as_object_mut()?.remove(member)),
        }
        let text = json!({ "jsonrpc": "2.0", "id": self.message["id"], "result": result });
        Some(Reply::json(text.to_string()))
    }

    /// An error response as text.
    pub(crate) fn error(&self, code: i64, message: &str) -> String {
        let id = &self.message["id"];
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
            .to_string()
    }

    /// The well reply to any request.
    pub(crate) fn well(&self) -> Reply {
        Reply::json(self.response())
    }
}

impl Reply {
    /// A status with a body of this type; an empty type is none.
    pub(crate) fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let reply = Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            hangs: false,
            dies: false,
            late_ms: 0,
        };
        match content_type {
            "" => reply,
            content_type => reply.with("content-type", content_type),
        }
    }

    /// A JSON answer.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, "application/json", body)
    }

    /// An event stream with these bytes.
    pub(crate) fn events(body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, "text/event-stream", body)
    }

    /// An event stream with this one message.
    pub(crate) fn event(message: &str) -> Self {
        Self::events(format!("event: message\ndata: {message}\n\n"))
    }

    /// A status in plain text.
    pub(crate) fn plain(status: u16, text: &str) -> Self {
        Self::of(status, "text/plain", text)
    }

    /// A status and nothing else.
    pub(crate) fn empty(status: u16) -> Self {
        Self::of(status, "", "")
    }

    /// The connection is closed without a word.
    pub(crate) fn death() -> Self {
        Self {
            dies: true,
            ..Self::empty(200)
        }
    }

    /// The same, and the connection stays open.
    pub(crate) fn hanging(self) -> Self {
        Self {
            hangs: true,
            ..self
        }
    }

    /// The same, whose body comes later than its head.
    pub(crate) fn late(self, ms: u64) -> Self {
        Self {
            late_ms: ms,
            ..self
        }
    }

    /// The same with another header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same packed in an encoding, or in one after the other.
    pub(crate) fn packed(mut self, encodings: &str) -> Self {
        for encoding in encodings.split(", ") {
            self.body = pack(encoding, &self.body);
        }
        self.with("content-encoding", encodings)
    }
}

fn pack(encoding: &str, body: &[u8]) -> Vec<u8> {
    let packed = |result: std::io::Result<Vec<u8>>| result.unwrap_or_default();
    match encoding.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            packed(packer.write_all(body).and_then(|()| packer.finish()))
        }
        "deflate" => {
            let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
            packed(packer.write_all(body).and_then(|()| packer.finish()))
        }
        "raw-deflate" => {
            let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
            packed(packer.write_all(body).and_then(|()| packer.finish()))
        }
        "br" => unpacked_brotli(body),
        "zstd" => unpacked_zstd(body),
        _ => body.to_vec(),
    }
}

/// Brotli (RFC 7932 section 9.2): one stored block of at most 64 KiB, then the empty last one.
fn unpacked_brotli(body: &[u8]) -> Vec<u8> {
    let head = ((body.len() as u32).wrapping_sub(1) << 4) | (1 << 20);
    [&head.to_le_bytes()[..3], body, &[3]].concat()
}

/// Zstandard (RFC 8878 section 3.1): one segment with its size in four bytes, and one raw block.
fn unpacked_zstd(body: &[u8]) -> Vec<u8> {
    let size = body.len() as u32;
    let block = (size << 3) | 1;
    let head = [0x28, 0xB5, 0x2F, 0xFD, 0xA0];
    [
        &head[..],
        &size.to_le_bytes(),
        &block.to_le_bytes()[..3],
        body,
    ]
    .concat()
}
