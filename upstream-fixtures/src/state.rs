//! What one running upstream knows: its tools, sessions, listeners and illness.
//! Must never be reached from outside but through `Upstream`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::behaviour::Behaviour;
use crate::call::{Frame, Outlet};
use crate::ill::{Ill, Illness};
use crate::rpc;
use crate::seen::Log;
use crate::session::Session;

/// Interim states of multi round-trip requests kept at once.
const STATES_MAX: usize = 10_000;

pub(crate) struct App {
    pub(crate) behaviour: Behaviour,
    pub(crate) origin: String,
    pub(crate) log: Log,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopped: CancellationToken,
    pub(crate) connections: Connections,
    changing: Mutex<Changing>,
}

/// TCP connections, counted.
#[derive(Default)]
pub(crate) struct Connections {
    pub(crate) accepted: AtomicUsize,
    pub(crate) open: AtomicUsize,
}

/// What changes while the upstream runs.
struct Changing {
    tools: Vec<Value>,
    sessions: HashMap<String, Arc<Session>>,
    listeners: Vec<Listener>,
    states: HashMap<String, Value>,
    illness: Option<Illness>,
    authorization: Option<String>,
    authorization_servers: Vec<String>,
}

/// A `subscriptions/listen` stream.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) id: Value,
    pub(crate) filter: Value,
    pub(crate) outlet: Outlet,
    pub(crate) ended: CancellationToken,
}

impl Listener {
    fn wants(&self, method: &str, params: &Value) -> bool {
        let flag = match method {
            "notifications/tools/list_changed" => "toolsListChanged",
            "notifications/prompts/list_changed" => "promptsListChanged",
            "notifications/resources/list_changed" => "resourcesListChanged",
            "notifications/resources/updated" => {
                let uris = self.filter["resourceSubscriptions"].as_array();
                return uris.is_some_and(|uris| uris.contains(&params["uri"]));
            }
            _ => return false,
        };
        self.filter[flag] == true
    }

    fn text(&self, method: &str, params: &Value) -> String {
        let mut params = params.clone();
        if !params.is_object() {
            params = json!({});
        }
        params["_meta"]["io.modelcontextprotocol/subscriptionId"] = self.id.clone();
        rpc::notification_text(method, &params)
    }
}

