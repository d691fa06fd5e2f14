//! What a caller may use behind a target: the servers, each with its resolved credential.
//! Loaded from the database and believed for one second, so that a change is felt everywhere within two, and where it
//! was made at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Gateway;
use super::catalog::Cell;
use super::names::Prefix;
use super::offered::Own;
use super::refusal::{self, Refusal, SignIn};
use super::snapshot::Snapshot;
use super::target::Target;
use super::verdicts::Last;
use crate::upstream::Upstream;
use base::cache::Cached;
use base::clock::Clock;
use base::error::{Error, Result};
use base::storage::Tx;
pub use broker::credentials::Closed;
use broker::credentials::{self, Outbound, Subject};
use broker::guard::Guard;
use broker::registry::grant::GrantId;
use broker::registry::server::{self, Server, ServerId};
use tenancy::auth::Caller;
use tenancy::tenant::TenantId;
use tenancy::tenant::mentor::{self, Mentor};
use tenancy::tenant::user::UserId;

/// How long a view is believed (docs/inside/decisions.md#two-seconds: 2 s in all).
const VIEW_TTL: Duration = Duration::from_secs(1);
/// Views remembered at once.
const VIEWS_MAX: u64 = 50_000;

/// The servers behind a target as one caller sees them.
#[derive(Debug)]
pub struct View {
    /// The mentor, for a mentor's endpoint.
    pub mentor: Option<Mentor>,
    /// The servers in the order they were attached.
    pub members: Vec<Member>,
    /// Why there are none, in a sentence that a mentor can say.
    pub note: Option<String>,
}

/// One server in a view.
#[derive(Debug)]
pub struct Member {
    /// The record.
    pub server: Server,
    /// What its names start with.
    pub prefix: Prefix,
    /// How it is called, or why it cannot be.
    pub access: Access,
    /// The OAuth grant to refresh before the next call.
    pub to_refresh: Option<GrantId>,
}

/// How a server is called.
#[derive(Debug)]
pub enum Access {
    /// With this credential.
    Open(Box<Open>),
    /// In this process: it is one of our own.
    Own(Own),
    /// Not at all.
    Closed(Closed),
}

/// A server that can be called.
#[derive(Debug)]
pub struct Open {
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// What is sent.
    pub credential: Outbound,
    /// The lists that it has for this credential.
    pub cell: Arc<Cell>,
    /// What it said last to this credential.
    pub(super) last: Arc<Last>,
    /// For whom.
    pub person: UserId,
}

impl Open {
    /// Whether the next call is refused because the last ones failed.
    pub fn is_broken(&self) -> bool {
        self.upstream.is_broken(&self.credential, Some(self.person))
    }
}

impl Member {
    /// The way to call it.
    ///
    /// # Errors
    /// If it cannot be called.
    pub fn open(&self) -> Result<&Open> {
        match &self.access {
            Access::Open(open) => Ok(open),
            // It is nowhere but here.
            Access::Own(_) => Err(Error::NotFound("server")),
            Access::Closed(closed) => Err(refusal::closed(closed, &self.server.name)),
        }
    }

    /// The way to call it, for a call that can ask its person to sign in.
    ///
    /// # Errors
    /// If it cannot be called, or not before that.
    pub(super) fn enter(&self) -> Result<&Open, Refusal> {
        match &self.access {
            Access::Open(open) => Ok(open),
            Access::Own(_) => Err(Error::NotFound("server").into()),
            Access::Closed(Closed::SignInNeeded | Closed::SignInImpossible(_)) => {
                Err(Refusal::SignIn(SignIn {
                    server: self.server.id,
                    server_name: self.server.name.clone(),
                    scope: String::new(),
                    refused: None,
                }))
            }
            Access::Closed(closed) => Err(refusal::closed(closed, &self.server.name).into()),
        }
    }

    /// The member if it can be called at its upstream.
    pub fn ready(&self) -> Option<&Open> {
        match &self.access {
            Access::Open(open) => Some(open),
            Access::Own(_) | Access::Closed(_) => None,
        }
    }

    /// Whether it can be called and was never looked at.
    pub fn is_pending(&self) -> bool {
        let open = self.ready();
        open.is_some_and(|open| open.cell.snapshot().state() == "pending")
    }

    /// What it offers, as far as is known, if it can be called.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        match &self.access {
            Access::Open(open) => Some(open.cell.snapshot()),
            Access::Own(own) => Some(own.snapshot.clone()),
            Access::Closed(_) => None,
        }
    }
}

impl Open {
    /// Says that something goes on at this server, with this credential.
    pub(super) fn bind(&self, guard: &Guard, server: ServerId) {
        guard.depend(|through| {
            through.server = Some(server);
            through.connection = self.credential.connection();
            through.grant = self.credential.grant.map(|grant| grant.id);
        });
    }
}

impl View {
    /// The only member of a server's endpoint.
    ///
    /// # Errors
    /// `NotFound` at a mentor's endpoint.
    pub fn only(&self) -> Result<&Member> {
        self.members
            .first()
            .filter(|_| self.mentor.is_none())
            .ok_or(Error::NotFound("server"))
    }

    /// Says that something is open at what this is a view of.
    pub fn bind(&self, guard: &Guard) {
        let server = self.only().ok().map(|member| member.server.id);
        let mentor = self.mentor.as_ref().map(|mentor| mentor.id);
        guard.depend(|through| (through.mentor, through.server) = (mentor, server));
    }
}

