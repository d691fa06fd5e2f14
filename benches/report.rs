//! The figures, as medians with their spread, and the budgets that they are held to (docs/inside/speed.md#budgets).

use std::fmt;
use std::io;

use mentor_gateway::clock::Clock;

use crate::Options;

/// What the scenarios are called.
pub const SMALL: &str = "64-byte echo";
pub const BIG: &str = "16 kB answer";
pub const EVENT: &str = "answer as an event";
pub const FEW: &str = "list, 500 tools of 10 servers";
pub const MANY: &str = "list, 2 500 tools of 50 servers";
pub const MIXED: &str = "the same, 5 dead and 5 hanging beside";

/// Who was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The upstream, with nothing between.
    Direct,
    /// The least relay.
    Floor,
    /// The product.
    Gateway,
}

/// One measurement of one target.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// CPU time of the target's process per answer.
    pub cpu_us: f64,
    /// Answers that were not the right ones, in percent; they count nowhere else.
    pub wrong: f64,
}

/// What is measured of the gateway alone.
#[derive(Debug, Clone, Copy)]
pub enum Figure {
    StartMs,
    IdleMib,
    SessionKb,
    StreamKb,
}

/// All rounds of a scenario.
struct Section {
    name: &'static str,
    connections: usize,
    rounds: Vec<(Target, Round)>,
}

/// A figure and its budget.
struct Line {
    what: String,
    goal: String,
    is: Spread,
    decimals: usize,
    holds: bool,
}

impl Line {
    fn at_most(max: f64, unit: &str, is: Spread) -> Self {
        Self {
            what: String::new(),
            goal: format!("≤ {max} {unit}"),
            is,
            decimals: if max < 10.0 { 2 } else { 1 },
            holds: is.median <= max,
        }
    }
}

/// What the benchmark found.
pub struct Report {
    heading: String,
    sections: Vec<Section>,
    lines: Vec<Line>,
}

/// A median, and between what it lies.
#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        Self {
            median: values[middle],
            min: values[0],
            max: values[values.len() - 1],
        }
    }
}

impl fmt::Display for Spread {
    /// The median; with `#`, what it lies between too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(0);
        write!(f, "{:.decimals$}", self.median)?;
        if f.alternate() {
            write!(f, " ({:.decimals$}–{:.decimals$})", self.min, self.max)?;
        }
        Ok(())
    }
}

impl Target {
    const ALL: [Self; 3] = [Self::Direct, Self::Floor, Self::Gateway];

    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Floor => "floor",
            Self::Gateway => "**gateway**",
        }
    }
}

impl Section {
    fn of(&self, target: Target) -> Vec<Round> {
        let own = self.rounds.iter().filter(|(whose, _)| *whose == target);
        own.map(|(_, round)| *round).collect()
    }

    fn spread(&self, target: Target, value: impl Fn(Round) -> f64) -> Spread {
        Spread::of(self.of(target).into_iter().map(value).collect())
    }

    /// A value made of the direct call's and the gateway's of the same round.
    fn paired(&self, value: impl Fn(Round, Round) -> f64) -> Spread {
        let (direct, through) = (self.of(Target::Direct), self.of(Target::Gateway));
        Spread::of(
            direct
                .into_iter()
                .zip(through)
                .map(|(direct, through)| value(direct, through))
                .collect(),
        )
    }
}

impl Report {
    /// An empty report that says when and where.
    pub fn begin(options: &Options) -> io::Result<Self> {
        let now = Clock::default().now().to_iso();
        let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or("unknown", |(_, model)| model.trim());
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let heading = format!(
            "{}, {} cores ({model}), everything on the same ones; {} rounds of {} s; load average at the start {}",
            now.split('T').next().unwrap_or_default(),
            std::thread::available_parallelism()?,
            options.rounds,
            options.secs,
            load.split(' ').next().unwrap_or_default(),
        );
        Ok(Self {
            heading,
            sections: Vec::new(),
            lines: Vec::new(),
        })
    }

    /// Adds a measurement that targets share.
    pub fn add(&mut self, name: &'static str, connections: usize, target: Target, round: Round) {
        eprintln!(
            "{name} c={connections} {target:?}: {:.0}/s, p50 {:.0} µs, p99 {:.0} µs, CPU {:.1} µs",
            round.per_second, round.p50_us, round.p99_us, round.cpu_us
        );
        let is_last =
            |section: &Section| section.name == name && section.connections == connections;
        if !self.sections.last().is_some_and(is_last) {
            self.sections.push(Section {
                name,
                connections,
                rounds: Vec::new(),
            });
        }
        if let Some(section) = self.sections.last_mut() {
            section.rounds.push((target, round));
        }
    }