impl App {
    pub(crate) fn new(behaviour: Behaviour, origin: String) -> App {
        let changing = Changing {
            tools: behaviour.tools.clone(),
            sessions: HashMap::new(),
            listeners: Vec::new(),
            states: HashMap::new(),
            illness: behaviour.illness.clone(),
            authorization: None,
            authorization_servers: Vec::new(),
        };
        App {
            behaviour,
            origin,
            log: Log::new(),
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
            connections: Connections::default(),
            changing: Mutex::new(changing),
        }
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tools(&self) -> Vec<Value> {
        self.changing().tools.clone()
    }

    /// Finds a listed tool by its name.
    pub(crate) fn find_tool(&self, name: &str) -> Option<Value> {
        self.changing()
            .tools
            .iter()
            .find(|tool| tool["name"] == name)
            .cloned()
    }

    /// Changes the tools and tells nobody.
    pub(crate) fn change_tools_silently(&self, change: impl FnOnce(&mut Vec<Value>)) {
        change(&mut self.changing().tools);
    }

    /// Changes the tools and tells everybody who listens.
    pub(crate) fn change_tools(&self, change: impl FnOnce(&mut Vec<Value>)) {
        self.change_tools_silently(change);
        self.announce("notifications/tools/list_changed", &Value::Null);
    }

    /// Sends a notification to every session and every subscription that wants it.
    pub(crate) fn announce(&self, method: &str, params: &Value) {
        let (sessions, listeners) = {
            let changing = self.changing();
            let agreed = changing
                .sessions
                .values()
                .filter(|session| session.revision().is_some());
            let sessions: Vec<_> = agreed.cloned().collect();
            (sessions, changing.listeners.clone())
        };
        let text = rpc::notification_text(method, params);
        for session in sessions {
            if method != "notifications/resources/updated" || session.is_subscribed(params) {
                session.notify(text.clone());
            }
        }
        for listener in listeners
            .iter()
            .filter(|listener| listener.wants(method, params))
        {
            listener
                .outlet
                .push(Frame::Message(listener.text(method, params)));
        }
    }

    pub(crate) fn open_session(&self, session: &Arc<Session>) {
        self.changing()
            .sessions
            .insert(session.id.clone(), session.clone());
    }

    pub(crate) fn find_session(&self, id: &str) -> Option<Arc<Session>> {
        self.changing().sessions.get(id).cloned()
    }

    pub(crate) fn end_session(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.changing().sessions.remove(id);
        if let Some(session) = &session {
            session.ended.cancel();
        }
        session
    }

    pub(crate) fn session_ids(&self) -> Vec<String> {
        self.changing().sessions.keys().cloned().collect()
    }

    pub(crate) fn listen(&self, listener: Listener) {
        let mut changing = self.changing();
        changing.listeners.retain(|open| !open.outlet.is_closed());
        changing.listeners.push(listener);
    }

    pub(crate) fn find_listener(&self, id: &Value, outlet: &Outlet) -> Option<Listener> {
        let changing = self.changing();
        let mut open = changing.listeners.iter();
        open.find(|open| open.id == *id && open.outlet.is_same(outlet))
            .cloned()
    }

    pub(crate) fn unlisten(&self, id: &Value, outlet: &Outlet) {
        self.changing()
            .listeners
            .retain(|open| !(open.id == *id && open.outlet.is_same(outlet)));
    }

    /// Takes every `subscriptions/listen` stream off the list.
    pub(crate) fn take_listeners(&self) -> Vec<Listener> {
        std::mem::take(&mut self.changing().listeners)
    }

    pub(crate) fn listener_count(&self) -> usize {
        let changing = self.changing();
        let subscriptions = changing
            .listeners
            .iter()
            .filter(|open| !open.outlet.is_closed());
        let streams = changing
            .sessions
            .values()
            .map(|session| session.stream_count());
        subscriptions.count() + streams.sum::<usize>()
    }

    /// Keeps what a multi round-trip request has gathered, under a token for the caller.
    pub(crate) fn keep_state(&self, gathered: Value) -> String {
        let token = format!("state-{}", uuid::Uuid::new_v4().simple());
        let mut changing = self.changing();
        if changing.states.len() >= STATES_MAX {
            changing.states.clear();
        }
        changing.states.insert(token.clone(), gathered);
        token
    }

    /// Gives back what was kept under a token, once.
    pub(crate) fn take_state(&self, token: &str) -> Option<Value> {
        self.changing().states.remove(token)
    }

    pub(crate) fn fall_ill(&self, illness: Option<Illness>) {
        self.changing().illness = illness;
    }

    /// Says whether the illness strikes this method (or HTTP verb) now, and counts it.
    pub(crate) fn strike(&self, method: &str) -> Option<Ill> {
        self.changing()
            .illness
            .as_mut()
            .and_then(|illness| illness.strike(method))
    }

    /// Looks at the illness without counting.
    pub(crate) fn ill(&self) -> Option<Ill> {
        self.changing()
            .illness
            .as_ref()
            .map(|illness| illness.ill.clone())
    }

    pub(crate) fn set_authorization(&self, expected: Option<String>) {
        self.changing().authorization = expected;
    }

    pub(crate) fn authorization(&self) -> Option<String> {
        self.changing().authorization.clone()
    }

    pub(crate) fn set_authorization_servers(&self, issuers: Vec<String>) {
        self.changing().authorization_servers = issuers;
    }

    pub(crate) fn authorization_servers(&self) -> Vec<String> {
        self.changing().authorization_servers.clone()
    }

    /// Counts a TCP connection until the guard is dropped.
    pub(crate) fn count_connection(self: &Arc<App>) -> ConnectionCount {
        self.connections.accepted.fetch_add(1, Ordering::SeqCst);
        self.connections.open.fetch_add(1, Ordering::SeqCst);
        ConnectionCount(self.clone())
    }
}

/// An open TCP connection in the count.
pub(crate) struct ConnectionCount(Arc<App>);

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.0.connections.open.fetch_sub(1, Ordering::SeqCst);
    }
}
