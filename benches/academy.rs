//! How long the academy's tools take on 100 000 enrollments: `cargo bench --bench academy`, or with
//! `-- --enrollments 1000 --calls 50`, and with `--postgres URL` on PostgreSQL beside SQLite.
//!
//! One client over HTTP, one call after the other, with authentication, limits and audit on. The gateway's clock is moved
//! before each call, so that no limit is met. Prints Markdown, with the figures of
//! docs/inside/academy.md#6359-speed-of-v1 beside; the table goes to docs/inside/speed.md#the-academys-tools.

#![expect(unreachable_pub, reason = "one binary: everything below is its own")]

mod academy_world;

use std::error::Error;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

use crate::academy_world::World;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long the academy's tools take
#[derive(Debug, Parser)]
struct Options {
    /// Enrollments in the database
    #[arg(long, default_value_t = 100_000)]
    enrollments: i64,
    /// Calls of each tool
    #[arg(long, default_value_t = 200)]
    calls: usize,
    /// A PostgreSQL server to measure on beside SQLite
    #[arg(long, env = "TEST_DATABASE_URL")]
    postgres: Option<String>,
    /// Given by `cargo bench`; without it, as under `cargo test --all-targets`, nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

/// Whose tool it is, and what the document promises: p50 and p95 at their best, in ms.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Learner,
    Admin,
}

impl Kind {
    fn promised_ms(self) -> (f64, f64) {
        match self {
            Self::Learner => (50.0, 200.0),
            Self::Admin => (200.0, 1000.0),
        }
    }
}

/// How much faster than the document the tools are to be.
const TIMES_FASTER: f64 = 10.0;
/// Calls before those that are measured.
const WARM_UP: usize = 10;
/// Rows of a bulk enrollment.
const BULK: usize = 25;

/// Middle and slow end, in ms.
#[derive(Debug, Clone, Copy)]
struct Times {
    p50: f64,
    p95: f64,
}