    /// Adds a measurement of the gateway alone.
    pub fn figure(&mut self, figure: Figure, values: Vec<f64>) {
        let (what, unit, max) = match figure {
            Figure::StartMs => ("start to the first answered call", "ms", 150.0),
            Figure::IdleMib => ("memory at rest after a start", "MiB", 30.0),
            Figure::SessionKb => ("memory of an idle session", "kB", 3.0),
            Figure::StreamKb => ("memory of an idle stream", "kB", 16.0),
        };
        self.lines.push(Line {
            what: what.to_owned(),
            ..Line::at_most(max, unit, Spread::of(values))
        });
    }

    /// Prints everything as Markdown.
    #[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
    pub fn print(mut self) {
        println!("\n{}\n", self.heading);
        if !self.sections.is_empty() {
            println!("{}", self.side_by_side());
        }
        let lines: Vec<Line> = self.sections.iter().flat_map(|s| self.budgets(s)).collect();
        self.lines.splice(0..0, lines);
        println!("| budget | goal | median (min–max) | |\n|---|--:|--:|---|");
        for line in &self.lines {
            let (decimals, verdict) = (line.decimals, if line.holds { "kept" } else { "missed" });
            let (what, goal) = (&line.what, &line.goal);
            println!("| {what} | {goal} | {:#.decimals$} | {verdict} |", line.is);
        }
        println!(
            "\nCPU is that of the target's own process, with what it puts off (the audit rows)."
        );
    }

    fn side_by_side(&self) -> String {
        let mut out = String::from(
            "| what | c | | per second (min–max) | of direct | p50 µs | p99 µs | CPU µs (min–max) | wrong |\n|---|--:|---|--:|--:|--:|--:|--:|--:|\n",
        );
        for section in &self.sections {
            let direct = section.spread(Target::Direct, |round| round.per_second);
            for target in Target::ALL {
                let of = |value: fn(Round) -> f64| section.spread(target, value);
                let per_second = of(|round| round.per_second);
                out.push_str(&format!(
                    "| {} | {} | {} | {per_second:#} | {:.2} | {} | {} | {:#.1} | {:.1} % |\n",
                    section.name,
                    section.connections,
                    target.name(),
                    per_second.median / direct.median,
                    of(|round| round.p50_us),
                    of(|round| round.p99_us),
                    of(|round| round.cpu_us),
                    of(|round| round.wrong),
                ));
            }
        }
        out
    }

    /// The budgets that a section has figures for.
    fn budgets(&self, section: &Section) -> Vec<Line> {
        let of = |value: fn(Round) -> f64| section.spread(Target::Gateway, value);
        let cpu = of(|round| round.cpu_us);
        let share = section.paired(|direct, through| through.per_second / direct.per_second);
        let added = |value: fn(Round) -> f64| {
            section.paired(|direct, through| value(through) - value(direct))
        };
        let line = |what: &str, max: f64, unit: &str, is: Spread| Line {
            what: format!("{}, c={}: {what}", section.name, section.connections),
            ..Line::at_most(max, unit, is)
        };
        let share = Line {
            goal: "≥ 0.28".to_owned(),
            holds: share.median >= 0.28,
            ..line("calls, as a share of direct", 1.0, "", share)
        };
        match (section.name, section.connections) {
            (SMALL, 1) => vec![
                line("added p50", 100.0, "µs", added(|round| round.p50_us)),
                line("added p99", 1000.0, "µs", added(|round| round.p99_us)),
            ],
            (SMALL, 16) => vec![line("CPU per call", 40.0, "µs", cpu), share],
            (SMALL, _) => vec![share],
            (BIG, _) => {
                let times = self.beside(SMALL, section);
                let times = times.map(|is| line("CPU, of the small call's", 1.5, "×", is));
                times.into_iter().collect()
            }
            (FEW | MIXED, 1) => vec![line("p99", 5.0, "ms", of(|round| round.p99_us / 1e3))],
            (FEW, _) => vec![line("CPU per list", 200.0, "µs", cpu)],
            (MIXED, _) => {
                let times = self.beside(MANY, section);
                let times = times.map(|is| line("CPU, of that without them", 1.1, "×", is));
                let own = line("CPU per list", 200.0, "µs", cpu);
                [own].into_iter().chain(times).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The gateway's CPU in a section as a multiple of that in another, at as many connections.
    fn beside(&self, name: &str, section: &Section) -> Option<Spread> {
        let is_other =
            |other: &&Section| other.name == name && other.connections == section.connections;
        let other = self.sections.iter().find(is_other)?.of(Target::Gateway);
        let own = section.of(Target::Gateway);
        let times = own
            .iter()
            .zip(other)
            .map(|(own, other)| own.cpu_us / other.cpu_us);
        Some(Spread::of(times.collect()))
    }
}
