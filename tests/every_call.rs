//! What every call of the academy's two faces comes to, over the whole of their tables: each tool and each resource is
//! named below with a call that works, and one that is not named fails the first test.

use std::collections::BTreeMap;
use std::time::Duration;

use mentor_gateway::auth::token::TokenKind;
use mentor_gateway::native::{self, Access, Face};
use mentor_gateway::sql;
use mentor_gateway::storage::Tx;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::harness::{Academy, Client, eventually};

/// Longer than the span over which a burst is counted.
const BURST: Duration = Duration::from_secs(2);
/// Longer than every window.
const WINDOW: Duration = Duration::from_secs(61);
/// More calls than any tool may get in a second.
const BURST_MAX: usize = 25;
/// What a call always changes: its own audit row, and when its key was last used.
const ALWAYS_WRITTEN: [&str; 2] = ["audit", "tokens"];
const FACES: [&str; 2] = ["v1", "v2"];

/// Calls that work, by tool.
fn calls(face: &str) -> Vec<(&'static str, Value)> {
    let cohort = |id: &str| json!({ "cohortId": id });
    let enrollment = |id: &str| json!({ "enrollmentId": id });
    if face == "v1" {
        return vec![
            ("get_learner_enrollments", json!({})),
            (
                "get_course_details",
                json!({ "courseSlug": "ai-fundamentals" }),
            ),
            ("get_upcoming_cohorts", json!({ "modality": "online" })),
            ("check_enrollment_status", cohort("coh_xyz789")),
            ("get_enablement_kit", enrollment("enr_abc123")),
            ("get_certificate", enrollment("enr_def456")),
            (
                "create_enrollment",
                json!({ "userId": "usr_john_doe_123", "cohortId": "coh_xyz789", "enrollmentType": "trial" }),
            ),
            ("get_cohort_roster", cohort("coh_xyz789")),
            (
                "update_cohort_status",
                json!({ "cohortId": "coh_xyz789", "status": "in_progress" }),
            ),
            (
                "send_cohort_notification",
                json!({ "cohortId": "coh_xyz789", "subject": "S", "message": "M", "priority": "low" }),
            ),
        ];
    }
    vec![
        ("academy_get_enrollments", json!({ "status": "all" })),
        (
            "academy_get_materials",
            json!({ "courseId": "crs_ai_foundations" }),
        ),
        (
            "academy_chat",
            json!({ "enrollmentId": "enr_123", "message": "What is AI?" }),
        ),
        ("academy_get_availability", enrollment("enr_123")),
        (
            "academy_book_office_hours",
            json!({ "enrollmentId": "enr_123", "slotId": "slot_123" }),
        ),
        ("academy_get_certificate", enrollment("enr_100")),
        ("academy_admin_list_cohorts", json!({})),
        ("academy_admin_enrollment_stats", cohort("coh_456")),
        (
            "academy_admin_send_email",
            json!({ "cohortId": "coh_456", "templateId": 42, "params": { "startDate": "9 December" } }),
        ),
        (
            "academy_admin_create_enrollment",
            json!({ "userId": "usr_456", "cohortId": "coh_123", "organizationId": "org_789" }),
        ),
    ]
}

/// URIs that can be read, by resource.
fn uris(face: &str) -> Vec<(&'static str, &'static str)> {
    let (enrollments, certificates) = (
        "academy://enrollments/{userId}",
        "academy://certificates/{enrollmentId}",
    );
    if face == "v1" {
        return vec![
            ("academy://courses", "academy://courses"),
            ("academy://cohorts", "academy://cohorts"),
            (enrollments, "academy://enrollments/usr_jane_smith"),
            (certificates, "academy://certificates/enr_def456"),
            (
                "academy://organizations/{organizationId}",
                "academy://organizations/org_acme_corp",
            ),
        ];
    }
    vec![
        ("academy://courses", "academy://courses"),
        (
            "academy://courses/{courseId}",
            "academy://courses/crs_ai_foundations",
        ),
        (enrollments, "academy://enrollments/usr_456"),
        (
            "academy://cohorts/{cohortId}/roster",
            "academy://cohorts/coh_456/roster",
        ),
        (
            "academy://organizations/{orgId}/dashboard",
            "academy://organizations/org_789/dashboard",
        ),
    ]
}

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

fn face(name: &str) -> &'static Face {
    native::find(name).unwrap()
}

/// Every tool and every resource of a face, each with a call that works.
fn deeds(name: &str) -> Vec<Deed> {
    let tools = calls(name).into_iter().map(|(tool, arguments)| {
        let entry = face(name).tool(tool).unwrap();
        Deed {
            name: tool,
            scopes: entry.scopes,
            is_read: entry.access == Access::Read,
            what: What::Tool(arguments),
        }
    });
    let resources = uris(name).into_iter().map(|(template, uri)| {
        let mut entries = face(name).resources.iter();
        Deed {
            name: template,
            scopes: entries.find(|entry| entry.uri == template).unwrap().scopes,
            is_read: true,
            what: What::Resource(uri),
        }
    });
    tools.chain(resources).collect()
}

