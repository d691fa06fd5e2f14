//! The table: encodings, types, statuses, the optional stream, sessions. What a server says in HTTP.

use super::rows::row;
use super::{Asked, Manner, Must, Over, Reply};
use Must::{Accept, Refuse};
use Over::{Http, Sse};

const ALL: &[&str] = &super::SDKS;
const NONE: &[&str] = &[];

const JSON: &str = "application/json";

fn packed(a: &Asked, encoding: &str) -> Option<Reply> {
    a.is_request().then(|| a.well().packed(encoding))
}

fn typed(a: &Asked, content_type: &str) -> Option<Reply> {
    a.is_request()
        .then(|| Reply::of(200, content_type, a.response()))
}

fn event_typed(a: &Asked, content_type: &str) -> Option<Reply> {
    a.is_request()
        .then(|| Reply::of(200, content_type, format!("data: {}\n\n", a.response())))
}

fn answered(a: &Asked, status: u16) -> Option<Reply> {
    a.is_request()
        .then(|| Reply::of(status, JSON, a.response()))
}

fn call_answered(a: &Asked, status: u16) -> Option<Reply> {
    a.is_call().then(|| Reply::of(status, JSON, a.response()))
}

/// The answer to the notification after the handshake.
fn initialized(a: &Asked, reply: Reply) -> Option<Reply> {
    a.is_initialized().then_some(reply)
}

/// The answer to the GET that opens a session's own stream.
fn got(a: &Asked, reply: Reply) -> Option<Reply> {
    (a.verb == "GET").then_some(reply)
}

/// The answer to every request with a session that is over.
fn stale(a: &Asked, reply: impl FnOnce(&Asked) -> Reply) -> Option<Reply> {
    (a.is_stale && a.verb == "POST").then(|| reply(a))
}

fn stale_error(a: &Asked, status: u16, code: i64, message: &str) -> Option<Reply> {
    stale(a, |a| Reply::of(status, JSON, a.error(code, message)))
}

