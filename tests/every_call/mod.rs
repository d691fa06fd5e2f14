//! What every call of every server of ours comes to, over the whole of their tables: each tool and each resource is
//! named with a call that works, and one that is not named fails the first test. A face is described once, beside this.

mod user;
mod v1;
mod v2;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use mentor_gateway::auth::token::TokenKind;
use mentor_gateway::native::{self, Access, FACES, Face};
use mentor_gateway::sql;
use mentor_gateway::storage::Tx;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::harness::{Academy, Client, eventually, schema};

/// Longer than the span over which a burst is counted.
const BURST: Duration = Duration::from_secs(2);
/// Longer than every window.
const WINDOW: Duration = Duration::from_secs(61);
/// More calls than any tool may get in a second.
const BURST_MAX: usize = 25;
/// What a call always changes: its own audit row, and when its key was last used.
const ALWAYS_WRITTEN: [&str; 2] = ["audit", "tokens"];

/// A face, with a call of each of its tools and resources that works, and its words for those that do not.
pub struct Described {
    name: &'static str,
    /// The kind of key that opens it.
    key: TokenKind,
    codes: Codes,
    /// Where an error names the wrong fields.
    fields: &'static str,
    /// A gateway in which the calls work.
    academy: fn() -> Pin<Box<dyn Future<Output = Academy>>>,
    /// Calls that work, by tool.
    calls: fn() -> Vec<(&'static str, Value)>,
    /// URIs that can be read, by resource.
    uris: &'static [(&'static str, &'static str)],
    /// Message and details for a key that has one scope where another is required.
    without_scope: fn(&str, &str) -> (String, Value),
}

/// What a face calls its refusals.
pub struct Codes {
    no_key: &'static str,
    other_key: &'static str,
    other_scope: &'static str,
    over_the_limit: &'static str,
    wrong: &'static str,
}

const DESCRIBED: [Described; 3] = [v1::V1, v2::V2, user::USER];

/// Something that can be called: a tool, or a resource.
#[derive(Clone)]
struct Deed {
    name: &'static str,
    scopes: &'static [&'static str],
    is_read: bool,
    what: What,
}

#[derive(Clone)]
enum What {
    Tool(Value),
    Resource(&'static str),
}

impl Described {
    fn face(&self) -> &'static Face {
        native::find(self.name).unwrap()
    }

    async fn academy(&self) -> Academy {
        (self.academy)().await
    }

    /// Every tool and every resource, each with a call that works.
    fn deeds(&self) -> Vec<Deed> {
        let tools = (self.calls)().into_iter().map(|(tool, arguments)| {
            let entry = self.face().tool(tool).unwrap();
            Deed {
                name: tool,
                scopes: entry.scopes,
                is_read: entry.access == Access::Read,
                what: What::Tool(arguments),
            }
        });
        let resources = self.uris.iter().map(|(template, uri)| {
            let mut entries = self.face().resources.iter();
            Deed {
                name: template,
                scopes: entries.find(|entry| entry.uri == *template).unwrap().scopes,
                is_read: true,
                what: What::Resource(uri),
            }
        });
        tools.chain(resources).collect()
    }

    /// Every scope that opens anything.
    fn scopes(&self) -> Vec<&'static str> {
        let deeds = self.deeds();
        let mut scopes: Vec<&str> = deeds.iter().flat_map(|deed| deed.scopes).copied().collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }
}

/// Its outcome: the code, the error, and how the allowance stands in headers.
#[derive(Debug)]
struct Came {
    status: u16,
    /// Empty after a success.
    code: String,
    error: Value,
    headers: reqwest::header::HeaderMap,
}

