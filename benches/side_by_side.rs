//! The scenarios in which the upstream alone, the floor and the gateway do the same.

use std::io;
use std::time::Duration;

use crate::gateway::{FEW, MANY, exposed};
use crate::load::{self, Goal, Work, count_tools};
use crate::message::Door;
use crate::process::Process;
use crate::report::{Report, Round, Target};
use crate::upstream::{BIG, ECHO, EVENT, TOOLS};
use crate::wire::broken;
use crate::{Options, Scenario, Stage, floor, report, upstream};

/// What a target does before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

const CONCURRENCIES: [usize; 3] = [1, 16, 64];
const CONCURRENCY: usize = 16;

/// The same done by each target.
struct Contest<'a> {
    name: &'static str,
    connections: usize,
    racers: Vec<Racer<'a>>,
}

struct Racer<'a> {
    target: Target,
    process: &'a Process,
    goal: Goal,
}

/// Runs what the options ask for.
pub async fn measure(options: &Options, stage: &Stage, report: &mut Report) -> io::Result<()> {
    let mut contests = Vec::new();
    if options.wants(Scenario::Call) {
        for connections in CONCURRENCIES {
            contests.push(call(stage, report::SMALL, ECHO, connections));
        }
    } else if options.wants(Scenario::Big) {
        // The budget of the large answer is a multiple of the small one's.
        contests.push(call(stage, report::SMALL, ECHO, CONCURRENCY));
    }
    if options.wants(Scenario::Big) {
        contests.push(call(stage, report::BIG, BIG, CONCURRENCY));
    }
    if options.wants(Scenario::Event) {
        contests.push(call(stage, report::EVENT, EVENT, CONCURRENCY));
    }
    if options.wants(Scenario::List) {
        let people = &stage.gateway.people;
        for (name, servers, door) in [
            (report::FEW, FEW, people.few()),
            (report::MANY, MANY, people.many()),
            (report::MIXED, MANY, people.mixed()),
        ] {
            for connections in [1, CONCURRENCY] {
                contests.push(list(stage, (name, connections), servers, &door).await?);
            }
        }
    }
    for contest in contests {
        contest.run(options, report).await?;
    }
    Ok(())
}

fn call<'a>(stage: &'a Stage, name: &'static str, tool: &str, connections: usize) -> Contest<'a> {
    let plain = Work::Call(tool.to_owned());
    let through = (stage.gateway.people.one(), Work::Call(exposed(tool)));
    Contest {
        name,
        connections,
        racers: racers(stage, "/u/1/mcp", plain, through),
    }
}

async fn list<'a>(
    stage: &'a Stage,
    (name, connections): (&'static str, usize),
    servers: usize,
    door: &Door,
) -> io::Result<Contest<'a>> {
    let (tools, _) = count_tools(stage.gateway.process.addr, door).await?;
    assert_eq!(tools, servers * TOOLS, "the gateway's list is complete");
    let path = format!("/many/{servers}/mcp");
    let (tools, bytes_min) = count_tools(stage.upstream.addr, &direct(&path)).await?;
    assert_eq!(tools, servers * TOOLS, "the upstream's list is complete");
    // Names differ in length between the two; a tool that were missing would be some 600 bytes.
    let work = Work::List {
        bytes_min: bytes_min - bytes_min / 20,
    };
    Ok(Contest {
        name,
        connections,
        racers: racers(stage, &path, work.clone(), (door.clone(), work)),
    })
}

fn direct(path: &str) -> Door {
    Door {
        path: path.to_owned(),
        authorization: upstream::AUTHORIZATION.to_owned(),
    }
}

fn racers<'a>(
    stage: &'a Stage,
    path: &str,
    plain: Work,
    (door, work): (Door, Work),
) -> Vec<Racer<'a>> {
    let at_floor = Door {
        authorization: floor::KEY.to_owned(),
        ..direct(path)
    };
    let racer = |target, process: &'a Process, door, work| Racer {
        target,
        process,
        goal: Goal {
            addr: process.addr,
            door,
            work,
        },
    };
    vec![
        racer(Target::Direct, &stage.upstream, direct(path), plain.clone()),
        racer(Target::Floor, &stage.floor, at_floor, plain),
        racer(Target::Gateway, &stage.gateway.process, door, work),
    ]
}

impl Contest<'_> {
    async fn run(&self, options: &Options, report: &mut Report) -> io::Result<()> {
        let time = Duration::from_secs_f64(options.secs);
        for number in 0..options.rounds {
            // Who comes first changes, lest one always has the machine that another has warmed up.
            for at in 0..self.racers.len() {
                let racer = &self.racers[(at + number) % self.racers.len()];
                let round = racer.run(self.connections, time).await?;
                report.add(self.name, self.connections, racer.target, round);
            }
        }
        Ok(())
    }
}

impl Racer<'_> {
    async fn run(&self, connections: usize, time: Duration) -> io::Result<Round> {
        load::run(&self.goal, connections, WARM_UP).await?;
        self.process.settle().await?;
        let before = self.process.cpu()?;
        let mut seen = load::run(&self.goal, connections, time).await?;
        self.process.settle().await?;
        let spent = self.process.cpu()? - before;
        let calls = seen.latencies.len() as f64;
        if let Some(first) = &seen.first_error {
            eprintln!(
                "{} wrong answers of {:?}, the first: {first}",
                seen.wrong, self.target
            );
        }
        if seen.latencies.is_empty() {
            return Err(broken("there was no right answer"));
        }
        Ok(Round {
            wrong: seen.wrong as f64 / (calls + seen.wrong as f64) * 100.0,
            per_second: calls / seen.took.as_secs_f64(),
            p50_us: micros(seen.percentile(500)),
            p99_us: micros(seen.percentile(990)),
            cpu_us: micros(spent) / calls,
        })
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
