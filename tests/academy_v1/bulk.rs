//! 6.3.5.3: many at once, step by step, over a plain POST and over MCP.

use mentor_gateway::sql;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{Academy, Client, Mcp, SOON, eventually, today};

const TOOL: &str = "create_enrollment";
/// Rows that are given before the process is killed.
const ROWS_BEFORE_KILL: usize = 20;

/// Lets these people be there, and their seats.
async fn people(academy: &Academy, count: usize) -> Vec<Value> {
    let mut tx = academy.write().await;
    for number in 0..count {
        sql!(
            &mut tx,
            execute,
            "INSERT INTO academy_people (realm_id, id, name, email, timezone, created_at)
             SELECT realm_id, $1, $1, $1, 'UTC', 0 FROM academy_cohorts WHERE id = 'coh_xyz789'",
            format!("usr_{number}")
        )
        .unwrap();
    }
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_cohorts SET seats_total = seats_taken + $1 WHERE id = 'coh_xyz789'",
        i64::try_from(count).unwrap()
    )
    .unwrap();
    tx.commit().await.unwrap();
    let row = |number| json!({ "userId": format!("usr_{number}"), "cohortId": "coh_xyz789" });
    (0..count).map(row).collect()
}

pub fn streamed(person: &Client, tool: &str, arguments: &Value) -> RequestBuilder {
    let path = format!("/mcp/v1/tools/{tool}");
    let request = person.request(Method::POST, &path).json(arguments);
    request.header("accept", "text/event-stream")
}

/// The events of an answer: name and data.
fn events_of(text: &str) -> Vec<(String, Value)> {
    let event = |text: &str| {
        let (name, data) = text.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        (name, serde_json::from_str(data).unwrap())
    };
    let texts = text.split("\n\n").filter(|text| !text.is_empty());
    texts.map(event).collect()
}

pub async fn events(request: RequestBuilder) -> Vec<(String, Value)> {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-ratelimit-limit"], "60");
    events_of(&response.text().await.unwrap())
}

/// What the audit says of the last call of the tool.
async fn outcome(academy: &Academy) -> String {
    let mut tx = academy.gateway.app.db.read().await.unwrap();
    let last = sql!(
        &mut tx,
        fetch_one as (String,),
        "SELECT outcome FROM audit WHERE tool = $1 ORDER BY id DESC LIMIT 1",
        TOOL
    );
    last.unwrap().0
}

/// How many enrollments there are of people that [`people`] made, and of how many different ones.
async fn enrolled(academy: &Academy) -> (i64, i64) {
    let mut tx = academy.write().await;
    let rows = sql!(
        &mut tx,
        fetch_all as (i64, i64),
        "SELECT COUNT(*), COUNT(DISTINCT e.person_id) FROM academy_enrollments e
         JOIN academy_people p ON p.realm_id = e.realm_id AND p.id = e.person_id WHERE p.created_at = 0 AND p.timezone = 'UTC'
           AND e.cohort_id = 'coh_xyz789' AND p.name = p.id"
    );
    rows.unwrap()[0]
}

#[tokio::test]
async fn the_streaming_example_of_the_specification_comes_true() {
    let academy = Academy::v1().await;
    people(&academy, 3).await;
    let rows = json!([
        { "userId": "usr_1", "cohortId": "coh_xyz789" },
        { "userId": "usr_2", "cohortId": "coh_xyz789" }
    ]);
    let arguments = json!({ "enrollments": rows, "stream": true });
    let mut events = events(streamed(&academy.admin, TOOL, &arguments)).await;
    let duration = events[2].1["duration"].take();
    assert!(duration.is_u64(), "{duration}");
    let progress = |completed: i64, user: &str| {
        let data =
            json!({ "completed": completed, "total": 2, "currentUser": user, "status": "success" });
        ("progress".to_owned(), data)
    };
    let complete = json!({ "totalEnrolled": 2, "totalFailed": 0, "duration": null });
    assert_eq!(
        events,
        [
            progress(1, "usr_1"),
            progress(2, "usr_2"),
            ("complete".to_owned(), complete)
        ]
    );
}