/// Does it: a tool by a plain POST, a resource over MCP.
async fn does(academy: &Academy, person: &Client, deed: &Deed) -> Came {
    let (status, error, headers) = match &deed.what {
        What::Tool(arguments) => {
            let answer = academy.post(person, deed.name, arguments.clone()).await;
            (answer.status, answer.body["error"].clone(), answer.headers)
        }
        What::Resource(uri) => {
            let params = json!({ "uri": uri });
            let reply = academy.mcp(person).request("resources/read", params).await;
            let error = reply.answer()["error"]["data"]["error"].clone();
            (reply.status, error, reply.headers)
        }
    };
    Came {
        status,
        code: error["code"].as_str().unwrap_or_default().to_owned(),
        error,
        headers,
    }
}

/// Whose key a deed works with.
fn whose<'a>(academy: &'a Academy, deed: &Deed) -> &'a Client {
    let is_for_all = |scope: &&str| !scope.starts_with("admin") && *scope != "instructor";
    if deed.scopes.is_empty() || deed.scopes.iter().any(is_for_all) {
        &academy.learner
    } else {
        &academy.admin
    }
}

#[test]
fn every_tool_and_resource_of_the_faces_is_named_here() {
    let named = DESCRIBED.iter().map(|described| described.name);
    assert!(named.eq(FACES.iter().map(|face| face.name)));
    for described in DESCRIBED {
        let face = described.face();
        assert_eq!(face.key, described.key);
        let tools: Vec<&str> = face.tools.iter().map(|tool| tool.name).collect();
        let calls = (described.calls)();
        let named: Vec<&str> = calls.iter().map(|(tool, _)| *tool).collect();
        assert_eq!(named, tools);
        let resources: Vec<&str> = face.resources.iter().map(|entry| entry.uri).collect();
        let uris = described.uris.iter();
        let named: Vec<&str> = uris.map(|(template, _)| *template).collect();
        assert_eq!(named, resources);
    }
}

#[test]
fn every_schema_is_as_it_was_agreed() {
    for described in DESCRIBED {
        let face = described.face();
        let tools = face.tools.iter().map(|tool| {
            let schemas = json!({ "scopes": tool.scopes, "input": (tool.input)(), "output": (tool.output)() });
            (tool.name, schemas)
        });
        let resources = face.resources.iter().map(|entry| {
            (
                entry.uri,
                json!({ "scopes": entry.scopes, "output": (entry.output)() }),
            )
        });
        let all: BTreeMap<&str, Value> = tools.chain(resources).collect();
        insta::assert_json_snapshot!(format!("schemas_{}", face.name), all);
    }
}

#[test]
fn every_call_that_works_fits_the_schema_of_its_arguments() {
    for described in DESCRIBED {
        for (tool, arguments) in (described.calls)() {
            let input = (described.face().tool(tool).unwrap().input)();
            schema::assert_fits(tool, &input, &arguments);
        }
    }
}

#[tokio::test]
async fn every_call_works_and_leaves_one_row_and_those_that_read_write_nothing() {
    for described in DESCRIBED {
        let academy = described.academy().await;
        let mut recorded = rows(&academy).await;
        for deed in described.deeds() {
            academy.gateway.advance(BURST);
            let before = contents(&academy).await;
            let came = does(&academy, whose(&academy, &deed), &deed).await;
            assert_eq!(
                (came.status, &*came.code),
                (200, ""),
                "{}: {}",
                deed.name,
                came.error
            );
            assert_eq!(
                contents(&academy).await == before,
                deed.is_read,
                "{}",
                deed.name
            );
            let new = eventually("the audit row", async || {
                let now = rows(&academy).await;
                (now.len() > recorded.len()).then_some(now)
            });
            let now = new.await;
            let tool = match deed.what {
                What::Tool(_) => deed.name,
                What::Resource(uri) => uri,
            };
            recorded.push((tool.to_owned(), "ok".to_owned()));
            assert_eq!(now, recorded, "{}", deed.name);
        }
    }
}

#[tokio::test]
async fn every_answer_fits_the_schema_that_was_promised() {
    for described in DESCRIBED {
        let academy = described.academy().await;
        for deed in described.deeds() {
            academy.gateway.advance(BURST);
            let person = whose(&academy, &deed);
            // The harness holds what comes back against the schema.
            match deed.what {
                What::Tool(arguments) => academy.call(person, deed.name, arguments).await,
                What::Resource(uri) => academy.read(person, uri).await,
            };
        }
    }
}

