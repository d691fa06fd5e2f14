//! The gateway as an operator has it: the built binary on a SQLite database, set up through its command line and
//! its REST surface, with authentication, resolution, limits and audit as they always are.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::load::count_tools;
use crate::message::Door;
use crate::process::Process;
use crate::upstream::{self, TOOLS};
use crate::wire::{Wire, broken};

/// Servers of the mentors with few and with many; all of them answer.
pub const FEW: usize = 10;
pub const MANY: usize = 50;
/// Servers that are dead, and as many that hang; their tools were never seen.
pub const BAD: usize = 5;
/// Prefix of the first server's tools.
const FIRST_SLUG: &str = "server-1";
/// How often, and how many times at most, a list is read until it has every tool.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS_MAX: usize = 150;

/// A running gateway and who is known to it.
pub struct Gateway {
    pub process: Process,
    pub people: People,
    /// Bound and not listening: whoever connects is refused.
    dead: TcpSocket,
}

/// What the setup made.
#[derive(Clone)]
pub struct People {
    /// The administrator, as a header.
    pub admin: String,
    learner: String,
    /// The UUIDs of the mentors with one, [`FEW`] and [`MANY`] servers, and with bad ones beside these.
    one: String,
    few: String,
    many: String,
    mixed: String,
}

impl Gateway {
    /// Sets a gateway up in an empty directory and starts it.
    pub async fn set_up(dir: &Path, upstream: SocketAddr) -> io::Result<Self> {
        let cli = |arguments: &str| output(command(dir).args(arguments.split(' ')));
        cli("tenant create acme")?;
        cli("user create --tenant acme alice --role admin")?;
        cli("user create --tenant acme bob")?;
        let token = |user| cli(&format!("token create --tenant acme --user {user}"));
        let mentor = |name| cli(&format!("mentor create --tenant acme {name}"));
        let people = People {
            admin: format!("Token {}", token("alice")?),
            learner: format!("Token {}", token("bob")?),
            one: mentor("one")?,
            few: mentor("few")?,
            many: mentor("many")?,
            mixed: mentor("mixed")?,
        };
        let dead = TcpSocket::new_v4()?;
        dead.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let gateway = Self {
            process: start(dir)?,
            people,
            dead,
        };
        gateway.register_all(upstream).await?;
        for (door, tools) in [
            (gateway.people.one(), TOOLS),
            (gateway.people.few(), FEW * TOOLS),
            (gateway.people.many(), MANY * TOOLS),
            (gateway.people.mixed(), MANY * TOOLS),
        ] {
            gateway.wait_for_tools(&door, tools).await?;
        }
        Ok(gateway)
    }

    async fn register_all(&self, upstream: SocketAddr) -> io::Result<()> {
        let mut admin = Admin {
            wire: Wire::connect(self.process.addr).await?,
            authorization: self.people.admin.clone(),
        };
        let dead = self.dead.local_addr()?;
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for n in 1..=MANY {
            let url = format!("http://{upstream}/u/{n}/mcp");
            good.push(admin.register(&format!("Server {n}"), &url).await?);
        }
        for n in 1..=BAD {
            let url = format!("http://{upstream}/hang/{n}/mcp");
            bad.push(admin.register(&format!("Hanging {n}"), &url).await?);
            let url = format!("http://{dead}/{n}/mcp");
            bad.push(admin.register(&format!("Dead {n}"), &url).await?);
        }
        let mixed = [&bad[..BAD], &good, &bad[BAD..]].concat();
        admin.attach(&self.people.one, &good[..1]).await?;
        admin.attach(&self.people.few, &good[..FEW]).await?;
        admin.attach(&self.people.many, &good).await?;
        admin.attach(&self.people.mixed, &mixed).await
    }

