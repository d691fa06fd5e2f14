//! What a full database does to a call and to the lists of REST: `cargo bench --bench scale`, smaller with
//! `-- --scale 0.1`, and with `--postgres URL` on a PostgreSQL server instead of SQLite.
//!
//! The built binary is measured empty, then with 1 002 tenants, 20 001 people, 10 004 servers, 100 001 connections (10 000
//! of them people's own at the server that is called) and 1 000 000 audit rows of the tenant. Prints Markdown.

#![expect(unreachable_pub, reason = "one binary: everything below is its own")]
#![expect(
    dead_code,
    reason = "parts of the relay's benchmark, of which some are used"
)]
#![expect(
    clippy::disallowed_types,
    reason = "the benchmark stands outside: `egress` is what it measures"
)]

mod full_world;
mod gateway;
mod load;
mod message;
mod process;
mod server;
mod upstream;
mod wire;

use std::io;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use mentor_gateway::clock::Stopwatch;
use tokio::runtime::Builder;

use crate::full_world::World;
use crate::gateway::{Gateway, exposed};
use crate::load::{Goal, Work};
use crate::message::Door;
use crate::process::Process;
use crate::upstream::ECHO;
use crate::wire::{Wire, broken};

/// What a full database does to a call and to a list
#[derive(Debug, Parser)]
struct Options {
    /// How full, as a share of the whole
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Seconds of calls
    #[arg(long, default_value_t = 10.0)]
    secs: f64,
    /// Requests of each list
    #[arg(long, default_value_t = 40)]
    requests: usize,
    /// A PostgreSQL server to measure on instead of SQLite; a schema is made there
    #[arg(long, env = "TEST_DATABASE_URL")]
    postgres: Option<String>,
    /// Given by `cargo bench`; without it, as under `cargo test --all-targets`, nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
    /// What this process is, when the benchmark starts itself
    #[arg(long, hide = true)]
    role: Option<Role>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Upstream,
}

/// Connections that call at once.
const CALLERS: usize = 16;
/// The lists, with filters that leave much, little and nothing.
const LISTS: &[&str] = &[
    "mcp-servers/{server}/resolve/?user=bob",
    "mcp-servers/?page_size=25",
    "mcp-servers/?page_size=25&page=100",
    "mcp-servers/?search=Server+49",
    "mcp-servers/?is_featured=true",
    "mcp-server-connections/?page_size=25",
    "mcp-server-connections/?page_size=25&page=1000",
    "mcp-server-connections/?server={server}",
    "mcp-server-connections/?scope=platform",
    "mcp-server-connections/?is_active=false",
    "mcp-server-connections/?user=person-77",
    "mcp-server-connections/?search=person-77",
    "audit/?page_size=25",
    "audit/?page_size=25&page=1000",
    "audit/?server={server}",
    "audit/?outcome=ok",
    "audit/?outcome=timeout",
    "audit/?user=person-77",
    "audit/?actor=alice",
    "audit/?action=tools/call",
    "audit/?action=connection.create",
    "audit/?object=connection:77000",
    "audit/?tool=search",
    "audit/?tool=nothing",
    "audit/?request_id=request-77",
];

/// The URL of the database, if it is not the one that the binary makes by itself.
static DATABASE: OnceLock<String> = OnceLock::new();

/// Where the gateway's rows are, if not in its directory.
pub fn database_url() -> Option<&'static str> {
    DATABASE.get().map(String::as_str)
}

/// What was measured of one thing: the first time, the middle and the slow end, in ms.
struct Timing {
    first: f64,
    p50: f64,
    p95: f64,
}

/// What was measured at once.
struct Look {
    per_second: f64,
    cpu_us: f64,
    p50_ms: f64,
    p99_ms: f64,
    lists: Vec<Timing>,
    rss_mib: f64,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    match options.role {
        Some(Role::Upstream) => Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(upstream::run()),
        None if !options.bench => Ok(()),
        None => Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(measure(&options)),
    }
}

async fn measure(options: &Options) -> io::Result<()> {
    let load = load_average()?;
    let dir = tempfile::tempdir()?;
    let upstream =
        Process::start(Command::new(std::env::current_exe()?).args(["--role", "upstream"]))?;
    if let Some(server) = &options.postgres {
        let schema = full_world::new_schema(server).await?;
        DATABASE.get_or_init(|| schema);
    }
    let gateway = Gateway::set_up(dir.path(), upstream.addr).await?;
    let mut world = World::of(dir.path()).await?;
    let empty = look(options, &gateway, &world).await?;
    world.fill(options.scale).await?;
    let full = look(options, &gateway, &world).await?;
    print(options, &world, (&empty, &full), &load);
    Ok(())
}

