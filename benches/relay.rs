//! What a call costs through the gateway: `cargo bench`, or `cargo bench -- --only call --secs 5`.
//!
//! The upstream alone, the floor and the gateway are measured in turn within each round, each in a process of its
//! own, so that CPU time per call can be told apart and what disturbs one disturbs all. Authentication, resolution,
//! limits and audit are on. Prints Markdown, with the budgets beside the figures; the table of a
//! quiet machine goes to docs/inside/speed.md, with the commit, the machine and the load average.

#![expect(unreachable_pub, reason = "one binary: everything below is its own")]
#![expect(
    clippy::disallowed_types,
    reason = "the benchmark stands outside: `egress` is what it measures"
)]

mod floor;
mod gateway;
mod idle;
mod instructions;
mod load;
mod message;
mod process;
mod report;
mod server;
mod side_by_side;
mod upstream;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::process::Command;

use clap::{Parser, ValueEnum};
use tokio::runtime::Builder;

use crate::gateway::Gateway;
use crate::idle::Resting;
use crate::process::Process;
use crate::report::Report;

/// What a call costs through the gateway, beside the direct call and the least that a relay costs
#[derive(Debug, Parser)]
pub struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2.0)]
    secs: f64,
    /// Rounds; figures are medians over them
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Nothing but this (repeatable) [default: everything]
    #[arg(long)]
    only: Vec<Scenario>,
    /// Write the counted instructions into the tree
    #[arg(long)]
    write: bool,
    /// Given by `cargo bench`; without it, as under `cargo test --all-targets`, nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
    /// What this process is, when the benchmark starts itself
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// To where the floor relays
    #[arg(long, hide = true, required_if_eq("role", "floor"))]
    to: Option<SocketAddr>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// A tool that gives 64 bytes back, at 1, 16 and 64 connections
    Call,
    /// A tool that answers with 16 kB
    Big,
    /// A tool that answers with a stream of one event
    Event,
    /// Lists of 500 tools over 10 servers, and of 2500 over 50 with 5 dead and 5 hanging beside them
    List,
    /// Start to the first answered call, and memory at rest
    Start,
    /// Memory of idle sessions and streams
    Idle,
    /// Instructions of one request, counted by callgrind; only if named
    Instructions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Upstream,
    Floor,
}

impl Options {
    fn wants(&self, scenario: Scenario) -> bool {
        self.only.is_empty() || self.only.contains(&scenario)
    }
}

/// Everything that runs.
pub struct Stage {
    upstream: Process,
    floor: Process,
    gateway: Gateway,
    dir: tempfile::TempDir,
}

impl Stage {
    async fn set_up() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let upstream = Process::start(myself()?.args(["--role", "upstream"]))?;
        let to = upstream.addr.to_string();
        let floor = Process::start(myself()?.args(["--role", "floor", "--to", &to]))?;
        let gateway = Gateway::set_up(dir.path(), upstream.addr).await?;
        Ok(Self {
            upstream,
            floor,
            gateway,
            dir,
        })
    }
}

/// Where the gateway's rows are, if not in its directory, where an operator has them who set nothing.
pub const fn database_url() -> Option<&'static str> {
    None
}

fn myself() -> io::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let servers = || Builder::new_multi_thread().enable_all().build();
    match (options.role, options.to) {
        (Some(Role::Floor), Some(to)) => servers()?.block_on(floor::run(to)),
        (Some(_), _) => servers()?.block_on(upstream::run()),
        (None, _) if !options.bench => Ok(()),
        // One thread makes the load, so that it never takes more than one core from what is measured.
        (None, _) => Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(measure(&options)),
    }
}

async fn measure(options: &Options) -> io::Result<()> {
    if options.only == [Scenario::Instructions] {
        return instructions::count(Stage::set_up().await?, options.write).await;
    }
    let mut report = Report::begin(options)?;
    let stage = Stage::set_up().await?;
    side_by_side::measure(options, &stage, &mut report).await?;
    if options.wants(Scenario::Start) || options.wants(Scenario::Idle) {
        let resting = Resting::after(stage)?;
        if options.wants(Scenario::Start) {
            resting.starts(options.rounds, &mut report).await?;
        }
        if options.wants(Scenario::Idle) {
            resting.sessions_and_streams(&mut report).await?;
        }
    }
    report.print();
    Ok(())
}