#[rustfmt::skip]
pub(super) const ROWS: &[Manner] = &[
    // Encodings, none of which was asked for.
    row!(Http, "gzip", Accept, ALL, "", |a| packed(a, "gzip")),
    row!(Http, "x_gzip", Accept, &["ts1", "ts2"], "", |a| packed(a, "x-gzip")),
    row!(Http, "gzip_upper_case", Accept, ALL, "", |a| packed(a, "GZIP")),
    row!(Http, "deflate", Accept, ALL, "", |a| packed(a, "deflate")),
    row!(Http, "deflate_raw", Accept, ALL, "", |a| a.is_request().then(|| {
        let raw = a.well().packed("raw-deflate").body;
        Reply::json(raw).with("content-encoding", "deflate")
    })),
    row!(Http, "brotli", Accept, &["ts1", "ts2"], "", |a| packed(a, "br")),
    row!(Http, "zstd", Refuse("encoding"), NONE, "", |a| packed(a, "zstd")),
    row!(Http, "gzip_twice", Accept, ALL, "", |a| packed(a, "gzip, gzip")),
    row!(Http, "identity", Accept, ALL, "", |a| packed(a, "identity")),
    row!(Http, "encoding_empty", Accept, ALL, "", |a| a.is_request().then(|| a.well().with("content-encoding", ""))),
    row!(Http, "encoding_utf_8", Accept, ALL, "", |a| packed(a, "utf-8")),
    row!(Http, "encoding_unknown", Refuse("encoding"), NONE, "", |a| a.is_call().then(|| Reply::json("\u{1}\u{2}").with("content-encoding", "compress"))),
    row!(Http, "gzip_that_is_none", Refuse("encoding"), NONE, "", |a| a.is_call().then(|| a.well().with("content-encoding", "gzip"))),
    row!(Http, "gzip_events", Accept, ALL, "", |a| a.is_request().then(|| Reply::event(&a.response()).packed("gzip"))),
    row!(Sse, "sse_gzip_of_the_post", Accept, ALL, "", |a| (a.verb == "POST").then(|| Reply::events(format!("data: {}\n\n", a.response())))),

    // Content types.
    row!(Http, "type_charset", Accept, ALL, "", |a| typed(a, "application/json; charset=utf-8")),
    row!(Http, "type_charset_quoted", Accept, ALL, "", |a| typed(a, "application/json;charset=\"UTF-8\"")),
    row!(Http, "type_upper_case", Accept, ALL, "", |a| typed(a, "Application/JSON")),
    row!(Http, "type_json_rpc", Accept, &["py1", "py2"], "", |a| typed(a, "application/json-rpc")),
    row!(Http, "type_latin_1", Accept, ALL, "", |a| typed(a, "application/json; charset=iso-8859-1")),
    row!(Http, "type_vendor", Refuse("type"), NONE, "", |a| typed(a, "application/vnd.api+json")),
    row!(Http, "type_text", Refuse("type"), NONE, "", |a| typed(a, "text/plain")),
    row!(Http, "type_html", Refuse("type"), NONE, "", |a| typed(a, "text/html; charset=utf-8")),
    row!(Http, "type_text_json", Refuse("type"), NONE, "", |a| typed(a, "text/json")),
    row!(Http, "type_missing", Refuse("type"), NONE, "", |a| typed(a, "")),
    row!(Http, "type_events_charset", Accept, ALL, "", |a| event_typed(a, "text/event-stream; charset=utf-8")),
    row!(Http, "type_events_charset_tight", Accept, ALL, "", |a| event_typed(a, "text/event-stream;charset=UTF-8")),
    row!(Http, "type_events_upper_case", Accept, &["ts1", "ts2", "py2"], "", |a| event_typed(a, "Text/Event-Stream")),
    row!(Http, "type_twice", Accept, &["py1", "py2"], "", |a| a.is_request().then(|| a.well().with("content-type", JSON))),
    row!(Http, "html_page", Refuse("type"), NONE, "", |a| a.is_call().then(|| Reply::of(200, "text/html", "<html>Login</html>"))),

    // Statuses of answers.
    row!(Http, "status_201", Accept, ALL, "", |a| answered(a, 201)),
    row!(Http, "status_202", Accept, NONE, "", |a| call_answered(a, 202)),
    row!(Http, "status_203", Accept, ALL, "", |a| answered(a, 203)),
    row!(Http, "status_206", Accept, ALL, "", |a| answered(a, 206)),
    row!(Http, "status_299", Accept, ALL, "", |a| answered(a, 299)),
    row!(Http, "status_204", Refuse("empty"), NONE, "", |a| a.is_call().then(|| Reply::empty(204))),
    row!(Http, "status_202_empty", Refuse("empty"), NONE, "", |a| a.is_call().then(|| Reply::empty(202))),
    row!(Http, "result_with_400", Refuse("http"), NONE, "", |a| call_answered(a, 400)),
    row!(Http, "result_with_500", Refuse("http"), NONE, "", |a| call_answered(a, 500)),

    // The notification after the handshake.
    row!(Http, "initialized_200", Accept, ALL, "", |a| initialized(a, Reply::empty(200))),
    row!(Http, "initialized_200_json", Accept, ALL, "", |a| initialized(a, Reply::json("{}"))),
    row!(Http, "initialized_200_null", Accept, ALL, "", |a| initialized(a, Reply::json("null"))),
    row!(Http, "initialized_200_response", Accept, ALL, "", |a| initialized(a, Reply::json(r#"{"jsonrpc":"2.0","id":null,"result":{}}"#))),
    row!(Http, "initialized_200_text", Accept, ALL, "", |a| initialized(a, Reply::plain(200, "Accepted"))),
    row!(Http, "initialized_200_html", Accept, ALL, "", |a| initialized(a, Reply::of(200, "text/html", "<html></html>"))),
    row!(Http, "initialized_200_events", Accept, ALL, "", |a| initialized(a, Reply::events(""))),
    row!(Http, "initialized_202_body", Accept, ALL, "", |a| initialized(a, Reply::plain(202, "Accepted"))),
    row!(Http, "initialized_204", Accept, ALL, "", |a| initialized(a, Reply::empty(204))),
    row!(Http, "initialized_400", Accept, &["py2"], "", |a| initialized(a, Reply::plain(400, "what?"))),
    row!(Http, "initialized_400_error", Accept, &["py2"], "", |a| initialized(a, Reply::of(400, JSON, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"Method not found"}}"#))),
    row!(Http, "initialized_404", Accept, &["py1", "py2"], "", |a| initialized(a, Reply::plain(404, "Not Found"))),
    row!(Http, "initialized_405", Accept, &["py2"], "", |a| initialized(a, Reply::empty(405))),
    row!(Http, "initialized_500", Accept, &["py2"], "", |a| initialized(a, Reply::plain(500, "oops"))),
    row!(Http, "initialized_501", Accept, &["py2"], "", |a| initialized(a, Reply::plain(501, "no"))),

    // The GET for a session's own stream, which a server need not have.
    row!(Http, "get_400", Accept, ALL, "", |a| got(a, Reply::plain(400, "Bad Request"))),
    row!(Http, "get_401", Accept, ALL, "", |a| got(a, Reply::plain(401, "Unauthorized"))),
    row!(Http, "get_403", Accept, ALL, "", |a| got(a, Reply::plain(403, "Forbidden"))),
    row!(Http, "get_404", Accept, ALL, "", |a| got(a, Reply::plain(404, "Not Found"))),
    row!(Http, "get_404_json", Accept, ALL, "", |a| got(a, Reply::of(404, JSON, r#"{"detail":"Not Found"}"#))),
    row!(Http, "get_406", Accept, ALL, "", |a| got(a, Reply::plain(406, "Not Acceptable"))),
    row!(Http, "get_409", Accept, ALL, "", |a| got(a, Reply::plain(409, "Conflict"))),
    row!(Http, "get_410", Accept, ALL, "", |a| got(a, Reply::plain(410, "Gone"))),
    row!(Http, "get_500", Accept, ALL, "", |a| got(a, Reply::plain(500, "oops"))),
    row!(Http, "get_501", Accept, ALL, "", |a| got(a, Reply::plain(501, "Not Implemented"))),
    row!(Http, "get_307", Accept, ALL, "", |a| got(a, Reply::empty(307).with("location", "/nowhere"))),
    row!(Http, "get_200_json", Accept, ALL, "", |a| got(a, Reply::json(r#"{"status":"ok"}"#))),
    row!(Http, "get_200_html", Accept, ALL, "", |a| got(a, Reply::of(200, "text/html", "<html>Welcome</html>"))),
    row!(Http, "get_200_empty", Accept, ALL, "", |a| got(a, Reply::empty(200))),
    row!(Http, "get_204", Accept, ALL, "", |a| got(a, Reply::empty(204))),
    row!(Http, "get_ends_at_once", Accept, ALL, "", |a| got(a, Reply::events(""))),
    row!(Http, "get_dies", Accept, ALL, "", |a| got(a, Reply::death())),
    row!(Http, "get_404_and_events", Accept, ALL, "", |a| match a.verb.as_str() {
        "GET" => Some(Reply::plain(404, "Not Found")),
        _ => a.is_request().then(|| Reply::event(&a.response()).late(150)),
    }),
    row!(Http, "get_worked_then_404", Accept, ALL, "", |a| match (a.verb.as_str(), a.polls) {
        ("GET", 0) => Some(Reply::events(": hello\n\n")),
        ("GET", _) => Some(Reply::plain(404, "Not Found")),
        _ => None,
    }),

    // Session ids.
    row!(Http, "session_none", Accept, ALL, "", |a| a.is_request().then(|| a.well().with("mcp-session-id", ""))),
    row!(Http, "session_long", Refuse("session id"), &["py1", "py2"], "what is kept and sent back with each request has a bound (security.md S11)", |a| a.is_request().then(|| a.well().with("mcp-session-id", "x".repeat(50_000)))),
    row!(Http, "session_with_a_space", Refuse("session id"), ALL, "the specification allows visible ASCII alone, and a proxy may cut the rest", |a| a.is_request().then(|| a.well().with("mcp-session-id", "a b"))),
    row!(Http, "session_not_ascii", Refuse("session id"), &["ts1", "ts2"], "the specification allows visible ASCII alone", |a| a.is_request().then(|| a.well().with("mcp-session-id", "caf\u{e9}"))),

    // A session that had worked and is over, whatever a server says of that.
    row!(Http, "stale_400", Accept, NONE, "", |a| stale(a, |_| Reply::plain(400, "Invalid or missing session ID"))),
    row!(Http, "stale_400_32000", Accept, NONE, "", |a| stale_error(a, 400, -32000, "Bad Request: No valid session ID provided")),
    row!(Http, "stale_400_not_initialized", Accept, NONE, "", |a| stale_error(a, 400, -32000, "Bad Request: Server not initialized")),
    row!(Http, "stale_400_32600", Accept, NONE, "", |a| stale_error(a, 400, -32600, "Invalid Request")),
    row!(Http, "stale_400_detail", Accept, NONE, "", |a| stale(a, |_| Reply::of(400, JSON, r#"{"detail":"unknown session"}"#))),
    row!(Http, "stale_401", Accept, NONE, "", |a| stale(a, |_| Reply::plain(401, "Unauthorized"))),
    row!(Http, "stale_401_challenge", Accept, NONE, "", |a| stale(a, |_| Reply::plain(401, "Unauthorized").with("www-authenticate", "Bearer realm=\"mcp\""))),
    row!(Http, "stale_403", Accept, NONE, "", |a| stale(a, |_| Reply::plain(403, "Forbidden"))),
    row!(Http, "stale_404", Accept, NONE, "", |a| stale(a, |_| Reply::plain(404, "Not Found"))),
    row!(Http, "stale_404_32001", Accept, NONE, "", |a| stale_error(a, 404, -32001, "Session not found")),
    row!(Http, "stale_404_32601", Accept, NONE, "", |a| stale_error(a, 404, -32601, "Method not found")),
    row!(Http, "stale_405", Accept, NONE, "", |a| stale(a, |_| Reply::empty(405))),
    row!(Http, "stale_409", Accept, NONE, "", |a| stale(a, |_| Reply::plain(409, "Conflict"))),
    row!(Http, "stale_410", Accept, NONE, "", |a| stale(a, |_| Reply::plain(410, "Gone"))),
    row!(Http, "stale_412", Accept, NONE, "", |a| stale(a, |_| Reply::plain(412, "Precondition Failed"))),
    row!(Http, "stale_422", Accept, NONE, "", |a| stale(a, |_| Reply::of(422, JSON, r#"{"error":"session"}"#))),
    row!(Http, "stale_440", Accept, NONE, "", |a| stale(a, |_| Reply::plain(440, "Login Time-out"))),
    row!(Http, "stale_500", Accept, NONE, "", |a| stale(a, |_| Reply::plain(500, "session not found"))),
    row!(Http, "stale_500_32603", Accept, NONE, "", |a| stale_error(a, 500, -32603, "Internal error: unknown session")),
    row!(Http, "stale_200_32000", Accept, NONE, "", |a| stale_error(a, 200, -32000, "Session not found")),
    row!(Http, "stale_200_32001", Accept, NONE, "", |a| stale_error(a, 200, -32001, "Session not found")),
    row!(Http, "stale_200_32600", Accept, NONE, "", |a| stale_error(a, 200, -32600, "Server not initialized")),
    row!(Http, "stale_200_32602", Accept, NONE, "", |a| stale_error(a, 200, -32602, "Invalid request parameters")),

    // Redirects, which would carry a credential to a place that nobody registered (docs/inside/threats.md#the-way-out).
    row!(Http, "redirect_307", Refuse("redirect"), ALL, "no redirect is followed: a credential goes where it is for", |a| a.is_request().then(|| Reply::empty(307).with("location", "/well/mcp"))),
    row!(Http, "redirect_308", Refuse("redirect"), ALL, "no redirect is followed: a credential goes where it is for", |a| a.is_request().then(|| Reply::empty(308).with("location", "/well/mcp"))),
];
