//! Refresh of tokens that expire, as a call sees it: a call waits for the new one, a list waits a little
//! (docs/inside/decisions.md#keeping-grants-fresh).
//! Never asks a person to sign in because a provider is slow.

use std::sync::Arc;

use futures_util::future::join_all;

use super::Gateway;
use super::catalog::FIRST_LOOK_PATIENCE;
use super::request::Request;
use super::view::{self, Access, Closed, Member, Open, View};
use base::error::Result;
use broker::oauth::{Ask, Refreshed};
use broker::registry::grant::GrantId;

/// The server of a call with a token that does not end before it arrives; `None` if it has one already.
///
/// # Errors
/// If the database fails.
pub(super) async fn member(
    gateway: &Gateway,
    request: &Request,
    view: &View,
    member: &Member,
) -> Result<Option<Member>> {
    let Some(grant) = member.to_refresh else {
        return Ok(None);
    };
    Box::pin(gateway.refresher.refresh(grant, Ask::Call)).await;
    let renewed = Box::pin(view::reload(gateway, &request.caller, view, member)).await?;
    Ok(Some(renewed))
}

/// What becomes of a call whose token the upstream refused.
#[derive(Debug)]
pub(super) enum Renewed {
    /// The server with another token.
    With(Box<Member>),
    /// There is no other token now, for a reason that may pass.
    No,
    /// There will be none before the person has signed in again.
    Never,
    /// There will be none before an administrator has stored other client credentials.
    NeedsAdministrator,
}

impl Renewed {
    /// The way to call the server with another token.
    pub(super) fn ready(&self) -> Option<&Open> {
        match self {
            Self::With(member) => member.ready(),
            Self::No | Self::Never | Self::NeedsAdministrator => None,
        }
    }
}

/// Looks for another token for a call whose token the upstream refused.
pub(super) async fn refused(
    gateway: &Gateway,
    request: &Request,
    view: &View,
    member: &Member,
) -> Renewed {
    let grant_of = |member: &Member| member.ready().and_then(|open| open.credential.grant);
    let Some(grant) = grant_of(member) else {
        return Renewed::No;
    };
    if gateway.refresher.was_in_vain(grant.id, grant.version) {
        return Renewed::Never;
    }
    let ask = Ask::Refused(grant.version);
    match gateway.refresher.refresh(grant.id, ask).await {
        Refreshed::Fresh => {}
        Refreshed::Later => return Renewed::No,
        Refreshed::NeedsReauth | Refreshed::Impossible => return Renewed::Never,
        Refreshed::NeedsAdministrator => return Renewed::NeedsAdministrator,
    }
    match view::reload(gateway, &request.caller, view, member).await {
        Ok(renewed) => match grant_of(&renewed) {
            // It is as new as can be, and refused all the same.
            Some(same) if same == grant => Renewed::Never,
            Some(_) => Renewed::With(Box::new(renewed)),
            None => Renewed::No,
        },
        Err(error) => {
            tracing::warn!(grant.id = grant.id.0, error = %error.chain(), "failed to replace a refused token");
            Renewed::No
        }
    }
}

/// The view for a list, in which no server is missing only because its token has ended, as far as new ones can be had
/// in the time that a first look may take; `None` if nothing is to be done.
///
/// # Errors
/// If the database fails.
pub(super) async fn view(
    gateway: &Arc<Gateway>,
    request: &Request,
    view: &View,
) -> Result<Option<Arc<View>>> {
    let has_ended = |member: &&Member| matches!(member.access, Access::Closed(Closed::TokenEnded));
    let ended = view.members.iter().filter(has_ended);
    let grants: Vec<GrantId> = ended.filter_map(|member| member.to_refresh).collect();
    if grants.is_empty() {
        return Ok(None);
    }
    let refreshing = grants
        .iter()
        .map(|grant| gateway.refresher.refresh(*grant, Ask::Call));
    // Whoever is later than that is in the next list.
    let _ = tokio::time::timeout(FIRST_LOOK_PATIENCE, join_all(refreshing)).await;
    let renewed = gateway
        .views
        .renew(gateway, &request.caller, &request.target)
        .await?;
    Ok(Some(renewed))
}
