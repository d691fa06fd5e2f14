//! What an MCP client sees of its upstreams: the union of a mentor's servers, or one server alone.
//! Knows the protocol and who calls; knows no HTTP.

pub mod call;
pub mod capabilities;
pub mod catalog;
pub mod chats;
pub mod client;
pub mod item;
pub mod known;
pub mod lists;
pub mod listen;
pub mod names;
pub mod parked;
pub mod relay;
pub mod sign_in;
pub mod snapshot;
pub mod streams;
pub mod tasks;
pub mod translate;
pub mod view;
pub mod watch;

mod bond;
mod connect;
mod fetch;
mod handshake;
mod mend;
mod offered;
mod outcome;
mod own;
mod refusal;
mod renew;
mod request;
mod rounds;
mod route;
mod sweep;
mod target;
mod verdicts;

pub use outcome::Outcome;
pub use refusal::{Refusal, SignIn};
pub use request::Request;
pub use target::Target;

use std::sync::Arc;

use futures_util::future::join_all;

use crate::upstream::Upstreams;
use base::clock::{Clock, Stopwatch};
use base::error::Error;
use base::secret::Vault;
use base::storage::Db;
use base::trace;
use broker::guard::{Guard, Guards};
use broker::oauth::Refresher;
use broker::registry::server::{Server, ServerId};
use catalog::{Catalogs, FIRST_LOOK_PATIENCE};
use chats::Chats;
use client::ClientSession;
use mcp::error::RpcError;
use mcp::{Message, method};
use parked::ParkedCalls;
use sign_in::SignIns;
use tenancy::audit::AuditLog;
use tenancy::auth::Caller;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;
use tokio::sync::Semaphore;
use verdicts::Verdicts;
use view::{View, Views};

/// The parts that every MCP request needs.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) db: Db,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Clock,
    pub(crate) audit: AuditLog,
    pub(crate) upstreams: Upstreams,
    pub(crate) catalogs: Catalogs,
    pub(crate) parked: ParkedCalls,
    pub(crate) tasks: base::tasks::Tasks,
    /// Keeps OAuth grants fresh.
    pub refresher: Refresher,
    /// The chats that are open here.
    pub chats: Chats,
    /// Who waits for a person to sign in.
    pub sign_ins: SignIns,
    native: Arc<native::Server>,
    /// What is open because of a permission.
    pub guards: Guards,
    base_url: String,
    views: Views,
    /// Turns to read views for those who listen.
    listening: Semaphore,
    verdicts: Verdicts,
}

