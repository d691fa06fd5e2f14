//! Tokens that end: a call waits for the new one, a list waits a little (design.md 7).
//! Never asks a person to sign in because a provider is slow.

use std::sync::Arc;

use futures_util::future::join_all;

use super::lists::FIRST_LOOK_PATIENCE;
use super::view::{self, Access, Closed, Member, View};
use super::{Gateway, Request};
use crate::error::Result;
use crate::oauth::{Ask, Refreshed};

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
    gateway.refresher.refresh(grant, Ask::Call).await;
    let renewed = view::reload(gateway, &request.caller, view, member).await?;
    Ok(Some(renewed))
}

/// The server of a call whose token the upstream refused, with another token, if there is one.
pub(super) async fn refused(
    gateway: &Gateway,
    request: &Request,
    view: &View,
    member: &Member,
) -> Option<Member> {
    let grant_of = |member: &Member| member.ready().and_then(|open| open.credential.grant);
    let grant = grant_of(member)?;
    let ask = Ask::Refused(grant.version);
    if gateway.refresher.refresh(grant.id, ask).await == Refreshed::Later {
        return None;
    }
    match view::reload(gateway, &request.caller, view, member).await {
        Ok(renewed) => grant_of(&renewed)
            .is_some_and(|other| other != grant)
            .then_some(renewed),
        Err(error) => {
            tracing::warn!(grant.id = grant.id, error = %error.chain(), "a refused token was not replaced");
            None
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
    let grants: Vec<i64> = ended.filter_map(|member| member.to_refresh).collect();
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
