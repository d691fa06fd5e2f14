//! Programs that run beside the load generator, each a process of its own, so that its CPU time can be told apart.
//! Nothing outlives the benchmark: a program ends when its handle is dropped.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::wire::broken;

/// Units of CPU time in `/proc/PID/stat` per second: USER_HZ, which is 100 on every architecture of Linux in use.
const TICKS_PER_SECOND: u64 = 100;
/// How often a program is looked at that works off what it still holds, and how long it may take.
const SETTLE_LOOK: Duration = Duration::from_millis(120);
const SETTLE_LOOKS_MAX: usize = 40;

/// A running server.
pub struct Process {
    child: Child,
    pub addr: SocketAddr,
    /// Held, or the next line that it prints would end it.
    _stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a server and waits until it prints `listening on http://ADDR`.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        stdout.read_line(&mut line)?;
        let addr = line.trim().strip_prefix("listening on http://");
        match addr.and_then(|addr| addr.parse().ok()) {
            Some(addr) => Ok(Self {
                child,
                addr,
                _stdout: stdout,
            }),
            None => {
                let _ = child.kill();
                let status = child.wait()?;
                Err(broken(&format!(
                    "{command:?} printed {line:?}, and ended with {status}"
                )))
            }
        }
    }

    /// CPU time of all its threads so far, in the kernel and outside.
    pub fn cpu(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(self.file("stat"))?;
        // The name, in parentheses, may contain anything; utime and stime are the 12th and 13th field after it.
        let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
        let mut ticks = fields
            .unwrap_or_default()
            .split(' ')
            .skip(11)
            .map_while(|field| field.parse::<u64>().ok());
        match (ticks.next(), ticks.next()) {
            (Some(user), Some(system)) => Ok(Duration::from_millis(
                (user + system) * 1000 / TICKS_PER_SECOND,
            )),
            _ => Err(broken(&stat)),
        }
    }

    /// Resident memory, in bytes.
    pub fn rss_bytes(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(self.file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| broken(&status))
    }

    /// Waits until it rests, so that work put off is charged to the calls that made it, and to no others.
    pub async fn settle(&self) -> io::Result<()> {
        for _ in 0..SETTLE_LOOKS_MAX {
            let before = self.cpu()?;
            tokio::time::sleep(SETTLE_LOOK).await;
            if self.cpu()? - before <= Duration::from_millis(10) {
                return Ok(());
            }
        }
        Err(broken("a server does not come to rest"))
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> io::Result<()> {
        let kill = format!("kill -TERM {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its number at the operating system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