#[tokio::test]
async fn every_call_is_refused_without_a_key_and_with_one_of_another_kind() {
    for described in DESCRIBED {
        let academy = described.academy().await;
        let nobody = academy.gateway.anonymous();
        let general = academy.gateway.learner().await;
        let codes = &described.codes;
        for deed in described.deeds() {
            for (person, code) in [(&nobody, codes.no_key), (&general, codes.other_key)] {
                let came = does(&academy, person, &deed).await;
                assert_eq!((came.status, &*came.code), (401, code), "{}", deed.name);
                let allowance = came.headers.get("x-ratelimit-limit");
                assert_eq!(allowance, None, "nobody's key has none");
            }
        }
    }
}

#[tokio::test]
async fn every_call_is_refused_with_every_scope_but_its_own() {
    for described in DESCRIBED {
        let academy = described.academy().await;
        let code = described.codes.other_scope;
        for scope in described.scopes() {
            // Her role allows every scope: what is refused is refused by the key.
            let key = academy
                .gateway
                .with_key("alice", described.key, &[scope])
                .await;
            for deed in described.deeds() {
                academy.gateway.advance(BURST);
                let came = does(&academy, &key, &deed).await;
                let what = format!("{} with {scope}", deed.name);
                let (message, details) = (described.without_scope)(deed.scopes[0], scope);
                if deed.scopes.contains(&scope) {
                    assert_ne!(came.error["message"], message, "{what}");
                    continue;
                }
                assert_eq!(came.code, code, "{what}");
                assert!(came.headers.contains_key("x-ratelimit-remaining"), "{what}");
                assert_eq!(came.error["message"], message, "{what}");
                assert_eq!(came.error["details"], details, "{what}");
            }
        }
    }
}

/// A value that does not fit.
fn misfit(schema: &Value) -> Value {
    match schema["type"].as_str().unwrap() {
        "string" => 1.into(),
        _ => "no such thing".into(),
    }
}

#[tokio::test]
async fn every_tool_names_every_argument_that_is_wrong_or_unknown_at_once() {
    for described in DESCRIBED {
        let academy = described.academy().await;
        for deed in described.deeds() {
            let What::Tool(fitting) = deed.what.clone() else {
                continue;
            };
            let input = (described.face().tool(deed.name).unwrap().input)();
            let properties = input["properties"].as_object().unwrap().iter();
            let mut wrong: Value = properties
                .map(|(name, schema)| (name.clone(), misfit(schema)))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let mut unknown = fitting;
            for arguments in [&mut wrong, &mut unknown] {
                arguments["nonsense"] = 1.into();
            }
            for (arguments, is_all_wrong) in [(&wrong, true), (&unknown, false)] {
                academy.gateway.advance(BURST);
                let person = whose(&academy, &deed);
                let refused = academy.refusal(person, deed.name, arguments.clone()).await;
                let error = &refused["error"];
                assert_eq!(error["code"], described.codes.wrong, "{}", deed.name);
                let fields = error.pointer(described.fields).unwrap();
                assert_eq!(fields["nonsense"], json!(["Unknown field."]));
                let named = fields.as_object().unwrap().keys();
                let is_wrong = |name: &&String| is_all_wrong || *name == "nonsense";
                let mut expected: Vec<&String> = arguments
                    .as_object()
                    .unwrap()
                    .keys()
                    .filter(is_wrong)
                    .collect();
                expected.sort();
                assert_eq!(named.collect::<Vec<_>>(), expected, "{}", deed.name);
            }
        }
    }
}

/// Where a schema has texts of a format, by name, at most one object deep.
fn formatted(input: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (name, schema) in input["properties"].as_object().unwrap() {
        if schema["format"].is_string() {
            found.push(vec![name.clone()]);
        }
        for (inner, schema) in schema["properties"].as_object().into_iter().flatten() {
            if schema["format"].is_string() {
                found.push(vec![name.clone(), inner.clone()]);
            }
        }
    }
    found
}