/// Measures calls, and then every list.
async fn look(options: &Options, gateway: &Gateway, world: &World) -> io::Result<Look> {
    let goal = Goal {
        addr: gateway.process.addr,
        door: gateway.people.one(),
        work: Work::Call(exposed(ECHO)),
    };
    load::run(&goal, CALLERS, Duration::from_secs(1)).await?;
    gateway.process.settle().await?;
    let before = gateway.process.cpu()?;
    let mut seen = load::run(&goal, CALLERS, Duration::from_secs_f64(options.secs)).await?;
    let rss_mib = gateway.process.rss_bytes()? as f64 / 1024.0 / 1024.0;
    gateway.process.settle().await?;
    let cpu = gateway.process.cpu()? - before;
    if seen.wrong > 0 {
        let first = seen.first_error.unwrap_or_default();
        return Err(broken(&format!("{} wrong answers: {first}", seen.wrong)));
    }
    let calls = seen.latencies.len().max(1) as f64;
    let mut lists = Vec::new();
    for list in LISTS {
        let path = list.replace("{server}", &world.server.to_string());
        lists.push(time(options, gateway, &path).await?);
    }
    Ok(Look {
        per_second: calls / seen.took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / calls,
        p50_ms: seen.percentile(500).as_secs_f64() * 1e3,
        p99_ms: seen.percentile(990).as_secs_f64() * 1e3,
        lists,
        rss_mib,
    })
}

/// Asks for a list again and again, one request after the other.
async fn time(options: &Options, gateway: &Gateway, path: &str) -> io::Result<Timing> {
    let door = Door {
        path: format!("/api/ai-mentor/orgs/acme/users/alice/{path}"),
        authorization: gateway.people.admin.clone(),
    };
    let request = door.rest("GET", "");
    let mut wire = Wire::connect(gateway.process.addr).await?;
    let mut times = Vec::new();
    for _ in 0..options.requests.max(1) {
        let watch = Stopwatch::start();
        let (status, body) = wire.exchange(&request).await?;
        let took = watch.elapsed().as_secs_f64() * 1e3;
        // An empty database has no hundredth page.
        if !matches!(status, 200 | 404) {
            let body = String::from_utf8_lossy(body);
            return Err(broken(&format!("{path} answered {status}: {body}")));
        }
        times.push(took);
    }
    let first = times[0];
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let timing = Timing {
        first,
        p50: at(50),
        p95: at(95),
    };
    eprintln!("{path}: first {first:.1} ms, p95 {:.1} ms", timing.p95);
    Ok(timing)
}

fn load_average() -> io::Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().unwrap_or_default().to_owned())
}

fn commit() -> String {
    let asked = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
fn print(options: &Options, world: &World, (empty, full): (&Look, &Look), load: &str) {
    let database = match options.postgres {
        Some(_) => "PostgreSQL",
        None => "SQLite",
    };
    println!(
        "\n{database}, commit {}, {} cores, load average at the start {load}; {}\n",
        commit(),
        std::thread::available_parallelism().map_or(0, usize::from),
        world.rows,
    );
    println!("| relayed call, c={CALLERS} | empty | full |\n|---|--:|--:|");
    let line = |what: &str, value: fn(&Look) -> f64| {
        println!("| {what} | {:.1} | {:.1} |", value(empty), value(full));
    };
    line("calls a second", |look| look.per_second);
    line("CPU a call, µs", |look| look.cpu_us);
    line("p50, ms", |look| look.p50_ms);
    line("p99, ms", |look| look.p99_ms);
    line("resident memory, MiB", |look| look.rss_mib);
    println!("\n| list, ms | empty p95 | full: first | p50 | p95 |\n|---|--:|--:|--:|--:|");
    for (list, (empty, full)) in LISTS.iter().zip(empty.lists.iter().zip(&full.lists)) {
        println!(
            "| `{list}` | {:.1} | {:.1} | {:.1} | {:.1} |",
            empty.p95, full.first, full.p50, full.p95
        );
    }
}