#[tokio::test]
async fn every_row_has_its_result_and_none_is_doubled() {
    let academy = Academy::v1().await;
    people(&academy, 2).await;
    let arguments = json!({
        "cohortId": "coh_xyz789",
        "enrollmentType": "complimentary",
        "enrollments": [
            { "userId": "usr_0" },
            { "userId": "usr_nobody" },
            { "userId": "usr_0" },
            { "userId": "usr_1", "cohortId": "coh_none" },
            { "userId": "usr_1", "enrollmentType": "corporate" },
            { "userId": "usr_1" },
        ]
    });
    let mut answer = academy.call(&academy.admin, TOOL, arguments).await;
    for row in answer["results"].as_array_mut().unwrap() {
        if let Some(id) = row.get_mut("enrollmentId") {
            assert!(id.as_str().unwrap().starts_with("enr_"));
            *id = "enr".into();
        }
    }
    answer["duration"] = 0.into();
    let row = |user: &str, status: &str| json!({ "userId": user, "cohortId": "coh_xyz789", "status": status, "enrollmentId": "enr" });
    let failed = |user: &str, cohort: &str, code: &str, message: &str| json!({ "userId": user, "cohortId": cohort, "status": "failed", "code": code, "message": message });
    assert_eq!(
        answer,
        json!({
            "totalEnrolled": 2,
            "totalExisting": 1,
            "totalFailed": 3,
            "duration": 0,
            "results": [
                row("usr_0", "success"),
                failed("usr_nobody", "coh_xyz789", "RESOURCE_NOT_FOUND", "The requested user does not exist."),
                row("usr_0", "exists"),
                failed("usr_1", "coh_none", "RESOURCE_NOT_FOUND", "The requested cohort does not exist."),
                failed(
                    "usr_1",
                    "coh_xyz789",
                    "VALIDATION_ERROR",
                    "Input validation failed: organizationId: A corporate enrollment needs the organization that it is for."
                ),
                row("usr_1", "success"),
            ]
        })
    );
    assert_eq!(enrolled(&academy).await, (2, 2));
    assert_eq!(outcome(&academy).await, "partial");
}

#[tokio::test]
async fn whoever_has_a_place_is_told_so_in_a_full_cohort_too() {
    let academy = Academy::v1().await;
    let rows = people(&academy, 2).await;
    let call = json!({ "enrollments": rows });
    for (enrolled, existing) in [(json!(2), Value::Null), (json!(0), json!(2))] {
        let answer = academy.call(&academy.admin, TOOL, call.clone()).await;
        assert_eq!(answer["totalEnrolled"], enrolled);
        assert_eq!(answer["totalExisting"], existing);
        assert_eq!(answer["totalFailed"], 0);
    }
    let one = json!({ "userId": "usr_0", "cohortId": "coh_xyz789", "enrollmentType": "trial" });
    let refused = academy.refusal(&academy.admin, TOOL, one).await;
    assert_eq!(refused["error"]["code"], "ENROLLMENT_EXISTS");
}

