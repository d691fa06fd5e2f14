//! The load generator: so many connections, each with one request under way, all on one thread.
//! Counts no answer that is not the right one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mentor_gateway::clock::Stopwatch;
use tokio::task::JoinSet;

use crate::message::{self, Door, Template};
use crate::wire::{Wire, broken};

/// What is asked over and over.
#[derive(Clone)]
pub enum Work {
    /// One call of a tool.
    Call(String),
    /// A list to its end, and how many bytes it must have at least.
    List { bytes_min: usize },
}

/// Where the load goes.
#[derive(Clone)]
pub struct Goal {
    pub addr: SocketAddr,
    pub door: Door,
    pub work: Work,
}

/// What one connection, or all of them, saw.
#[derive(Default)]
pub struct Seen {
    /// Time of each right answer.
    pub latencies: Vec<Duration>,
    pub wrong: usize,
    /// What the first wrong answer was.
    pub first_error: Option<String>,
    pub took: Duration,
}

impl Seen {
    /// The latency that so much of a thousand answers does not exceed.
    pub fn percentile(&mut self, per_mille: usize) -> Duration {
        self.latencies.sort_unstable();
        let at = self.latencies.len().saturating_sub(1) * per_mille / 1000;
        self.latencies.get(at).copied().unwrap_or_default()
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.wrong += other.wrong;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Keeps `connections` busy for a time.
pub async fn run(goal: &Goal, connections: usize, time: Duration) -> io::Result<Seen> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(goal).await?);
    }
    let watch = Stopwatch::start();
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(client.run(watch, time));
    }
    let mut seen = Seen::default();
    while let Some(one) = running.join_next().await {
        seen.add(one??);
    }
    seen.took = watch.elapsed();
    Ok(seen)
}

struct Client {
    wire: Wire,
    goal: Goal,
    first: Template,
}

impl Client {
    async fn connect(goal: &Goal) -> io::Result<Self> {
        let first = match &goal.work {
            Work::Call(tool) => goal.door.call(tool),
            Work::List { .. } => goal.door.list(None),
        };
        Ok(Self {
            wire: Wire::connect(goal.addr).await?,
            goal: goal.clone(),
            first,
        })
    }

    async fn run(mut self, watch: Stopwatch, time: Duration) -> io::Result<Seen> {
        let mut seen = Seen::default();
        let mut before = watch.elapsed();
        while before < time {
            let unexpected = match self.goal.work {
                Work::Call(_) => self.call().await?,
                Work::List { bytes_min } => self.list(bytes_min).await?,
            };
            let after = watch.elapsed();
            match unexpected {
                None => seen.latencies.push(after - before),
                Some(said) => {
                    seen.wrong += 1;
                    seen.first_error.get_or_insert(said);
                }
            }
            before = after;
        }
        Ok(seen)
    }

    async fn call(&mut self) -> io::Result<Option<String>> {
        let (request, number) = self.first.stamp();
        let (status, body) = self.wire.exchange(request).await?;
        let right = status == 200 && message::echoes(body, &number);
        Ok((!right).then(|| excerpt(status, body)))
    }

    async fn list(&mut self, bytes_min: usize) -> io::Result<Option<String>> {
        let mut bytes = 0;
        let mut further: Option<Template> = None;
        loop {
            let (request, number) = further.as_mut().unwrap_or(&mut self.first).stamp();
            let (status, body) = self.wire.exchange(request).await?;
            if status != 200 || !message::answers(body, &number) {
                return Ok(Some(excerpt(status, body)));
            }
            bytes += body.len();
            match message::next_cursor(body) {
                Some(cursor) => further = Some(self.goal.door.list(Some(&cursor))),
                None if bytes < bytes_min => return Ok(Some(format!("a list of {bytes} bytes"))),
                None => return Ok(None),
            }
        }
    }
}

/// The tools that a list has, to its end, and its bytes.
pub async fn count_tools(addr: SocketAddr, door: &Door) -> io::Result<(usize, usize)> {
    let mut wire = Wire::connect(addr).await?;
    let (mut tools, mut bytes, mut cursor) = (0, 0, None::<String>);
    loop {
        let mut page = door.list(cursor.as_deref());
        let (status, body) = wire.exchange(page.stamp().0).await?;
        if status != 200 {
            return Err(broken(&excerpt(status, body)));
        }
        tools += message::tools_in(body);
        bytes += body.len();
        cursor = message::next_cursor(body);
        if cursor.is_none() {
            return Ok((tools, bytes));
        }
    }
}

fn excerpt(status: u16, body: &[u8]) -> String {
    let body = String::from_utf8_lossy(&body[..body.len().min(300)]);
    format!("{status} {body}")
}