impl Times {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| all[(all.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
        Self {
            p50: at(50),
            p95: at(95),
        }
    }
}

/// What is called: the face, the tool, whose it is, and the arguments of the call with this number.
struct Tool {
    face: &'static str,
    name: &'static str,
    kind: Kind,
    arguments: fn(usize) -> Value,
}

const fn tool(
    face: &'static str,
    name: &'static str,
    kind: Kind,
    arguments: fn(usize) -> Value,
) -> Tool {
    Tool {
        face,
        name,
        kind,
        arguments,
    }
}

const TOOLS: &[Tool] = &[
    tool(
        "v1",
        "get_learner_enrollments",
        Kind::Learner,
        |_| json!({}),
    ),
    tool(
        "v1",
        "get_course_details",
        Kind::Learner,
        |_| json!({ "courseSlug": "ai-fundamentals" }),
    ),
    tool(
        "v1",
        "get_upcoming_cohorts",
        Kind::Learner,
        |_| json!({ "limit": 100 }),
    ),
    tool(
        "v1",
        "check_enrollment_status",
        Kind::Learner,
        |_| json!({ "cohortId": "coh_xyz789" }),
    ),
    tool(
        "v1",
        "get_enablement_kit",
        Kind::Learner,
        |_| json!({ "enrollmentId": "enr_123" }),
    ),
    tool(
        "v1",
        "get_certificate",
        Kind::Learner,
        |_| json!({ "enrollmentId": "enr_100" }),
    ),
    tool(
        "v2",
        "academy_get_enrollments",
        Kind::Learner,
        |_| json!({ "status": "all" }),
    ),
    tool(
        "v2",
        "academy_get_materials",
        Kind::Learner,
        |_| json!({ "courseId": "crs_ai_foundations" }),
    ),
    tool(
        "v2",
        "academy_chat",
        Kind::Learner,
        |_| json!({ "enrollmentId": "enr_123", "message": "What is prompt engineering?" }),
    ),
    tool(
        "v2",
        "academy_get_availability",
        Kind::Learner,
        |_| json!({ "enrollmentId": "enr_123" }),
    ),
    tool(
        "v2",
        "academy_get_certificate",
        Kind::Learner,
        |_| json!({ "enrollmentId": "enr_100" }),
    ),
    tool(
        "v1",
        "get_cohort_roster",
        Kind::Admin,
        |at| json!({ "cohortId": format!("coh_b{}", at + 1) }),
    ),
    tool(
        "v1",
        "send_cohort_notification",
        Kind::Admin,
        |at| json!({ "cohortId": format!("coh_b{}", at + 1), "subject": "S", "message": "M", "priority": "low" }),
    ),
    tool(
        "v1",
        "create_enrollment",
        Kind::Admin,
        |at| json!({ "userId": format!("usr_b{}", at + 1), "cohortId": "coh_free", "enrollmentType": "trial" }),
    ),
    tool(
        "v2",
        "academy_admin_list_cohorts",
        Kind::Admin,
        |at| json!({ "limit": 100, "offset": at }),
    ),
    tool(
        "v2",
        "academy_admin_enrollment_stats",
        Kind::Admin,
        |at| json!({ "cohortId": format!("coh_b{}", at + 1) }),
    ),
    tool(
        "v2",
        "academy_admin_create_enrollment",
        Kind::Admin,
        |at| json!({ "userId": format!("usr_b{}", at + 1001), "cohortId": "coh_free", "organizationId": "org_789" }),
    ),
];

#[tokio::main]
async fn main() -> Outcome<()> {
    let options = Options::parse();
    if !options.bench {
        return Ok(());
    }
    let mut columns = vec![("SQLite", measure(&options, None).await?)];
    if let Some(server) = &options.postgres {
        columns.push(("PostgreSQL", measure(&options, Some(server)).await?));
    }
    print(&options, &columns);
    Ok(())
}

/// The times of each tool, and of the first and the next event of a bulk enrollment.
async fn measure(options: &Options, server: Option<&str>) -> Outcome<Vec<Times>> {
    let world = World::build(options.enrollments, server).await?;
    let mut columns = Vec::new();
    for tool in TOOLS {
        let mut times = Vec::new();
        for at in 0..WARM_UP + options.calls {
            let request = world.call(tool.face, tool.name, matches!(tool.kind, Kind::Admin));
            let request = request.json(&(tool.arguments)(at));
            let began = now();
            let response = request.send().await?;
            let status = response.status();
            let text = response.text().await?;
            times.push(began.elapsed());
            if status != 200 {
                return Err(format!("{}: {status} {text}", tool.name).into());
            }
        }
        columns.push(Times::of(times.split_off(WARM_UP)));
    }
    columns.extend(stream(options, &world).await?);
    world.tear_down().await?;
    Ok(columns)
}

/// Until the first event of a bulk enrollment, and from one to the next.
async fn stream(options: &Options, world: &World) -> Outcome<[Times; 2]> {
    let (mut firsts, mut nexts) = (Vec::new(), Vec::new());
    for at in 0..options.calls.div_ceil(BULK) {
        let row = |of: usize| json!({ "userId": format!("usr_b{}", 2001 + at * BULK + of) });
        let rows: Vec<Value> = (0..BULK).map(row).collect();
        let body = json!({ "enrollments": rows, "cohortId": "coh_free", "stream": true });
        let request = world.call("v1", "create_enrollment", true).json(&body);
        let mut last = now();
        let mut response = request.header("accept", "text/event-stream").send().await?;
        let (mut seen, mut text) = (0, String::new());
        while let Some(piece) = response.chunk().await? {
            text.push_str(std::str::from_utf8(&piece)?);
            let events = text.matches("event: progress").count();
            if events > seen {
                let list = if seen == 0 { &mut firsts } else { &mut nexts };
                list.push(last.elapsed());
                (seen, last) = (events, now());
            }
        }
        if !text.contains("\"totalFailed\":0") {
            return Err(format!("bulk: {text}").into());
        }
    }
    Ok([Times::of(firsts), Times::of(nexts)])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn print(options: &Options, columns: &[(&str, Vec<Times>)]) {
    println!(
        "{} enrollments, {} calls of each tool, p50 / p95 in ms\n",
        options.enrollments, options.calls
    );
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    println!(
        "| tool | document | {} | ten times faster |",
        names.join(" | ")
    );
    println!("|---|---|{}---|", "---|".repeat(names.len()));
    let streamed = [
        ("first event of a bulk enrollment", (500.0, 500.0)),
        ("each next event", (100.0, 300.0)),
    ];
    let rows = TOOLS
        .iter()
        .map(|tool| (tool.name, tool.kind.promised_ms()));
    for (at, (name, (p50, p95))) in rows.chain(streamed).enumerate() {
        let times: Vec<Times> = columns.iter().map(|(_, times)| times[at]).collect();
        let is_kept = times
            .iter()
            .all(|times| times.p50 * TIMES_FASTER <= p50 && times.p95 * TIMES_FASTER <= p95);
        let cells: Vec<String> = times
            .iter()
            .map(|times| format!("{:.1} / {:.1}", times.p50, times.p95))
            .collect();
        let kept = if is_kept { "yes" } else { "no" };
        println!(
            "| {name} | {p50:.0} / {p95:.0} | {} | {kept} |",
            cells.join(" | ")
        );
    }
}
