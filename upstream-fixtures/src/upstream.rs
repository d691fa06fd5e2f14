//! A running upstream, and what a test can tell it and ask it.
//! Must never leave anything running once it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::behaviour::{Behaviour, Transport};
use crate::call::Frame;
use crate::ill::Illness;
use crate::seen::{NotSeen, Seen};
use crate::state::App;
use crate::transport;

/// A running upstream on 127.0.0.1, stopped when dropped.
pub struct Upstream {
    app: Arc<App>,
    addr: SocketAddr,
}

impl Upstream {
    /// Starts an upstream on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(behaviour: Behaviour) -> std::io::Result<Upstream> {
        Upstream::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour).await
    }

    /// Starts an upstream on this address; the port of a stopped one can be had again.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start_on(addr: SocketAddr, behaviour: Behaviour) -> std::io::Result<Upstream> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let app = Arc::new(App::new(behaviour, format!("http://{addr}")));
        app.tasks.spawn(transport::accept(app.clone(), listener));
        Ok(Upstream { app, addr })
    }

    /// Returns the URL that a registry record of it needs.
    pub fn url(&self) -> String {
        let transport = self.app.behaviour.transport;
        let scheme = if transport == Transport::WebSocket {
            "ws"
        } else {
            "http"
        };
        format!("{scheme}://{}{}", self.addr, transport::path(transport))
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns everything that arrived, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.app.log.all()
    }

    /// Forgets everything that arrived.
    pub fn forget_seen(&self) {
        self.app.log.forget();
    }

    /// Counts the messages of a JSON-RPC method, and `cancelled` and `closed`.
    pub fn calls_of(&self, method: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method)).count()
    }

    /// Waits until something has arrived, earlier or now, and returns the first of it.
    ///
    /// # Errors
    /// When the deadline passes first.
    pub async fn wait_for(
        &self,
        wanted: impl Fn(&Seen) -> bool,
        deadline: Duration,
    ) -> Result<Seen, NotSeen> {
        self.app.log.wait_for(wanted, deadline).await
    }

    /// Returns the tools as they are listed now.
    pub fn tools(&self) -> Vec<Value> {
        self.app.tools()
    }

    /// Lists other tools from now on, and tells everybody who listens.
    pub fn set_tools(&self, tools: Vec<Value>) {
        self.app.change_tools(|listed| *listed = tools);
    }

    /// Lists one more tool, and tells everybody who listens.
    pub fn add_tool(&self, tool: Value) {
        self.app.change_tools(|listed| listed.push(tool));
    }

    /// Lists one tool less, and tells everybody who listens.
    pub fn remove_tool(&self, name: &str) {
        self.app
            .change_tools(|listed| listed.retain(|tool| tool["name"] != name));
    }

    /// Tells the subscribers of a resource that it was updated.
    pub fn touch_resource(&self, uri: &str) {
        self.app
            .announce("notifications/resources/updated", &json!({ "uri": uri }));
    }

    /// Sends a notification to every session, and to the subscriptions that asked for it.
    pub fn announce(&self, method: &str, params: &Value) {
        self.app.announce(method, params);
    }

    /// Answers 401 to everything without exactly this `Authorization` from now on.
    pub fn require_authorization(&self, expected: Option<String>) {
        self.app.set_authorization(expected);
    }

    /// Names authorization servers in RFC 9728 metadata, and the metadata in the challenge.
    pub fn name_authorization_servers(&self, issuers: Vec<String>) {
        self.app.set_authorization_servers(issuers);
    }

    /// Falls ill, or gets well.
    pub fn fall_ill(&self, illness: Option<Illness>) {
        self.app.fall_ill(illness);
    }

    /// Forgets all sessions: the next request with such an id gets 404.
    pub fn forget_sessions(&self) {
        for id in self.app.session_ids() {
            if let Some(session) = self.app.end_session(&id) {
                session.end_streams(|| Frame::Close);
            }
        }
    }

    /// Returns how many sessions are open.
    pub fn session_count(&self) -> usize {
        self.app.session_ids().len()
    }

    /// Returns how many streams could hear an announcement.
    pub fn listener_count(&self) -> usize {
        self.app.listener_count()
    }

    /// Breaks every listening stream, as a network does.
    pub fn break_streams(&self) {
        for listener in self.app.take_listeners() {
            listener.outlet.push(Frame::Die);
        }
        for session in self
            .app
            .session_ids()
            .iter()
            .filter_map(|id| self.app.find_session(id))
        {
            session.end_streams(|| Frame::Die);
        }
    }

    /// Ends every `subscriptions/listen` stream in good order, with its answer.
    pub fn end_subscriptions(&self) {
        for listener in self.app.take_listeners() {
            listener.ended.cancel();
        }
    }

    /// Returns how many TCP connections were accepted so far.
    pub fn connections_accepted(&self) -> usize {
        self.app.connections.accepted.load(Ordering::SeqCst)
    }

    /// Returns how many TCP connections are open, not counting upgraded WebSockets.
    pub fn connections_open(&self) -> usize {
        self.app.connections.open.load(Ordering::SeqCst)
    }

    /// Stops it and waits until every connection is closed.
    pub async fn stop(self) {
        self.app.stopped.cancel();
        self.app.tasks.close();
        self.app.tasks.wait().await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.app.stopped.cancel();
    }
}