/// The views that are believed: for a time, and until this process changes what they are made of.
#[derive(Debug)]
pub(super) struct Views {
    read: Cached<(TenantId, i64, Target), Arc<View>>,
    changes: watch::Sender<u64>,
}

impl Views {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            read: Cached::new(VIEWS_MAX, VIEW_TTL, clock),
            changes: watch::channel(0).0,
        }
    }

    pub(super) async fn get(
        &self,
        gateway: &Gateway,
        caller: &Caller,
        target: &Target,
    ) -> Result<Arc<View>> {
        let key = (caller.tenant.id, caller.user.id.0, target.clone());
        let load = async || Ok(Arc::new(Box::pin(load(gateway, caller, target)).await?));
        self.read.get(&key, load).await
    }

    pub(super) async fn renew(
        &self,
        gateway: &Gateway,
        caller: &Caller,
        target: &Target,
    ) -> Result<Arc<View>> {
        let key = (caller.tenant.id, caller.user.id.0, target.clone());
        let load = async || Ok(Arc::new(Box::pin(load(gateway, caller, target)).await?));
        self.read.renew(&key, load).await
    }

    /// Believes no view any more: something that they are made of was changed here.
    pub(super) fn forget(&self) {
        self.read.forget_all();
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Counts the changes that this process made.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// A member of a view as it is now.
///
/// # Errors
/// If the database fails.
pub(super) async fn reload(
    gateway: &Gateway,
    caller: &Caller,
    view: &View,
    old: &Member,
) -> Result<Member> {
    let mut tx = gateway.db.read().await?;
    let of = (old.server.clone(), view.mentor.as_ref());
    member(gateway, &mut tx, caller, of).await
}

async fn load(gateway: &Gateway, caller: &Caller, target: &Target) -> Result<View> {
    let mut tx = gateway.db.read().await?;
    match target {
        Target::Server(id) => {
            let server = server::get_visible(&mut tx, caller.tenant.id, ServerId(*id)).await?;
            caller.require_admin()?;
            let member = member(gateway, &mut tx, caller, (server, None)).await?;
            Ok(View {
                mentor: None,
                members: vec![member],
                note: None,
            })
        }
        Target::Native(_) => Err(Error::NotFound("server")),
        Target::Mentor(ident) => {
            let mentor = mentor::get(&mut tx, caller.tenant.id, ident).await?;
            load_mentor(gateway, &mut tx, caller, mentor).await
        }
    }
}

async fn load_mentor(
    gateway: &Gateway,
    tx: &mut Tx,
    caller: &Caller,
    mentor: Mentor,
) -> Result<View> {
    if !mentor.may_use_mcp() {
        let note = if mentor.can_use_tools {
            format!(
                "The MCP tool is switched off for {}; an administrator can enable `mcp-tool` in its settings.",
                mentor.name
            )
        } else {
            format!(
                "{} may not use tools; an administrator can enable `can_use_tools` in its settings.",
                mentor.name
            )
        };
        return Ok(View {
            mentor: Some(mentor),
            members: Vec::new(),
            note: Some(note),
        });
    }
    let mut members = Vec::new();
    for server in server::attached_to(tx, mentor.id).await? {
        members.push(member(gateway, tx, caller, (server, Some(&mentor))).await?);
    }
    let note = members.is_empty().then(|| {
        format!(
            "No MCP server is attached to {}; an administrator can attach one in its settings.",
            mentor.name
        )
    });
    Ok(View {
        mentor: Some(mentor),
        members,
        note,
    })
}

async fn member(
    gateway: &Gateway,
    tx: &mut Tx,
    caller: &Caller,
    (server, mentor): (Server, Option<&Mentor>),
) -> Result<Member> {
    let (access, to_refresh) = access(gateway, tx, caller, (&server, mentor)).await?;
    let prefix = match mentor {
        Some(_) => Prefix::of(&server),
        None => Prefix::none(),
    };
    Ok(Member {
        server,
        prefix,
        access,
        to_refresh,
    })
}

async fn access(
    gateway: &Gateway,
    tx: &mut Tx,
    caller: &Caller,
    (server, mentor): (&Server, Option<&Mentor>),
) -> Result<(Access, Option<GrantId>)> {
    let subject = Subject {
        tenant: caller.tenant.id,
        user: caller.user.id,
        mentor: mentor.map(|m| m.id),
    };
    if !server.native.is_empty() {
        let own = Own::named(&server.native, caller);
        let access = match (credentials::access::barred(server, subject), own) {
            (Some(why), _) => Access::Closed(why),
            (None, Some(own)) => Access::Own(own),
            (None, None) => Access::Closed(Closed::Disabled),
        };
        return Ok((access, None));
    }
    let now = gateway.clock.now();
    let decision = credentials::decide(tx, &gateway.vault, server, subject, now).await?;
    let to_refresh = decision.to_refresh();
    let credential = match decision.access {
        Ok(credential) => credential,
        Err(why) => return Ok((Access::Closed(why), to_refresh)),
    };
    let Ok(upstream) = gateway.upstreams.of(server).await else {
        return Ok((Access::Closed(Closed::Refused), to_refresh));
    };
    let cell = gateway.catalogs.cell(&upstream, &credential).await;
    if let Some(connection) = credential.connection() {
        gateway.catalogs.guard(&cell, &gateway.guards, connection);
    }
    let open = Open {
        last: gateway.verdicts.of(credential.place, now),
        upstream,
        credential,
        cell,
        person: caller.user.id,
    };
    Ok((Access::Open(Box::new(open)), to_refresh))
}