#[tokio::test]
async fn every_format_that_a_tool_publishes_is_held_to() {
    for described in DESCRIBED {
        let academy = described.academy().await;
        for deed in described.deeds() {
            let What::Tool(fitting) = deed.what.clone() else {
                continue;
            };
            let input = (described.face().tool(deed.name).unwrap().input)();
            for path in formatted(&input) {
                academy.gateway.advance(BURST);
                let mut arguments = fitting.clone();
                match &path[..] {
                    [name] => arguments[name] = "soon".into(),
                    [name, inner] => arguments[name] = json!({ inner: "soon" }),
                    _ => unreachable!(),
                }
                let person = whose(&academy, &deed);
                let refused = academy.refusal(person, deed.name, arguments).await;
                let error = &refused["error"];
                assert_eq!(error["code"], described.codes.wrong, "{}", deed.name);
                let fields = error.pointer(described.fields).unwrap();
                assert!(fields[path.join(".")].is_array(), "{}: {fields}", deed.name);
            }
        }
    }
}

#[tokio::test]
async fn every_call_over_the_limit_is_refused_in_the_words_of_its_face() {
    for described in DESCRIBED {
        let code = described.codes.over_the_limit;
        let academy = described.academy().await;
        for deed in described.deeds() {
            academy.gateway.advance(WINDOW);
            let person = whose(&academy, &deed);
            let mut last = does(&academy, person, &deed).await;
            let mut count = 1;
            while last.code != code && count < BURST_MAX {
                last = does(&academy, person, &deed).await;
                count += 1;
            }
            assert_eq!(last.code, code, "{}", deed.name);
            assert_eq!(last.headers["retry-after"], "1", "{}", deed.name);
            if let What::Tool(_) = deed.what {
                assert_eq!(last.status, 429, "{}", deed.name);
            }
        }
    }
}

/// What was called, and its outcome, in order.
async fn rows(academy: &Academy) -> Vec<(String, String)> {
    let mut tx = academy.gateway.app.db.read().await.unwrap();
    let rows = sql!(
        &mut tx,
        fetch_all as (String, String),
        "SELECT tool, outcome FROM audit WHERE action IN ('tools/call', 'resources/read') ORDER BY id"
    );
    rows.unwrap()
}

/// Everything that is stored, table by table.
async fn contents(academy: &Academy) -> BTreeMap<String, String> {
    let mut tx = academy.gateway.app.db.read().await.unwrap();
    let tables = match &tx {
        Tx::Sqlite(_) => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        }
        Tx::Postgres(_) => {
            "SELECT table_name::TEXT FROM information_schema.tables WHERE table_schema = current_schema()"
        }
    };
    let tables = sql!(&mut tx, fetch_all as (String,), AssertSqlSafe(tables)).unwrap();
    let mut contents = BTreeMap::new();
    for (table,) in tables {
        if ALWAYS_WRITTEN.contains(&&*table) {
            continue;
        }
        let row = match &tx {
            Tx::Sqlite(_) => {
                let columns =
                    format!("SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}')");
                let columns =
                    sql!(&mut tx, fetch_all as (String,), AssertSqlSafe(columns)).unwrap();
                let columns: Vec<String> = columns.into_iter().map(|(column,)| column).collect();
                columns.join(" || ',' || ")
            }
            Tx::Postgres(_) => "CAST(t.* AS TEXT)".to_owned(),
        };
        let rows = format!("SELECT {row} FROM {table} t ORDER BY 1");
        let rows = sql!(&mut tx, fetch_all as (String,), AssertSqlSafe(rows)).unwrap();
        let rows: Vec<String> = rows.into_iter().map(|(row,)| row).collect();
        contents.insert(table, rows.join("\n"));
    }
    contents
}
