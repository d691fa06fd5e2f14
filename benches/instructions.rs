//! How many instructions one call costs, counted by callgrind: the same on every machine and under any load, to a
//! fraction of a percent. Seconds could not tell a slide from a neighbour.
//!
//! The gateway runs on one worker thread, so that no count depends on who woke whom. What runs beside the calls is
//! counted with them; there are enough calls that it does not show.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Stage;
use crate::gateway::{self, exposed};
use crate::message::{Door, Template, answers};
use crate::process::Process;
use crate::upstream::{ECHO, EVENT};
use crate::wire::{Wire, broken};

/// Calls before counting begins, and calls that are counted.
const WARM_UP_CALLS: usize = 100;
const COUNTED_CALLS: usize = 1_000;
/// The figures of the last commit that changed them.
const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.toml");
/// How much a figure may grow, or shrink, without being written anew.
const DRIFT: f64 = 0.03;

/// A row of the table: its name, and what is asked over and over.
struct Row {
    name: &'static str,
    request: Template,
}

/// Counts, prints, and compares with the figures in the tree; writes them anew if told to.
pub async fn count(stage: Stage, writes: bool) -> io::Result<()> {
    let Stage {
        upstream: _upstream,
        floor: _floor,
        gateway,
        dir,
    } = stage;
    let people = gateway.people.clone();
    gateway.process.stop()?;
    let counted = Counted::start(dir.path())?;
    let mut wire = Wire::connect(counted.process.addr).await?;
    let (one, few) = (people.one(), people.few());
    let session = wire.open_session(one.initialize().stamp().0).await?;
    let rows = [
        row("call", one.call(&exposed(ECHO))),
        row("event", one.call(&exposed(EVENT))),
        row("session_call", in_session(&one, &session)),
        row("list_500", few.list(None)),
    ];
    let mut figures = BTreeMap::new();
    for mut row in rows {
        figures.insert(row.name, counted.row(&mut wire, &mut row).await?);
    }
    report(&figures, writes)
}

fn row(name: &'static str, request: Template) -> Row {
    Row { name, request }
}

fn in_session(door: &Door, session: &str) -> Template {
    door.session_call(&exposed(ECHO), session)
}

/// The gateway under callgrind.
struct Counted {
    process: Process,
    out: PathBuf,
}

impl Counted {
    fn start(dir: &Path) -> io::Result<Self> {
        let out = dir.join("callgrind.out");
        let mut tool = Command::new("valgrind");
        tool.args(["--tool=callgrind", "--instr-atstart=no", "--quiet"])
            .arg(format!("--callgrind-out-file={}", out.display()));
        let process = gateway::start_under(tool, dir)?;
        Ok(Self { process, out })
    }

    /// Instructions of one request, in and out.
    async fn row(&self, wire: &mut Wire, row: &mut Row) -> io::Result<u64> {
        self.control("--instr=on")?;
        ask(wire, &mut row.request, WARM_UP_CALLS).await?;
        self.control("--zero")?;
        ask(wire, &mut row.request, COUNTED_CALLS).await?;
        self.control(&format!("--dump={}", row.name))?;
        self.control("--instr=off")?;
        Ok(self.total(row.name)? / COUNTED_CALLS as u64)
    }

    fn control(&self, what: &str) -> io::Result<()> {
        let pid = self.process.id().to_string();
        let told = Command::new("callgrind_control")
            .args([what, &pid])
            .output()?;
        match told.status.success() {
            true => Ok(()),
            false => Err(broken(&String::from_utf8_lossy(&told.stderr))),
        }
    }

    /// The sum of the dump that was made for this reason.
    fn total(&self, reason: &str) -> io::Result<u64> {
        let dir = self.out.parent().unwrap_or(Path::new("."));
        for file in std::fs::read_dir(dir)? {
            let path = file?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with("callgrind.out.") {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            if text.contains(&format!("desc: Trigger: dump {reason}\n")) {
                let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
                let total = total.and_then(|total| total.trim().parse().ok());
                return total.ok_or_else(|| broken("a dump without a sum"));
            }
        }
        Err(broken("callgrind made no dump"))
    }
}

async fn ask(wire: &mut Wire, request: &mut Template, times: usize) -> io::Result<()> {
    for _ in 0..times {
        let (text, number) = request.stamp();
        let (status, body) = wire.exchange(text).await?;
        if status != 200 || !answers(body, &number) {
            let body = String::from_utf8_lossy(&body[..body.len().min(300)]);
            return Err(broken(&format!("{status} {body}")));
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn report(figures: &BTreeMap<&'static str, u64>, writes: bool) -> io::Result<()> {
    let text = std::fs::read_to_string(FIGURES)?;
    let known: toml::Table = toml::from_str(&text).map_err(io::Error::other)?;
    let mut drifted = Vec::new();
    for (name, now) in figures {
        let before = known.get(*name).and_then(toml::Value::as_integer);
        let change = before.map(|before| *now as f64 / before as f64 - 1.0);
        let change_text = change.map_or("new".to_owned(), |change| {
            format!("{:+.1} %", change * 100.0)
        });
        println!("{name} {now} instructions, {change_text}");
        if change.is_none_or(|change| change.abs() > DRIFT) {
            drifted.push(*name);
        }
    }
    if writes {
        let comments = text.lines().filter(|line| line.starts_with('#'));
        let rows = figures.iter().map(|(name, now)| format!("{name} = {now}"));
        let lines: Vec<String> = comments.map(str::to_owned).chain(rows).collect();
        return std::fs::write(FIGURES, lines.join("\n") + "\n");
    }
    if drifted.is_empty() {
        return Ok(());
    }
    Err(broken(&format!(
        "{} moved by more than {} %: write {FIGURES} anew with --write, and the reason into the commit",
        drifted.join(", "),
        DRIFT * 100.0
    )))
}
