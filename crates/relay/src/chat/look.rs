//! The tools of a turn: fetched, fetched again if a server failed, and what the learner is told about it
//! (docs/inside/contract.md#chat). Never fails a turn because a server is not there.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::frame::Frame;
use super::tools::{Listed, ServerState, Toolbox};
use base::error::{Result, UpstreamFailureKind};

/// Pauses before the further attempts to fetch the tools of a server that failed.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The text of the warning where no server works, as clients know it.
const WARNING: &str =
    "MCP tools temporarily unavailable for this session. Continuing without them.";
/// The warning as a status.
const UNAVAILABLE: u16 = 503;

/// The servers of which a chat was told that they fail: it does not wait for them again. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Warned(Arc<Mutex<HashSet<i64>>>);

impl Warned {
    fn knows(&self, server: &ServerState) -> bool {
        self.lock().contains(&server.id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is told besides the tools themselves.
pub(super) struct Look {
    pub(super) listed: Listed,
    pub(super) frames: Vec<Frame>,
}

/// Fetches the tools for a turn.
///
/// # Errors
/// What the gateway refuses, whatever the servers do.
pub(super) async fn look(toolbox: &Toolbox, warned: &Warned) -> Result<Look> {
    let mut listed = toolbox.list().await?;
    let failed_at_first = failing(&listed);
    for pause in PAUSES {
        let is_worth_it = |server: &ServerState| may_pass(&server.state) && !warned.knows(server);
        if !failing(&listed).iter().any(is_worth_it) {
            break;
        }
        tokio::time::sleep(pause).await;
        toolbox.look_again().await?;
        listed = toolbox.list().await?;
    }
    let failing = failing(&listed);
    let mut frames = Vec::new();
    let mut known = warned.lock();
    let is_back = |id: &i64| {
        listed
            .servers
            .iter()
            .any(|s| s.id == *id && s.state == "ok")
    };
    let was_down = failed_at_first.iter().map(|server| server.id);
    if was_down.chain(known.iter().copied()).any(|id| is_back(&id)) {
        frames.push(Frame::ToolsRetrieved {
            session: toolbox.chat.to_string(),
            mentor: toolbox.mentor.clone(),
        });
    }
    known.retain(|id| !is_back(id));
    let new: Vec<&ServerState> = failing.iter().filter(|s| !known.contains(&s.id)).collect();
    if !new.is_empty() {
        let errors: Vec<String> = new.iter().map(|server| developer_error(server)).collect();
        frames.push(Frame::Warning {
            message: warning(&listed, &new),
            developer_error: errors.join("; "),
            code: UNAVAILABLE,
        });
        known.extend(new.iter().map(|server| server.id));
    }
    drop(known);
    Ok(Look { listed, frames })
}

/// The text of a warning: where other servers work, it names those that do not.
fn warning(listed: &Listed, failing: &[&ServerState]) -> String {
    if !listed.servers.iter().any(|server| server.state == "ok") {
        return WARNING.into();
    }
    let names: Vec<&str> = failing.iter().map(|server| &*server.name).collect();
    let names = names.join(", ");
    format!("MCP tools of {names} unavailable for this session. Continuing without them.")
}

/// The servers whose tools should be there and are not. One that is switched off, or waits for a sign-in, does not fail.
fn failing(listed: &Listed) -> Vec<ServerState> {
    const WELL: [&str; 5] = [
        "ok",
        "disabled",
        "other_mentor",
        "sign_in_needed",
        "sign_in_impossible",
    ];
    let servers = listed.servers.iter();
    let failing = servers.filter(|server| !WELL.contains(&server.state.as_str()));
    failing.cloned().collect()
}

/// Whether a failure is one that may have passed a few seconds later.
fn may_pass(state: &str) -> bool {
    use UpstreamFailureKind::{BreakerOpen, Closed, Http, Protocol, Timeout, Unreachable};
    let passing = [BreakerOpen, Closed, Http(0), Protocol, Timeout, Unreachable];
    state == "pending" || passing.iter().any(|kind| kind.as_str() == state)
}

/// For the mentor's administrators, in the form that clients know.
fn developer_error(server: &ServerState) -> String {
    let name = &server.name;
    match server.state.as_str() {
        "unreachable" | "breaker_open" => {
            format!("ConnectionError: MCP server unreachable ({name})")
        }
        "timeout" | "pending" => format!("TimeoutError: MCP server did not answer ({name})"),
        _ if server.message.is_empty() => format!("MCPError: {} ({name})", server.state),
        _ => format!("MCPError: {}", server.message),
    }
}
