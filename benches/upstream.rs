//! The MCP server that everything is relayed to: stateless (2026-07-28), and as cheap as one can be, so that what is
//! measured is the way to it.
//!
//! `/u/{n}/mcp` is one of many servers with [`TOOLS`] tools each, `/many/{n}/mcp` has the tools of the first n in one
//! list, `/hang/mcp` never answers. Each wants [`AUTHORIZATION`]: who does not carry the credential, measures nothing.

use std::io;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::server::{Body, serve, whole};

/// What a caller must carry.
pub const AUTHORIZATION: &str = "Bearer upstream-secret";
/// Tools of each server: [`ECHO`], [`BIG`], [`EVENT`], and others that echo too.
pub const TOOLS: usize = 50;
/// Answers with its text.
pub const ECHO: &str = "echo";
/// Answers with its text and 16 kB.
pub const BIG: &str = "big";
/// Answers with its text, as the only event of a stream.
pub const EVENT: &str = "event";

const BIG_BYTES: usize = 16 * 1024;
/// Servers that `/many/` knows.
const MANY_MAX: usize = 100;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: &'a str,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<&'a str>,
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
}

/// What is written once and sent often.
struct Texts {
    /// The lists of so many servers, each an array without its brackets.
    lists: Vec<String>,
    filler: String,
}

/// Serves until the process ends.
pub async fn run() -> io::Result<()> {
    let mut lists = vec![tools("")];
    let mut many = String::new();
    for server in 1..=MANY_MAX {
        if server > 1 {
            many.push(',');
        }
        many.push_str(&tools(&format!("u{server}_")));
        lists.push(many.clone());
    }
    let texts = Arc::new(Texts {
        lists,
        filler: "0123456789abcdef".repeat(BIG_BYTES / 16),
    });
    serve(move |request| answer(texts.clone(), request)).await
}

/// Tools of about 600 bytes each, the size that agents really see.
fn tools(prefix: &str) -> String {
    let names = [ECHO, BIG, EVENT].map(str::to_owned).into_iter();
    let names = names.chain((3..).map(|number| format!("t_{number:03}")));
    let tools: Vec<String> = names
        .take(TOOLS)
        .map(|name| {
            format!(
                r#"{{"name":"{prefix}{name}","title":"Echo {name}","description":"Gives the text back that it was called with. A tool of the benchmark, with as many words in its description as the tools of a real server have, so that lists have their weight; it takes a text, a number of times and any number of labels.","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string","description":"What to give back"}},"times":{{"type":"integer","minimum":1,"maximum":100}},"labels":{{"type":"array","items":{{"type":"string"}}}}}},"required":["text"]}},"annotations":{{"readOnlyHint":true,"idempotentHint":true}}}}"#
            )
        })
        .collect();
    tools.join(",")
}

async fn answer(texts: Arc<Texts>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let carried = head.headers.get(http::header::AUTHORIZATION);
    if carried.is_none_or(|carried| carried != AUTHORIZATION) {
        return whole(401, JSON, String::new());
    }
    let list = match path(head.uri.path()) {
        Some(Place::Server) => &texts.lists[0],
        Some(Place::Many(servers)) => &texts.lists[servers],
        Some(Place::Hanging) => std::future::pending().await,
        None => return whole(404, JSON, String::new()),
    };
    let Ok(body) = body.collect().await else {
        return whole(400, JSON, String::new());
    };
    let body = body.to_bytes();
    match serde_json::from_slice::<Envelope<'_>>(&body) {
        Ok(envelope) => respond(&envelope, list, &texts.filler),
        // A notification, or something to be found out in the setup.
        Err(_) => whole(202, JSON, String::new()),
    }
}

enum Place {
    Server,
    Many(usize),
    Hanging,
}

fn path(path: &str) -> Option<Place> {
    let (kind, number) = path
        .strip_prefix('/')?
        .strip_suffix("/mcp")?
        .split_once('/')?;
    let number: usize = number.parse().ok()?;
    match kind {
        "u" => Some(Place::Server),
        "many" if number <= MANY_MAX => Some(Place::Many(number)),
        "hang" => Some(Place::Hanging),
        _ => None,
    }
}

fn respond(envelope: &Envelope<'_>, list: &str, filler: &str) -> Response<Body> {
    const REST: &str = r#""resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"relay-bench","version":"1"}}}}"#;
    let id = envelope.id.get();
    let Params { name, arguments } = &envelope.params;
    match (envelope.method, name, arguments) {
        ("tools/call", Some(name), Some(arguments)) => {
            let text = arguments.text.get();
            let more = match *name {
                BIG => format!(r#",{{"type":"text","text":"{filler}"}}"#),
                _ => String::new(),
            };
            let answer = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":{text}}}{more}],"isError":false,{REST}"#
            );
            match *name {
                EVENT => whole(200, EVENTS, format!("event: message\ndata: {answer}\n\n")),
                _ => whole(200, JSON, answer),
            }
        }
        ("tools/list", ..) => whole(
            200,
            JSON,
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{list}],"ttlMs":60000,"cacheScope":"public",{REST}"#
            ),
        ),
        ("server/discover", ..) => whole(
            200,
            JSON,
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"supportedVersions":["2026-07-28"],"capabilities":{{"tools":{{}}}},"ttlMs":60000,"cacheScope":"public",{REST}"#
            ),
        ),
        _ => whole(
            404,
            JSON,
            format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#
            ),
        ),
    }
}