    async fn wait_for_tools(&self, door: &Door, tools: usize) -> io::Result<()> {
        let mut seen = 0;
        for _ in 0..LOOKS_MAX {
            (seen, _) = count_tools(self.process.addr, door).await?;
            if seen == tools {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(broken(&format!("{seen} tools instead of {tools}")))
    }
}

impl People {
    /// The endpoint of the mentor with one server, as the learner reaches it.
    pub fn one(&self) -> Door {
        self.door(&self.one)
    }

    /// The endpoint of the mentor with [`FEW`] servers.
    pub fn few(&self) -> Door {
        self.door(&self.few)
    }

    /// The endpoint of the mentor with [`MANY`] servers.
    pub fn many(&self) -> Door {
        self.door(&self.many)
    }

    /// The endpoint of the mentor with as many, and [`BAD`] dead and [`BAD`] hanging ones beside them.
    pub fn mixed(&self) -> Door {
        self.door(&self.mixed)
    }

    fn door(&self, mentor: &str) -> Door {
        Door {
            path: format!("/mcp/mentors/{mentor}/"),
            authorization: self.learner.clone(),
        }
    }
}

/// What a tool of the first server is called at a mentor.
pub fn exposed(tool: &str) -> String {
    format!("{FIRST_SLUG}__{tool}")
}

/// Starts a gateway on a directory that was set up before.
pub fn start(dir: &Path) -> io::Result<Process> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("serve.log"))?;
    let flags = ["--addr", "127.0.0.1:0", "--egress-allow", "127.0.0.0/8"];
    Process::start(command(dir).arg("serve").args(flags).stderr(log))
}

/// Starts it below a program that looks at it, with one worker thread.
pub fn start_under(mut tool: Command, dir: &Path) -> io::Result<Process> {
    let flags = [
        "serve",
        "--addr",
        "127.0.0.1:0",
        "--egress-allow",
        "127.0.0.0/8",
    ];
    tool.arg(env!("CARGO_BIN_EXE_mentor-gateway"))
        .args(flags)
        .arg("--data-dir")
        .arg(dir)
        .env("TOKIO_WORKER_THREADS", "1");
    Process::start(&mut tool)
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mentor-gateway"));
    // Settings of whoever runs this are none of ours.
    command.env_clear().arg("--data-dir").arg(dir);
    if let Some(url) = crate::database_url() {
        command.env("GATEWAY_DATABASE_URL", url);
    }
    command
}

fn output(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(broken(&format!("{command:?}: {said}")))
    }
}

struct Admin {
    wire: Wire,
    authorization: String,
}

impl Admin {
    /// A server with the tenant's own credential. Returns its number.
    async fn register(&mut self, name: &str, url: &str) -> io::Result<i64> {
        let server = json!({
            "name": name, "url": url, "transport": "streamable_http",
            "auth_type": "token", "auth_scope": "platform",
        });
        let server = self.send("POST", "mcp-servers/", &server).await?;
        let id = server["id"].as_i64().ok_or_else(|| broken("no id"))?;
        let (scheme, secret) = upstream::AUTHORIZATION
            .split_once(' ')
            .expect("it has two words");
        let connection = json!({
            "server": id, "scope": "platform", "auth_type": "token",
            "credentials": secret, "authorization_scheme": scheme,
        });
        self.send("POST", "mcp-server-connections/", &connection)
            .await?;
        Ok(id)
    }

    async fn attach(&mut self, mentor: &str, servers: &[i64]) -> io::Result<()> {
        let settings = json!({ "tools": ["mcp-tool"], "mcp_servers": servers });
        let path = format!("mentors/{mentor}/settings/");
        self.send("PATCH", &path, &settings).await?;
        Ok(())
    }

    async fn send(&mut self, method: &str, path: &str, body: &Value) -> io::Result<Value> {
        let door = Door {
            path: format!("/api/ai-mentor/orgs/acme/users/alice/{path}"),
            authorization: self.authorization.clone(),
        };
        let request = door.rest(method, &body.to_string());
        let (status, answer) = self.wire.exchange(&request).await?;
        match status {
            200 | 201 => serde_json::from_slice(answer).map_err(io::Error::other),
            _ => {
                let answer = String::from_utf8_lossy(answer);
                Err(broken(&format!("{path} answered {status}: {answer}")))
            }
        }
    }
}