impl Gateway {
    /// A gateway over these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            db,
            vault,
            clock,
            audit,
            upstreams,
            tasks,
            base_url,
            refresher,
            native,
            guards,
        } = parts;
        let catalogs = Catalogs::new(upstreams.clone(), tasks.clone());
        let views = Views::new(clock.clone());
        Self {
            db,
            vault,
            clock,
            audit,
            upstreams,
            catalogs,
            parked: ParkedCalls::default(),
            tasks,
            refresher,
            chats: Chats::default(),
            sign_ins: SignIns::default(),
            native,
            guards,
            base_url,
            views,
            listening: Semaphore::new(listen::LOOKS_MAX),
            verdicts: Verdicts::default(),
        }
    }

    /// Starts what runs beside the requests.
    pub fn begin(self: &Arc<Self>) {
        let (gateway, seen) = (self.clone(), Arc::default());
        self.tasks.every("server_sweep", sweep::EVERY, move || {
            sweep::run(gateway.clone(), Arc::clone(&seen))
        });
        let gateway = self.clone();
        self.tasks.supervise("renewed_grants", move || {
            forget_what_was_renewed(gateway.clone())
        });
        self.refresher.begin();
    }

    /// Answers one request. A refusal is an answer too.
    pub async fn handle(self: &Arc<Self>, request: Request, message: Message) -> Outcome {
        let watch = Stopwatch::start();
        trace::note(|trace| {
            let (mentor, server) = match &request.target {
                Target::Mentor(name) => (name.as_str(), None),
                Target::Server(id) => ("", Some(trace::Server::Registered(*id))),
                Target::Native(name) => ("", Some(trace::Server::Native(name))),
            };
            trace.calls(method::of(&message), mentor, server);
        });
        let dispatched = tokio::select! {
            biased;
            dispatched = route::dispatch(self, &request, &message, watch) => dispatched,
            why = request.guard.ended() => Err(request.end(message.id.as_ref(), why).into()),
        };
        match dispatched {
            Ok(outcome) => outcome,
            Err(error) => refusal(&message, &error, &request),
        }
    }

    /// A guard of what this caller keeps open at this target.
    ///
    /// # Errors
    /// As [`Gateway::view`].
    pub async fn guard(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        target: &Target,
    ) -> Result<Guard, Error> {
        let guard = self.guards.guard(caller);
        match target {
            Target::Native(_) => {}
            Target::Mentor(_) | Target::Server(_) => {
                self.view(caller, target).await?.bind(&guard);
            }
        }
        guard.hold();
        Ok(guard)
    }

    /// Takes a notification of a client with a session.
    pub async fn notified(&self, session: &ClientSession, message: &Message) {
        match message.method.as_deref() {
            Some("notifications/cancelled") => session.cancel_call(message.params_or_empty()),
            Some("notifications/roots/list_changed") => session.notify_upstreams(message).await,
            _ => {}
        }
    }

    /// What the caller may use behind the target, from a cache of one second.
    ///
    /// # Errors
    /// `NotFound` for a foreign or missing target, `Forbidden` for a role that may not use it.
    pub async fn view(
        self: &Arc<Self>,
        caller: &Caller,
        target: &Target,
    ) -> Result<Arc<View>, Error> {
        self.views.get(self, caller, target).await
    }

    /// Looks again, now, at each server behind the target whose lists could not be read, and waits a little for it.
    ///
    /// # Errors
    /// As [`Gateway::view`].
    pub(crate) async fn look_again(
        self: &Arc<Self>,
        caller: &Caller,
        target: &Target,
    ) -> Result<(), Error> {
        let view = self.view(caller, target).await?;
        let opens = view.members.iter().filter_map(|member| member.ready());
        let failed = opens.filter(|open| open.cell.snapshot().state() != "ok");
        let looks = failed.map(|open| self.catalogs.look_again(&open.cell, FIRST_LOOK_PATIENCE));
        join_all(looks).await;
        Ok(())
    }

    /// The same from the database, believed by everybody from now on.
    async fn fresh_view(
        self: &Arc<Self>,
        caller: &Caller,
        target: &Target,
    ) -> Result<Arc<View>, Error> {
        self.views.renew(self, caller, target).await
    }

    /// Whether a server's address is one that may be dialled: the last thing that a call needs besides its credential.
    pub async fn may_dial(&self, server: &Server) -> bool {
        self.upstreams.of(server).await.is_ok()
    }

    /// Lets whoever waits for this person's sign-in go on, and clients read the lists again.
    pub fn signed_in(&self, tenant: TenantId, user: UserId, server: Option<ServerId>) {
        tracing::debug!(
            server.id = server.map(|server| server.0),
            "a person signed in"
        );
        self.changed();
        self.sign_ins.wake(tenant, user);
    }

    /// Something that decides who may use which server was changed in this process: a record, an attachment, a
    /// connection, a grant. It is felt here at once, and told to those who listen.
    pub fn changed(&self) {
        self.views.forget();
    }
}

/// A token that was renewed is the one that is sent from then on.
async fn forget_what_was_renewed(gateway: Arc<Gateway>) {
    let mut renewed = gateway.refresher.renewed();
    let stop = gateway.tasks.stop.clone();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = renewed.changed() => match changed {
                Ok(()) => gateway.changed(),
                Err(_) => return,
            },
        }
    }
}

/// What a [`Gateway`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The master keys.
    pub vault: Arc<Vault>,
    /// The source of time.
    pub clock: Clock,
    /// The audit queue.
    pub audit: AuditLog,
    /// The upstreams.
    pub upstreams: Upstreams,
    /// Background work.
    pub tasks: base::tasks::Tasks,
    /// The URL under which people reach the gateway, without a slash at the end.
    pub base_url: String,
    /// Keeps OAuth grants fresh.
    pub refresher: Refresher,
    /// Servers of our own.
    pub native: Arc<native::Server>,
    /// What is open because of a permission.
    pub guards: Guards,
}

fn refusal(message: &Message, refusal: &Refusal, request: &Request) -> Outcome {
    let (error, status) = match refusal {
        // To a session client 404 says that its session is gone.
        Refusal::Rpc(error) if error.status == 404 && !request.version.is_modern() => {
            (error.clone(), 200)
        }
        Refusal::Rpc(error) => (error.clone(), error.status),
        Refusal::SignIn(needed) => {
            let error = RpcError::from(&needed.error());
            let status = error.status;
            (error, status)
        }
        Refusal::Product(error) => {
            let error = RpcError::from(error);
            if let Some(fault) = &error.fault {
                tracing::error!(request.id = %request.request_id, error = fault.0, "an MCP request failed");
            }
            let status = error.status;
            (error, status)
        }
    };
    let id = message.id.as_deref().unwrap_or(b"null");
    Outcome::Answer(mcp::message::error(id, &error.to_json()).into(), status)
}