async fn academy(face: &str) -> Academy {
    match face {
        "v1" => Academy::v1().await,
        _ => Academy::v2().await,
    }
}

/// What came of it: the code, the error, and how the allowance stands in headers.
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
    let is_admins = deed
        .scopes
        .iter()
        .all(|scope| scope.starts_with("admin") || *scope == "instructor");
    if is_admins {
        &academy.admin
    } else {
        &academy.learner
    }
}

#[test]
fn every_tool_and_resource_of_the_faces_is_named_here() {
    for name in FACES {
        let tools: Vec<&str> = face(name).tools.iter().map(|tool| tool.name).collect();
        let named: Vec<&str> = calls(name).iter().map(|(tool, _)| *tool).collect();
        assert_eq!(named, tools);
        let resources: Vec<&str> = face(name).resources.iter().map(|entry| entry.uri).collect();
        let named: Vec<&str> = uris(name).iter().map(|(template, _)| *template).collect();
        assert_eq!(named, resources);
    }
}

#[test]
fn every_schema_is_as_it_was_agreed() {
    for name in FACES {
        let tools = face(name).tools.iter().map(|tool| {
            let schemas = json!({ "scopes": tool.scopes, "input": (tool.input)(), "output": (tool.output)() });
            (tool.name, schemas)
        });
        let resources = face(name).resources.iter().map(|entry| {
            (
                entry.uri,
                json!({ "scopes": entry.scopes, "output": (entry.output)() }),
            )
        });
        let all: BTreeMap<&str, Value> = tools.chain(resources).collect();
        insta::assert_json_snapshot!(format!("schemas_{name}"), all);
    }
}

#[tokio::test]
async fn every_call_works_and_leaves_one_row_and_those_that_read_write_nothing() {
    for name in FACES {
        let academy = academy(name).await;
        let mut recorded = rows(&academy).await;
        for deed in deeds(name) {
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
async fn every_call_is_refused_without_a_key_and_with_one_of_another_kind() {
    for (name, codes) in [
        ("v1", ["MISSING_API_KEY", "INVALID_API_KEY"]),
        ("v2", ["INVALID_API_KEY", "INVALID_API_KEY"]),
    ] {
        let academy = academy(name).await;
        let people = [academy.gateway.anonymous(), academy.gateway.learner().await];
        for deed in deeds(name) {
            for (person, code) in people.iter().zip(codes) {
                let came = does(&academy, person, &deed).await;
                assert_eq!((came.status, &*came.code), (401, code), "{}", deed.name);
            }
        }
    }
}

#[tokio::test]
async fn every_call_is_refused_with_every_scope_but_its_own() {
    for (name, kind, code) in [
        ("v1", TokenKind::Aea, "INSUFFICIENT_PERMISSIONS"),
        ("v2", TokenKind::Mcp, "SCOPE_REQUIRED"),
    ] {
        let academy = academy(name).await;
        let mut scopes: Vec<&str> = deeds(name)
            .iter()
            .flat_map(|deed| deed.scopes)
            .copied()
            .collect();
        scopes.sort_unstable();
        scopes.dedup();
        for scope in scopes {
            let person = academy.gateway.with_key("bob", kind, &[scope]).await;
            for deed in deeds(name) {
                academy.gateway.advance(BURST);
                let came = does(&academy, &person, &deed).await;
                if deed.scopes.contains(&scope) {
                    assert_ne!(came.code, code, "{} with {scope}", deed.name);
                    continue;
                }
                let what = format!("{} with {scope}", deed.name);
                assert_eq!(came.code, code, "{what}");
                let required = deed.scopes[0];
                let (message, details) = match name {
                    "v1" => (
                        format!(
                            "This operation requires '{required}' scope. Your key has '{scope}' scope."
                        ),
                        json!({ "requiredScope": required, "currentScope": scope }),
                    ),
                    _ => (
                        format!("This tool requires the '{required}' scope"),
                        json!({
                            "requiredScope": required,
                            "currentScopes": [scope],
                            "documentation": "https://docs.academy.com/mcp/scopes"
                        }),
                    ),
                };
                assert_eq!(came.error["message"], message, "{what}");
                assert_eq!(came.error["details"], details, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn every_tool_refuses_what_it_does_not_know() {
    for name in FACES {
        let academy = academy(name).await;
        for deed in deeds(name) {
            let What::Tool(mut arguments) = deed.what.clone() else {
                continue;
            };
            academy.gateway.advance(BURST);
            arguments["nonsense"] = 1.into();
            let refused = academy
                .refusal(whose(&academy, &deed), deed.name, arguments)
                .await;
            let error = &refused["error"];
            assert_eq!(error["code"], "VALIDATION_ERROR", "{}", deed.name);
            let fields = json!({ "nonsense": ["Unknown field."] });
            assert_eq!(error["details"]["fields"], fields, "{}", deed.name);
        }
    }
}

#[tokio::test]
async fn every_call_over_the_limit_is_refused_in_the_words_of_its_face() {
    for (name, code) in [("v1", "RATE_LIMIT_EXCEEDED"), ("v2", "RATE_LIMITED")] {
        let academy = academy(name).await;
        for deed in deeds(name) {
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

/// What was called, and what came of it, in order.
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
