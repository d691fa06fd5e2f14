//! What operators watch, on a listener of its own.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use mentor_gateway::http::metrics;
use serde_json::json;
use tower::ServiceExt;

use crate::harness::{Academy, Gateway, eventually};

/// Longest text that is read.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The lines of a scrape without their comments.
async fn scraped(gateway: &Gateway) -> Vec<String> {
    let router: Router = metrics::router(gateway.app.clone());
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = to_bytes(answer.into_body(), TEXT_BYTES_MAX).await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// The lines of a scrape that begin so, in order.
async fn lines(gateway: &Gateway, beginning: &str) -> Vec<String> {
    let mut lines = scraped(gateway).await;
    lines.retain(|line| line.starts_with(beginning));
    lines.sort();
    lines
}

#[tokio::test]
async fn answers_are_counted_by_the_class_of_their_status() {
    let gateway = Gateway::start().await;
    let before = lines(&gateway, "gateway_http_answers").await;
    assert_eq!(before, [""; 0]);
    let admin = gateway.admin().await;
    admin.get("mcp-servers/").await.expect(200);
    admin.get("mcp-servers/").await.expect(200);
    gateway.anonymous().get("mcp-servers/").await.expect(401);
    assert_eq!(
        lines(&gateway, "gateway_http_answers").await,
        [
            "gateway_http_answers_total{status=\"2xx\"} 2",
            "gateway_http_answers_total{status=\"4xx\"} 1",
        ]
    );
}

#[tokio::test]
async fn calls_are_counted_with_what_came_of_them_and_how_long_they_took() {
    let academy = Academy::v1().await;
    let arguments = json!({ "courseSlug": "ai-fundamentals" });
    let person = &academy.learner;
    academy.post(person, "get_course_details", arguments).await;
    let unknown = json!({ "courseSlug": "nothing" });
    academy.post(person, "get_course_details", unknown).await;
    let enrolled = json!({ "userId": "usr_john_doe_123", "cohortId": "coh_xyz789", "enrollmentType": "trial" });
    academy
        .post(&academy.admin, "create_enrollment", enrolled)
        .await;
    eventually("the audit rows", async || {
        let calls = lines(&academy.gateway, "gateway_calls").await;
        let expected = [
            "gateway_calls_total{method=\"tools/call\",outcome=\"ok\"} 2",
            "gateway_calls_total{method=\"tools/call\",outcome=\"resource_not_found\"} 1",
        ];
        (calls == expected).then_some(())
    })
    .await;
    let count = lines(&academy.gateway, "gateway_call_duration_seconds_count").await;
    assert_eq!(
        count,
        ["gateway_call_duration_seconds_count{method=\"tools/call\"} 3"]
    );
}

#[tokio::test]
async fn what_waits_is_counted_when_it_is_asked_for() {
    let gateway = Gateway::start().await;
    gateway.grant("acme", "bob").await;
    assert_eq!(
        lines(&gateway, "gateway_held").await,
        [
            "gateway_held{what=\"audit\",state=\"waiting\"} 0",
            "gateway_held{what=\"grants\",state=\"working\"} 1",
        ]
    );
    let academy = Academy::v1().await;
    let notice =
        json!({ "cohortId": "coh_xyz789", "subject": "S", "message": "M", "priority": "low" });
    let answer = academy
        .post(&academy.admin, "send_cohort_notification", notice)
        .await;
    let sent = answer.body["recipientCount"].as_i64().unwrap();
    let waiting = format!("gateway_held{{what=\"mails\",state=\"waiting\"}} {sent}");
    assert!(
        lines(&academy.gateway, "gateway_held")
            .await
            .contains(&waiting)
    );
}

#[tokio::test]
async fn clients_find_no_metrics_where_they_call() {
    let gateway = Gateway::start().await;
    gateway.admin().await.get("/metrics").await.expect(404);
}

#[tokio::test]
async fn jobs_say_how_their_runs_went() {
    let gateway = Gateway::start().await;
    let of_job = async |metric: &str| {
        let beginning = format!("gateway_job_{metric}{{job=\"clear_up\"}} ");
        let found = lines(&gateway, &beginning).await;
        let value = found.first()?.strip_prefix(&beginning)?.to_owned();
        Some(value.parse::<f64>().unwrap())
    };
    let runs = eventually("a run", async || of_job("runs_total").await).await;
    assert_eq!(runs.to_bits(), 1.0_f64.to_bits());
    assert_eq!(of_job("failures_total").await, Some(0.0));
    assert!(of_job("last_run_seconds").await.unwrap() > 0.0);
    assert!(of_job("last_success_seconds").await.unwrap() > 1_700_000_000.0);
}