#[tokio::test]
async fn the_audit_says_what_came_of_all_rows() {
    let academy = Academy::v1().await;
    let rows = people(&academy, 2).await;
    let nobody = json!({ "userId": "usr_nobody", "cohortId": "coh_xyz789" });
    for (rows, expected) in [
        (json!([rows[0]]), "ok"),
        (json!([rows[0], rows[1]]), "ok"),
        (json!([rows[0], nobody]), "partial"),
        (json!([nobody, nobody]), "failed"),
    ] {
        let call = json!({ "enrollments": rows });
        academy.call(&academy.admin, TOOL, call).await;
        eventually(expected, async || {
            (outcome(&academy).await == expected).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_thousand_rows_are_taken_and_one_more_is_refused_before_the_first() {
    let academy = Academy::v1().await;
    let rows = people(&academy, 1001).await;
    let refused = academy
        .post(&academy.admin, TOOL, json!({ "enrollments": rows }))
        .await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.body["error"]["details"]["fields"],
        json!({ "enrollments": ["Must have at most 1000 items."] })
    );
    assert_eq!(enrolled(&academy).await, (0, 0));
    let arguments = json!({ "enrollments": rows[1..], "sendWelcomeEmail": false, "stream": true });
    let events = events(streamed(&academy.admin, TOOL, &arguments)).await;
    assert_eq!(events.len(), 1001);
    assert_eq!(events[1000].1["totalEnrolled"], 1000);
    assert_eq!(enrolled(&academy).await, (1000, 1000));
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_all_named_and_nobody_is_enrolled() {
    let academy = Academy::v1().await;
    people(&academy, 1).await;
    let arguments = json!({
        "userId": "usr_0",
        "enrollments": [{ "userId": "usr_0" }, { "userId": 7 }, { "cohortId": "coh_xyz789", "seat": 1 }]
    });
    let refused = academy.refusal(&academy.admin, TOOL, arguments).await;
    assert_eq!(
        refused["error"]["details"]["fields"],
        json!({
            "enrollments[1].userId": ["Must be a string."],
            "enrollments[2].userId": ["This field is required."],
            "enrollments[2].seat": ["Unknown field."]
        })
    );
    let arguments =
        json!({ "userId": "usr_0", "enrollments": [{ "userId": "usr_0" }], "stream": true });
    let refused = streamed(&academy.admin, TOOL, &arguments)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 400);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(
        body["error"]["details"]["fields"],
        json!({
            "userId": ["Name people in enrollments or here, not in both."],
            "enrollments[0].cohortId": ["This field is required."]
        })
    );
    assert_eq!(enrolled(&academy).await, (0, 0));
}

#[tokio::test]
async fn a_kill_in_the_middle_loses_nothing_and_asking_again_doubles_nothing() {
    let academy = Academy::v1_at(today()).await;
    let rows = people(&academy, 200).await;
    let arguments = json!({ "enrollments": rows, "stream": true });
    let (mut process, address) = academy.gateway.process().await;
    let there = Client::new(&address, "acme", "alice", academy.admin.key.clone());
    let mut response = streamed(&there, TOOL, &arguments).send().await.unwrap();
    let mut seen = String::new();
    while seen.matches("event: progress").count() < ROWS_BEFORE_KILL {
        let piece = tokio::time::timeout(SOON, response.chunk()).await.unwrap();
        seen.push_str(std::str::from_utf8(&piece.unwrap().unwrap()).unwrap());
    }
    process.kill().await.unwrap();
    assert_eq!(outcome(&academy).await, "begun");
    let (there, different) = enrolled(&academy).await;
    assert_eq!(there, different);
    assert!(there >= i64::try_from(ROWS_BEFORE_KILL).unwrap());

    let events = events(streamed(&academy.admin, TOOL, &arguments)).await;
    let (name, last) = events.last().unwrap();
    assert_eq!(name, "complete");
    let existing = last["totalExisting"].as_i64().unwrap_or_default();
    assert_eq!(existing, there);
    assert_eq!(last["totalEnrolled"], 200 - there);
    assert_eq!(last["totalFailed"], 0);
    assert_eq!(enrolled(&academy).await, (200, 200));
    assert_eq!(outcome(&academy).await, "ok");
}

#[tokio::test]
async fn a_client_with_a_progress_token_is_told_of_each_step_in_both_eras() {
    let academy = Academy::v1().await;
    let rows = people(&academy, 2).await;
    let clients = [
        academy.mcp(&academy.admin),
        Mcp::legacy(&academy.admin, academy.path()).await,
    ];
    for (client, row) in clients.iter().zip(rows) {
        let params = json!({
            "name": TOOL,
            "arguments": { "enrollments": [row, { "userId": "usr_x", "cohortId": "coh_xyz789" }] },
            "_meta": { "progressToken": "steps" }
        });
        let reply = client.request("tools/call", params).await;
        let told: Vec<&Value> = reply
            .before()
            .iter()
            .filter(|m| !m["method"].is_null())
            .collect();
        let progress = |number: i64, message: &str| {
            json!({
                "jsonrpc": "2.0",
                "method": "notifications/progress",
                "params": { "progressToken": "steps", "progress": number, "total": 2, "message": message }
            })
        };
        let user = row["userId"].as_str().unwrap();
        let first = progress(1, &format!("{user}: success"));
        let second = progress(2, "usr_x: failed: The requested user does not exist.");
        assert_eq!(told, [&first, &second]);
        assert_eq!(reply.structured()["totalEnrolled"], 1);
        assert_eq!(reply.structured()["results"].as_array().unwrap().len(), 2);
        assert_eq!(reply.headers["x-ratelimit-limit"], "60");
    }
}

#[tokio::test]
async fn a_roster_is_exported_in_steps_and_whole_at_the_end() {
    let academy = Academy::v1().await;
    let rows = people(&academy, 150).await;
    let many = json!({ "enrollments": rows, "sendWelcomeEmail": false });
    academy.call(&academy.admin, TOOL, many).await;
    let arguments = json!({ "cohortId": "coh_xyz789" });
    let whole = academy
        .call(&academy.admin, "get_cohort_roster", arguments)
        .await;
    let count = whole["roster"].as_array().unwrap().len();
    let arguments = json!({ "cohortId": "coh_xyz789", "stream": true });
    let events = events(streamed(&academy.admin, "get_cohort_roster", &arguments)).await;
    let progress = |completed| {
        let data = json!({ "completed": completed, "total": count, "status": "success" });
        ("progress".to_owned(), data)
    };
    assert_eq!(
        events,
        [
            progress(100),
            progress(count),
            ("complete".to_owned(), whole)
        ]
    );
}

#[tokio::test]
async fn whoever_does_not_accept_events_gets_one_answer() {
    let academy = Academy::v1().await;
    let rows = people(&academy, 1).await;
    let arguments = json!({ "enrollments": rows, "stream": true });
    let answer = academy
        .post(&academy.admin, TOOL, arguments)
        .await
        .expect(200);
    assert_eq!(answer["results"][0]["status"], "success");
    let arguments = json!({ "stream": true });
    let refused = academy
        .post(&academy.admin, "get_learner_enrollments", arguments)
        .await;
    assert_eq!(
        refused.body["error"]["details"]["fields"],
        json!({ "stream": ["Unknown field."] })
    );
}
