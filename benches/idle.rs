//! What the gateway costs while it does nothing: its start, its memory at rest, and that of sessions and streams.
//! Counts memory of processes that did nothing else before.

use std::io;
use std::time::Duration;

use mentor_gateway::clock::Stopwatch;

use crate::Stage;
use crate::gateway::{self, People, exposed};
use crate::message::{Door, echoes};
use crate::process::Process;
use crate::report::{Figure, Report};
use crate::upstream::ECHO;
use crate::wire::{Wire, broken};

/// Sessions and streams that are opened.
const SESSIONS: usize = 10_000;
const STREAMS: usize = 1_000;
/// How long memory is left alone before it is looked at.
const REST: Duration = Duration::from_secs(1);

/// A gateway that was set up and stopped. Each measurement starts a process of its own: what another left in its
/// heap would be taken for nothing.
pub struct Resting {
    people: People,
    dir: tempfile::TempDir,
    _upstream: Process,
}

impl Resting {
    /// Stops the gateway of a stage.
    pub fn after(stage: Stage) -> io::Result<Self> {
        stage.gateway.process.stop()?;
        Ok(Self {
            people: stage.gateway.people,
            dir: stage.dir,
            _upstream: stage.upstream,
        })
    }

    /// Starts it on a database that has everything, so many times.
    pub async fn starts(&self, rounds: usize, report: &mut Report) -> io::Result<()> {
        let (mut start_ms, mut idle_mib) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let watch = Stopwatch::start();
            let process = gateway::start(self.dir.path())?;
            first_call(&process, &self.people.one()).await?;
            start_ms.push(watch.elapsed().as_secs_f64() * 1e3);
            idle_mib.push(at_rest(&process).await? as f64 / 1024.0 / 1024.0);
            process.stop()?;
        }
        report.figure(Figure::StartMs, start_ms);
        report.figure(Figure::IdleMib, idle_mib);
        Ok(())
    }

    /// Opens sessions, and on some of them the stream that a client keeps open while it does nothing.
    pub async fn sessions_and_streams(&self, report: &mut Report) -> io::Result<()> {
        let process = gateway::start(self.dir.path())?;
        let door = self.people.one();
        let mut wire = Wire::connect(process.addr).await?;
        let mut initialize = door.initialize();
        // The first ones make what all share.
        for _ in 0..STREAMS {
            wire.open_session(initialize.stamp().0).await?;
        }
        let before = at_rest(&process).await?;
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push(wire.open_session(initialize.stamp().0).await?);
        }
        let with_sessions = at_rest(&process).await?;
        let mut streams = Vec::new();
        for session in &sessions[..STREAMS] {
            let mut stream = Wire::connect(process.addr).await?;
            stream.open_stream(&door.stream(session)).await?;
            streams.push(stream);
        }
        let with_streams = at_rest(&process).await?;
        let of_each = |after: u64, before: u64, n: usize| {
            vec![after.saturating_sub(before) as f64 / n as f64 / 1e3]
        };
        report.figure(Figure::SessionKb, of_each(with_sessions, before, SESSIONS));
        report.figure(
            Figure::StreamKb,
            of_each(with_streams, with_sessions, STREAMS),
        );
        Ok(())
    }
}

async fn first_call(process: &Process, door: &Door) -> io::Result<()> {
    let mut call = door.call(&exposed(ECHO));
    let (request, number) = call.stamp();
    let mut wire = Wire::connect(process.addr).await?;
    match wire.exchange(request).await? {
        (200, body) if echoes(body, &number) => Ok(()),
        (status, body) => {
            let body = String::from_utf8_lossy(body);
            Err(broken(&format!("the first call answered {status}: {body}")))
        }
    }
}

async fn at_rest(process: &Process) -> io::Result<u64> {
    process.settle().await?;
    tokio::time::sleep(REST).await;
    process.rss_bytes()
}
