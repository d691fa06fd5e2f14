//! One request of an MCP client: who sent it, through what, and what ends it.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::client::ClientSession;
use super::target::Target;
use super::view::View;
use crate::upstream::{CallFailure, Client, Lane};
use base::error::{Ended, Error, UpstreamFailureKind};
use broker::guard::Guard;
use mcp::Version;
use tenancy::auth::Caller;

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

    /// To whom its sessions at upstreams belong.
    pub(super) fn lane(&self, view: &View) -> Lane {
        Lane {
            person: Some(self.caller.user.id),
            mentor: view.mentor.as_ref().map(|mentor| mentor.id),
            session: self.session.as_ref().map(|session| session.id.clone()),
            inbox: self.session.as_ref().map(|session| session.inbox.clone()),
        }
    }

    /// The end of a request of this id as an error.
    pub(super) fn end(&self, id: Option<&Bytes>, why: Ended) -> Error {
        if let (Some(session), Some(id)) = (&self.session, id) {
            session.end_call(id);
        }
        Error::Ended(why)
    }
}
