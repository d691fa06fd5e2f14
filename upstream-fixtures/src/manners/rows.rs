//! The table: ids, envelopes, revisions, batches and event streams. What a server says in JSON.

use serde_json::{Value, json};

use super::{Manner, Must, Over, Reply};
use Must::{Accept, Refuse};
use Over::{Http, Sse};

const ALL: &[&str] = &super::SDKS;
const NONE: &[&str] = &[];

macro_rules! row {
    ($over:expr, $name:literal, $must:expr, $taken:expr, $reason:literal, $does:expr) => {
        Manner {
            name: $name,
            over: $over,
            must: $must,
            taken_by: $taken,
            reason: $reason,
            does: $does,
        }
    };
}
pub(super) use row;

fn whole(text: Option<String>) -> Option<Reply> {
    text.map(Reply::json)
}

#[rustfmt::skip]
pub(super) const ROWS: &[Manner] = &[
    // Well behaved, so that a row that fails fails for its manner.
    row!(Http, "well", Accept, ALL, "", |_| None),
    row!(Sse, "sse_well", Accept, ALL, "", |_| None),

    // Ids.
    row!(Http, "id_string", Accept, ALL, "", |a| whole(a.is_request().then(|| a.response_as(&format!("\"{}\"", a.id()))))),
    row!(Http, "id_string_in_events", Accept, ALL, "", |a| a.is_request().then(|| Reply::event(&a.response_as(&format!("\"{}\"", a.id()))))),
    row!(Sse, "sse_id_string", Accept, ALL, "", |a| a.is_request().then(|| Reply::event(&a.response_as(&format!("\"{}\"", a.id()))))),
    row!(Http, "id_fraction", Accept, &["ts1", "ts2"], "", |a| whole(a.is_request().then(|| a.response_as(&format!("{}.0", a.id()))))),
    row!(Http, "id_fraction_in_events", Accept, &["ts1", "ts2"], "", |a| a.is_request().then(|| Reply::event(&a.response_as(&format!("{}.0", a.id()))))),
    row!(Sse, "sse_id_fraction", Accept, &["ts1", "ts2"], "", |a| a.is_request().then(|| Reply::event(&a.response_as(&format!("{}.0", a.id()))))),
    row!(Http, "id_exponent", Accept, &["ts1", "ts2"], "", |a| whole(a.is_request().then(|| a.response_as(&format!("{}e0", a.id()))))),
    row!(Http, "id_string_fraction", Accept, &["ts1", "ts2"], "", |a| whole(a.is_request().then(|| a.response_as(&format!("\"{}.0\"", a.id()))))),
    row!(Http, "id_string_padded", Accept, ALL, "", |a| whole(a.is_request().then(|| a.response_as(&format!("\" {} \"", a.id()))))),
    row!(Http, "id_of_another", Refuse("id"), NONE, "", |a| whole(a.is_call().then(|| a.response_as("987654321")))),
    row!(Http, "id_of_another_in_events", Refuse("id"), &["py2"], "an answer under another id may be another caller's (docs/inside/threats.md#servers-that-mean-harm)", |a| a.is_call().then(|| Reply::event(&a.response_as("987654321")))),
    row!(Http, "id_null", Refuse("id"), NONE, "", |a| whole(a.is_call().then(|| a.response_as("null")))),
    row!(Http, "id_missing", Refuse("id"), NONE, "", |a| whole(a.is_call().then(|| format!(r#"{{"jsonrpc":"2.0","result":{}}}"#, a.result())))),
    row!(Http, "id_true", Refuse("id"), NONE, "", |a| whole(a.is_call().then(|| a.response_as("true")))),

    // Envelopes.
    row!(Http, "error_null_beside_result", Accept, &["py1", "py2"], "", |a| whole(a.is_request().then(|| a.response().replacen('{', r#"{"error":null,"#, 1)))),
    row!(Http, "method_null_beside_result", Accept, &["py1", "py2"], "", |a| whole(a.is_request().then(|| a.response().replacen('{', r#"{"method":null,"params":null,"#, 1)))),
    row!(Http, "unknown_members", Accept, &["py1", "py2"], "", |a| whole(a.is_request().then(|| a.response().replacen('{', r#"{"x-trace":"1","version":2,"#, 1)))),
    row!(Http, "jsonrpc_missing", Refuse("jsonrpc"), NONE, "", |a| whole(a.is_call().then(|| a.response().replace(r#""jsonrpc":"2.0","#, "")))),
    row!(Http, "jsonrpc_1", Refuse("jsonrpc"), NONE, "", |a| whole(a.is_call().then(|| a.response().replace("2.0", "1.0")))),
    row!(Http, "jsonrpc_number", Refuse("jsonrpc"), NONE, "", |a| whole(a.is_call().then(|| a.response().replace("\"2.0\"", "2.0")))),
    row!(Http, "result_and_error", Refuse("result"), NONE, "", |a| whole(a.is_call().then(|| a.response().replacen('{', r#"{"error":{"code":1,"message":"no"},"#, 1)))),
    row!(Http, "neither_result_nor_error", Refuse("result"), NONE, "", |a| whole(a.is_call().then(|| format!(r#"{{"jsonrpc":"2.0","id":{}}}"#, a.id())))),
    row!(Http, "member_twice", Accept, ALL, "", |a| whole(a.is_call().then(|| a.response().replacen('{', r#"{"jsonrpc":"2.0","#, 1)))),
    row!(Http, "truncated_json", Refuse("json"), NONE, "", |a| whole(a.is_call().then(|| a.response().trim_end_matches('}').to_owned()))),
    row!(Http, "text_after_json", Refuse("json"), NONE, "", |a| whole(a.is_call().then(|| a.response() + " ok"))),
    row!(Http, "empty_answer", Refuse("empty"), NONE, "", |a| whole(a.is_call().then(String::new))),
    row!(Http, "bom", Accept, &["ts1", "ts2"], "", |a| whole(a.is_request().then(|| format!("\u{feff}{}", a.response())))),
    row!(Http, "white_space_around", Accept, ALL, "", |a| whole(a.is_request().then(|| format!("\r\n\t {}\n\n", a.response())))),
    row!(Http, "invalid_utf8", Accept, &["ts1", "ts2"], "", |a| a.is_request().then(|| {
        let (before, after) = a.response().split_once(r#""result":{"#).map(|(b, a)| (b.to_owned(), a.to_owned())).unwrap_or_default();
        Reply::json([before.as_bytes(), br#""result":{"x":""#, &b"\xff\xfe"[..], br#"","#, after.as_bytes()].concat())
    })),

    // Batches, which 2025-03-26 knows.
    row!(Http, "batch_of_one", Accept, &["ts1", "ts2"], "", |a| whole(a.is_request().then(|| format!("[{}]", a.response())))),
    row!(Http, "batch_of_two", Accept, &["ts1", "ts2"], "", |a| whole(a.is_call().then(|| {
        format!(r#"[{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"x"}}}},{}]"#, a.response())
    }))),
    row!(Http, "batch_of_2025_03_26", Accept, &["ts1", "ts2"], "", |a| match a.method() {
        "initialize" => a.handshake_with("protocolVersion", Some(json!("2025-03-26"))),
        _ => whole(a.is_request().then(|| format!("[{}]", a.response()))),
    }),
    row!(Http, "batch_in_an_event", Accept, NONE, "", |a| a.is_request().then(|| Reply::event(&format!("[{}]", a.response())))),
    row!(Sse, "sse_batch", Accept, NONE, "", |a| a.is_request().then(|| Reply::event(&format!("[{}]", a.response())))),
    row!(Http, "batch_of_none", Refuse("empty"), NONE, "", |a| whole(a.is_call().then(|| "[]".to_owned()))),

    // Revisions and what else the handshake says.
    row!(Http, "version_2024_11_05", Accept, ALL, "", |a| a.handshake_with("protocolVersion", Some(json!("2024-11-05")))),
    row!(Http, "version_2024_10_07", Accept, &["ts1", "ts2"], "", |a| a.handshake_with("protocolVersion", Some(json!("2024-10-07")))),
    row!(Http, "version_1_0", Refuse("protocolVersion"), NONE, "", |a| a.handshake_with("protocolVersion", Some(json!("1.0")))),
    row!(Http, "version_draft", Refuse("protocolVersion"), NONE, "", |a| a.handshake_with("protocolVersion", Some(json!("DRAFT-2025-v2")))),
    row!(Http, "version_of_the_future", Refuse("protocolVersion"), NONE, "", |a| a.handshake_with("protocolVersion", Some(json!("2027-01-01")))),
    row!(Http, "version_of_the_other_era", Refuse("protocolVersion"), NONE, "", |a| a.handshake_with("protocolVersion", Some(json!("2026-07-28")))),
    row!(Http, "version_missing", Refuse("protocolVersion"), NONE, "", |a| a.handshake_with("protocolVersion", None)),
    row!(Http, "version_null", Refuse("protocolVersion"), NONE, "", |a| a.handshake_with("protocolVersion", Some(Value::Null))),
    row!(Http, "version_number", Refuse("protocolVersion"), NONE, "", |a| a.handshake_with("protocolVersion", Some(json!(20_250_618)))),
    row!(Http, "server_info_missing", Accept, NONE, "", |a| a.handshake_with("serverInfo", None)),
    row!(Http, "server_info_without_version", Accept, NONE, "", |a| a.handshake_with("serverInfo", Some(json!({ "name": "x" })))),
    row!(Http, "capabilities_missing", Accept, NONE, "", |a| a.handshake_with("capabilities", None)),
    row!(Http, "capabilities_null", Accept, NONE, "", |a| a.handshake_with("capabilities", Some(Value::Null))),
    row!(Http, "capabilities_list", Accept, NONE, "", |a| a.handshake_with("capabilities", Some(json!([])))),
    row!(Http, "capability_true", Accept, NONE, "", |a| a.handshake_with("capabilities", Some(json!({ "tools": true })))),
    row!(Http, "capability_null", Accept, &["py1", "py2"], "", |a| a.handshake_with("capabilities", Some(json!({ "tools": {}, "prompts": null, "resources": null })))),
    row!(Http, "instructions_null", Accept, &["py1", "py2"], "", |a| a.handshake_with("instructions", Some(Value::Null))),
    row!(Http, "meta_null", Accept, &["py1", "py2"], "", |a| a.handshake_with("_meta", Some(Value::Null))),

    // Event streams.
    row!(Http, "events", Accept, ALL, "", |a| a.is_request().then(|| Reply::event(&a.response()))),
    row!(Http, "events_unnamed", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("data: {}\n\n", a.response())))),
    row!(Http, "events_without_space", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("event:message\ndata:{}\n\n", a.response())))),
    row!(Http, "events_crlf", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("event: message\r\ndata: {}\r\n\r\n", a.response())))),
    row!(Http, "events_cr", Accept, &["py1", "py2"], "", |a| a.is_request().then(|| Reply::events(format!("event: message\rdata: {}\r\r", a.response())))),
    row!(Http, "events_mixed_ends", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!(": x\r\n\revent: message\r\ndata: {}\n\r\n", a.response())))),
    row!(Http, "events_bom", Accept, &["ts1", "ts2"], "", |a| a.is_request().then(|| Reply::events(format!("\u{feff}data: {}\n\n", a.response())))),
    row!(Http, "events_comments", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!(": hello\n\n: more\ndata: {}\n: end\n\n: bye\n\n", a.response())))),
    row!(Http, "events_lines", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("data: {}\n\n", a.response().replace(",\"", ",\ndata: \""))))),
    row!(Http, "events_unknown_fields", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("foo: bar\nid: 1\nretry: x\ndata: {}\n\n", a.response())))),
    row!(Http, "events_priming", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("id: 1\nretry: 10\ndata:\n\nid: 2\ndata: {}\n\n", a.response())))),
    row!(Http, "events_empty_data_first", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("event: ping\ndata:\n\ndata:\n\ndata: {}\n\n", a.response())))),
    row!(Http, "events_other_names_first", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("event: heartbeat\ndata: 1\n\nevent: ping\ndata: {{}}\n\ndata: {}\n\n", a.response())))),
    row!(Http, "events_no_last_line", Accept, NONE, "", |a| a.is_request().then(|| Reply::events(format!("event: message\ndata: {}\n", a.response())))),
    row!(Http, "events_no_line_end", Accept, NONE, "", |a| a.is_request().then(|| Reply::events(format!("event: message\ndata: {}", a.response())))),
    row!(Http, "events_no_last_line_crlf", Accept, NONE, "", |a| a.is_request().then(|| Reply::events(format!("data: {}\r\n", a.response())))),
    row!(Http, "events_cut_off", Refuse("closed"), NONE, "", |a| a.is_call().then(|| Reply::events(format!("data: {}", &a.response()[..40])))),
    row!(Http, "events_named_otherwise", Refuse("closed"), NONE, "", |a| a.is_call().then(|| Reply::events(format!("event: response\ndata: {}\n\n", a.response())))),
    row!(Http, "events_of_no_json", Refuse("json"), NONE, "", |a| a.is_call().then(|| Reply::events("data: hello\n\n"))),
    row!(Http, "events_of_no_json_before", Accept, &["ts1", "ts2", "py1"], "", |a| a.is_request().then(|| Reply::events(format!("data: hello\n\ndata: {}\n\n", a.response())))),
    row!(Http, "events_done_after", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("data: {}\n\ndata: [DONE]\n\n", a.response())))),
    row!(Http, "events_none", Refuse("closed"), NONE, "", |a| a.is_call().then(|| Reply::events(""))),
    row!(Http, "events_open_after_the_answer", Accept, ALL, "", |a| a.is_request().then(|| Reply::event(&a.response()).hanging())),
    row!(Http, "events_answer_twice", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("data: {0}\n\ndata: {0}\n\n", a.response())))),
    row!(Http, "events_stranger_first", Accept, &["ts1", "ts2", "py2"], "", |a| a.is_request().then(|| Reply::events(format!("data: {}\n\ndata: {}\n\n", a.response_as("987654321"), a.response())))),
    row!(Http, "events_unknown_notification", Accept, ALL, "", |a| a.is_request().then(|| Reply::events(format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}}\n\ndata: {}\n\n", a.response())))),
    row!(Http, "events_polled", Accept, ALL, "", |a| match a.verb.as_str() {
        "POST" if a.is_call() => Some(Reply::events("id: poll\nretry: 10\ndata:\n\n")),
        // Asked with its Last-Event-ID again and again, until the answer is there.
        "GET" if a.last_call.is_null() => Some(Reply::empty(405)),
        "GET" if a.polls % 8 != 7 => Some(Reply::events("id: poll\nretry: 10\ndata:\n\n")),
        "GET" => {
            let text = &a.last_call["params"]["arguments"]["text"];
            let result = json!({ "content": [{ "type": "text", "text": text }] });
            let answer = json!({ "jsonrpc": "2.0", "id": a.last_call["id"], "result": result });
            Some(Reply::event(&answer.to_string()))
        }
        _ => None,
    }),
];
