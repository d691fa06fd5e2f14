//! What an MCP client sees of its upstreams: the union of a mentor's servers, or one server alone.
//! Knows the protocol and who calls; knows no HTTP.

pub mod call;
pub mod catalog;
pub mod chats;
pub mod client;
pub mod lists;
pub mod listen;
pub mod names;
pub mod parked;
pub mod relay;
pub mod sign_in;
pub mod streams;
pub mod tasks;
pub mod translate;
pub mod view;
pub mod watch;

mod bond;
mod fetch;
mod handshake;
mod mend;
mod own;
mod renew;
mod rounds;
mod route;
mod sweep;
mod verdicts;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use crate::audit::AuditLog;
use crate::auth::Caller;
use crate::clock::{Clock, Stopwatch};
use crate::error::{Ended, Error, UpstreamFailureKind};
use crate::guard::{Guard, Guards};
use crate::mcp::error::RpcError;
use crate::mcp::{Message, Version, message};
use crate::native;
use crate::oauth::Refresher;
use crate::registry::server::{Server, ServerId};
use crate::secret::Vault;
use crate::storage::Db;
use crate::tenant::TenantId;
use crate::tenant::user::UserId;
use crate::upstream::uri::Namer;
use crate::upstream::{CallFailure, Client, Upstreams};
use catalog::Catalogs;
use chats::Chats;
use client::ClientSession;
use listen::Subscription;
use lists::FIRST_LOOK_PATIENCE;
use own::OwnServers;
use parked::ParkedCalls;
use relay::Relay;
use sign_in::{SignIn, SignIns};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use verdicts::Verdicts;
use view::{View, Views};

/// What an MCP endpoint of ours stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The union of a mentor's servers; UUID, name or slug.
    Mentor(String),
    /// One server, names unprefixed.
    Server(i64),
    /// A server of our own, by its name in paths. `native` answers for it; nothing here does.
    Native(&'static str),
}

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
    pub(crate) tasks: crate::tasks::Tasks,
    /// Keeps OAuth grants fresh.
    pub refresher: Refresher,
    /// The chats that are open here.
    pub chats: Chats,
    /// Who waits for a person to sign in.
    pub sign_ins: SignIns,
    pub(crate) own: OwnServers,
    /// What is open because of a permission.
    pub guards: Guards,
    base_url: String,
    views: Views,
    /// Turns to read views for those who listen.
    listening: Semaphore,
    verdicts: Verdicts,
}

/// One request of an MCP client, with everything that is known about who sent it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// Ends the request with what it is allowed by.
    pub guard: Guard,
    /// What was called.
    pub target: Target,
    /// The revision of the request.
    pub version: Version,
    /// The client as it described itself.
    pub client: Client,
    /// Its session, if its revision has sessions.
    pub session: Option<Arc<ClientSession>>,
    /// The request's id in logs and audit rows.
    pub request_id: Arc<str>,
    /// Cancelled when the client cancels the call by a notification.
    pub cancelled: CancellationToken,
    /// The `Mcp-Param-*` headers of the request, lower-case names; `None` on a wire without headers.
    pub param_headers: Option<Arc<[(String, String)]>>,
    /// The chat session that it is made in, if it is made in one.
    pub chat: Option<Arc<str>>,
}

impl Request {
    /// Why the request has ended, if what it is allowed by has: its own permission, or that of its session, whose calls
    /// end with it however young they are.
    pub(crate) fn why(&self) -> Option<Ended> {
        let of_session = || {
            self.session
                .as_ref()
                .and_then(|session| session.guard.why())
        };
        self.guard.why().or_else(of_session)
    }

    /// Why a connection to a server was closed under a request, if that was because of the request's own permission.
    pub(crate) async fn why_closed(&self, failure: &CallFailure) -> Option<Ended> {
        let is_closed = matches!(
            failure.kind,
            UpstreamFailureKind::Closed | UpstreamFailureKind::Disabled
        );
        match is_closed {
            true => self.guard.check().await,
            false => None,
        }
    }

    /// The end of a request of this id as an error.
    fn end(&self, id: Option<&Bytes>, why: Ended) -> Error {
        if let (Some(session), Some(id)) = (&self.session, id) {
            session.end_call(id);
        }
        Error::Ended(why)
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// A whole response, and the HTTP status that goes with it.
    Answer(Bytes, u16),
    /// A stream of messages that ends with the response.
    Stream(Box<Relay>),
    /// The same of a server of our own.
    Told(native::Telling),
    /// A stream of changes that ends when the client or the gateway closes it.
    Listen(Box<Subscription>),
}

impl Outcome {
    /// A whole response of one of our own servers, with its resources as a client of a union knows them.
    fn named(self, namer: &Namer) -> Self {
        let Self::Answer(text, status) = self else {
            return self;
        };
        let Ok(message) = Message::parse(text.clone()) else {
            return Self::Answer(text, status);
        };
        let id = message.id.as_deref().unwrap_or(b"null");
        let result = message.result.as_deref().and_then(|it| namer.name(it));
        let error = message.error.as_deref().and_then(|it| namer.error(it));
        let named = match (result, error) {
            (Some(result), _) => message::result(id, &result).into(),
            (None, Some(error)) => message::error(id, &error).into(),
            (None, None) => text,
        };
        Self::Answer(named, status)
    }
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
            own: OwnServers::new(native),
            guards,
            base_url,
            views,
            listening: Semaphore::new(listen::LOOKS_MAX),
            verdicts: Verdicts::default(),
        }
    }

    /// Starts what runs beside the requests.
    pub fn begin(self: &Arc<Self>) {
        let gateway = self.clone();
        self.tasks
            .supervise("server_sweep", move || sweep::run(gateway.clone()));
        let gateway = self.clone();
        self.tasks.supervise("renewed_grants", move || {
            forget_what_was_renewed(gateway.clone())
        });
        self.refresher.begin();
    }

    /// Answers one request. A refusal is an answer too.
    pub async fn handle(self: &Arc<Self>, request: Request, message: Message) -> Outcome {
        let watch = Stopwatch::start();
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
    pub async fn look_again(
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
    pub tasks: crate::tasks::Tasks,
    /// The URL under which people reach the gateway, without a slash at the end.
    pub base_url: String,
    /// Keeps OAuth grants fresh.
    pub refresher: Refresher,
    /// Servers of our own.
    pub native: Arc<native::Server>,
    /// What is open because of a permission.
    pub guards: Guards,
}

/// Why a request gets no result: already in the words of this wire, or a product error.
#[derive(Debug)]
pub enum Refusal {
    /// Words of the protocol.
    Rpc(RpcError),
    /// A product error.
    Product(Error),
    /// A person must sign in first.
    SignIn(SignIn),
}

impl From<RpcError> for Refusal {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Product(error)
    }
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
    Outcome::Answer(
        crate::mcp::message::error(id, &error.to_json()).into(),
        status,
    )
}
