//! An authorization server in one piece, whose manners a test chooses.
//! Must never leave anything running once it is dropped, nor hide what its token endpoint was asked.

mod grants;
mod routes;
mod switches;
mod tokens;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use grants::Grants;
pub use grants::Pair;
pub use switches::{Fault, Iss, Pkce, Rotation, Switches};

/// The id of the client that is known from the start.
pub const CLIENT_ID: &str = "fixture-client";
/// Its secret.
pub const CLIENT_SECRET: &str = "fixture-secret-of-the-client";

/// A request that the token or revocation endpoint got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `/token` or `/revoke`.
    pub path: &'static str,
    /// The form, in its order.
    pub form: Vec<(String, String)>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

impl Asked {
    /// The value of a form field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.form.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What the server knows and how it behaves.
#[derive(Debug)]
struct State {
    issuer: String,
    switches: Mutex<Switches>,
    grants: Mutex<Grants>,
    asked: Mutex<Vec<Asked>>,
}

impl State {
    fn switches(&self) -> Switches {
        lock(&self.switches).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running authorization server on 127.0.0.1, stopped when dropped.
pub struct AuthorizationServer {
    state: Arc<State>,
    addr: SocketAddr,
    _stop: DropGuard,
}

impl AuthorizationServer {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(switches: Switches) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State {
            issuer: format!("http://{addr}{}", switches.path),
            switches: Mutex::new(switches),
            grants: Mutex::default(),
            asked: Mutex::default(),
        });
        let stop = CancellationToken::new();
        let (router, stopped) = (routes::router(state.clone()), stop.clone());
        // Ends when this is dropped; nobody waits for it.
        TaskTracker::new().spawn(async move {
            let serving = axum::serve(listener, router);
            let _ = tokio::select! { end = serving => end, () = stopped.cancelled() => Ok(()) };
        });
        Ok(Self {
            state,
            addr,
            _stop: stop.drop_guard(),
        })
    }

    /// Its issuer identifier.
    pub fn issuer(&self) -> String {
        self.state.issuer.clone()
    }

    /// The address of one of its endpoints, such as `/token`.
    pub fn url(&self, endpoint: &str) -> String {
        format!("http://{}{endpoint}", self.addr)
    }

    /// Behaves otherwise from now on.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut lock(&self.state.switches));
    }

    /// Gives a client a grant without asking anybody.
    pub fn grant(&self, client_id: &str) -> Pair {
        lock(&self.state.grants).begin(client_id)
    }

    /// Whether it would accept an access token now.
    pub fn accepts(&self, access_token: &str) -> bool {
        lock(&self.state.grants).accepts(access_token)
    }

    /// Whether it would give new tokens for a refresh token now.
    pub fn would_refresh(&self, refresh_token: &str) -> bool {
        let rotation = self.state.switches().rotation;
        lock(&self.state.grants).would_refresh(refresh_token, rotation)
    }

    /// Forgets every client that registered itself, as a server does that loses its memory.
    pub fn forget_clients(&self) {
        lock(&self.state.grants).clients.clear();
    }

    /// Ends every grant.
    pub fn revoke_all(&self) {
        lock(&self.state.grants).revoke_all();
    }

    /// What its token and revocation endpoints were asked, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }

    /// How many requests of a grant type its token endpoint got.
    pub fn asked_for(&self, grant_type: &str) -> usize {
        let is_it = |asked: &&Asked| asked.get("grant_type") == Some(grant_type);
        lock(&self.state.asked).iter().filter(is_it).count()
    }
}
