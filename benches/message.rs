//! Requests as bytes that are made once; only the number in them changes from call to call.
//! Knows what an answer must contain, and nothing of how it gets here.

use std::sync::atomic::{AtomicU32, Ordering};

use memchr::memmem;

/// Where the number goes: as wide as every number, so that the length in the head stays true.
const PLACE: &str = "#########";
/// The first number; with nine digits, none begins with a zero, which JSON forbids.
const FIRST: u32 = 100_000_000;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"relay-bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

/// Where a client of the stateless revision speaks, and as whom.
#[derive(Clone)]
pub struct Door {
    pub path: String,
    pub authorization: String,
}

/// A request with a place for its number.
#[derive(Clone)]
pub struct Template {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

/// The number of a request, nine digits.
pub type Number = [u8; 9];

impl Template {
    /// Writes the next number into the request. No number comes twice in a process.
    pub fn stamp(&mut self) -> (&[u8], Number) {
        static NEXT: AtomicU32 = AtomicU32::new(FIRST);
        let mut number = Number::default();
        let mut left = NEXT.fetch_add(1, Ordering::Relaxed);
        for digit in number.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        for place in &self.places {
            self.bytes[*place..*place + number.len()].copy_from_slice(&number);
        }
        (&self.bytes, number)
    }

    fn new(text: String) -> Self {
        let bytes = text.into_bytes();
        let places = memmem::find_iter(&bytes, PLACE).collect();
        Self { bytes, places }
    }
}

impl Door {
    /// `tools/call` whose argument is 64 bytes of text that begin with the number.
    pub fn call(&self, tool: &str) -> Template {
        let filler = "x".repeat(64 - PLACE.len());
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{PLACE},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{PLACE}{filler}"}},{META}}}}}"#
        );
        let head = format!("mcp-method: tools/call\r\nmcp-name: {tool}\r\n");
        Template::new(self.modern(&head, &body))
    }

    /// `tools/list`, from the beginning or from where a page ended.
    pub fn list(&self, cursor: Option<&str>) -> Template {
        let cursor = cursor.map_or_else(String::new, |cursor| format!(r#""cursor":"{cursor}","#));
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{PLACE},"method":"tools/list","params":{{{cursor}{META}}}}}"#
        );
        Template::new(self.modern("mcp-method: tools/list\r\n", &body))
    }

    /// `initialize` of the newest revision with sessions.
    pub fn initialize(&self) -> Template {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{PLACE},"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"relay-bench","version":"1"}}}}}}"#
        );
        Template::new(self.post("", &body))
    }

    /// The same call by a client with a session.
    pub fn session_call(&self, tool: &str, session: &str) -> Template {
        let filler = "x".repeat(64 - PLACE.len());
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{PLACE},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{PLACE}{filler}"}}}}}}"#
        );
        let head = format!("mcp-protocol-version: 2025-11-25\r\nmcp-session-id: {session}\r\n");
        Template::new(self.post(&head, &body))
    }

    /// The stream of a session that belongs to no call.
    pub fn stream(&self, session: &str) -> Vec<u8> {
        let Self {
            path,
            authorization,
        } = self;
        format!(
            "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {authorization}\r\naccept: text/event-stream\r\n\
             mcp-protocol-version: 2025-11-25\r\nmcp-session-id: {session}\r\n\r\n"
        )
        .into_bytes()
    }

    /// A request of the REST surface.
    pub fn rest(&self, method: &str, body: &str) -> Vec<u8> {
        self.request(method, "", body).into_bytes()
    }

    fn modern(&self, head: &str, body: &str) -> String {
        self.post(&format!("mcp-protocol-version: 2026-07-28\r\n{head}"), body)
    }

    fn post(&self, head: &str, body: &str) -> String {
        let head = format!("accept: application/json, text/event-stream\r\n{head}");
        self.request("POST", &head, body)
    }

    fn request(&self, method: &str, head: &str, body: &str) -> String {
        let Self {
            path,
            authorization,
        } = self;
        format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {authorization}\r\n\
             content-type: application/json\r\n{head}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// Whether an answer is the one to the request with that number.
pub fn answers(body: &[u8], number: &Number) -> bool {
    // The id stands near the beginning, whoever wrote the message.
    let id = [b"\"id\":", &number[..]].concat();
    memmem::find(body, &id).is_some()
}

/// Whether the answer to a call brought its own text back.
pub fn echoes(body: &[u8], number: &Number) -> bool {
    let text = [b"\"text\":\"", &number[..]].concat();
    answers(body, number) && memmem::find(body, &text).is_some()
}

/// Where the list goes on.
pub fn next_cursor(body: &[u8]) -> Option<String> {
    // After the tools, and before the metadata.
    let at = memmem::rfind(body, b"\"nextCursor\":\"")? + b"\"nextCursor\":\"".len();
    let end = memchr::memchr(b'"', &body[at..])?;
    Some(String::from_utf8_lossy(&body[at..at + end]).into_owned())
}

/// How many tools a page has.
pub fn tools_in(body: &[u8]) -> usize {
    memmem::find_iter(body, b"\"inputSchema\"").count()
}
