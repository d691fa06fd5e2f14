//! Whether a call to a server can be made and with what: the whole decision, which the call, the lists and the explain
//! endpoint share, so that all of them give the same reason. Asks no provider and no server.

use super::headers::{self, Outbound};
use super::obstacle::{self, Obstacle};
use super::resolve::{self, Outcome, Resolution, Subject};
use crate::oauth::ReauthReason;
use crate::registry::connection::OffBy;
use crate::registry::grant::GrantId;
use crate::registry::server::Server;
use crate::registry::{AuthType, Scope};
use base::clock::UnixMs;
use base::error::Result;
use base::secret::Vault;
use base::storage::Tx;

/// Why a server cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// Its owner features it no more.
    Unavailable,
    /// It is switched off.
    Disabled,
    /// It is bound to another mentor.
    OtherMentor,
    /// The person must sign in.
    SignInNeeded,
    /// The person would have to sign in, and cannot.
    SignInImpossible(Obstacle),
    /// The token of the sign-in has ended, and a new one is to be had.
    TokenEnded,
    /// The provider of the sign-in does not accept the client credentials that an administrator stored.
    ClientRefused,
    /// There is no credential that could be used, and this is why.
    NoConnection(Outcome),
    /// A stored secret does not open.
    BadSecret,
    /// Its address is not one that may be dialled.
    Refused,
}

impl Closed {
    /// A stable word for `_meta`, logs and audit rows.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Disabled => "disabled",
            Self::OtherMentor => "other_mentor",
            Self::SignInNeeded => "sign_in_needed",
            Self::SignInImpossible(_) => "sign_in_impossible",
            Self::TokenEnded => "token_ended",
            Self::ClientRefused => "client_refused",
            Self::NoConnection(_) => "no_connection",
            Self::BadSecret => "bad_secret",
            Self::Refused => "refused",
        }
    }

    /// A sentence that a mentor can say.
    pub fn sentence(&self, server: &str) -> String {
        match self {
            Self::Unavailable => format!("{server} is not offered by its owner any more."),
            Self::Disabled => format!("{server} is switched off by an administrator."),
            Self::OtherMentor => format!("{server} belongs to another mentor."),
            Self::SignInNeeded => format!("{server} needs you to connect your own account first."),
            Self::SignInImpossible(obstacle) => obstacle.sentence(server),
            Self::TokenEnded => format!(
                "The sign-in to {server} has to be renewed, and its provider does not answer just now; try again in a minute."
            ),
            Self::ClientRefused => format!("{server}: {}", ReauthReason::ClientRefused.sentence()),
            Self::NoConnection(why) => no_connection(*why, server),
            Self::BadSecret => format!(
                "The stored credential for {server} cannot be read; an administrator must enter it again."
            ),
            Self::Refused => format!("{server} has an address that this gateway may not reach."),
        }
    }
}

/// Why there is no credential, in a sentence that a mentor can say.
fn no_connection(why: Outcome, server: &str) -> String {
    match why {
        Outcome::Inactive(Some(OffBy::Admin)) => {
            format!("An administrator switched the connection to {server} off.")
        }
        Outcome::Inactive(Some(OffBy::Person)) => {
            format!(
                "You switched your connection to {server} off; you or an administrator can switch it on again."
            )
        }
        Outcome::Inactive(_) => format!(
            "The connection to {server} is switched off; an administrator can switch it on again."
        ),
        Outcome::OriginChanged => format!(
            "The address of {server} changed, so its credential is not used any more; an administrator must enter it again."
        ),
        Outcome::OtherResource => format!(
            "The account for {server} was connected at another address than the one that it has now; it must be connected again."
        ),
        Outcome::OtherService => format!(
            "The account for {server} was connected at another service than the one that it names now; it must be connected again."
        ),
        Outcome::OtherPersonsGrant => format!(
            "The connection to {server} holds the account of somebody who did not share it; an administrator must connect another."
        ),
        Outcome::NoGrant => format!(
            "The account that was connected to {server} is disconnected; an administrator can connect one again."
        ),
        Outcome::NeedsReauth(ReauthReason::Revoked) => format!(
            "The provider ended the sign-in of the account that is connected to {server}; the person who connected it must sign in again."
        ),
        Outcome::NeedsReauth(reason) => format!(
            "The person who connected the account to {server} must sign in again. {}",
            reason.sentence()
        ),
        Outcome::TokenExpired => format!(
            "The sign-in of the account that is connected to {server} has ended; the person who connected it must sign in again."
        ),
        Outcome::NoCredentials | Outcome::WrongType => format!(
            "The connection to {server} holds no credential; an administrator must enter one."
        ),
        Outcome::Withheld => format!(
            "The owner of {server} does not share its credential; an administrator can enter one of your organisation."
        ),
        Outcome::OtherUser => format!(
            "{server} is connected for other people and not for you; an administrator can connect it for you."
        ),
        Outcome::OtherMentor => format!(
            "{server} is connected for other mentors and not for this one; an administrator can connect it."
        ),
        Outcome::NoRow
        | Outcome::NoRecordCredentials
        | Outcome::Matched
        | Outcome::NotReached
        | Outcome::NotAllowed
        | Outcome::ClientRefused
        | Outcome::Shadowed
        | Outcome::BadSecret => {
            format!("Nobody has connected an account to {server} yet; an administrator can.")
        }
    }
}

/// What was decided for a call, and on what grounds.
#[derive(Debug)]
pub struct Decision {
    /// What every step came to; `None` if none was tried, because the server cannot be called at all.
    pub resolution: Option<Resolution>,
    /// What is sent, or why nothing can be.
    pub access: Result<Outbound, Closed>,
}

impl Decision {
    /// A decision for which no credential is looked for.
    pub fn closed(why: Closed) -> Self {
        Self {
            resolution: None,
            access: Err(why),
        }
    }

    /// The grant to refresh before the call.
    pub fn to_refresh(&self) -> Option<GrantId> {
        self.resolution.as_ref().and_then(|found| found.to_refresh)
    }
}

/// Why a server cannot be called by a subject, whatever credentials there are.
pub fn barred(server: &Server, subject: Subject) -> Option<Closed> {
    if !server.is_open_to(subject.tenant) {
        return Some(Closed::Unavailable);
    }
    if !server.is_enabled {
        return Some(Closed::Disabled);
    }
    let is_bound = |mentor| server.mentor_id.is_some_and(|bound| bound != mentor);
    subject
        .mentor
        .is_some_and(is_bound)
        .then_some(Closed::OtherMentor)
}

/// Decides for a subject from the database.
///
/// # Errors
/// If the database fails.
pub async fn decide(
    tx: &mut Tx,
    vault: &Vault,
    server: &Server,
    subject: Subject,
    now: UnixMs,
) -> Result<Decision> {
    if let Some(why) = barred(server, subject) {
        return Ok(Decision::closed(why));
    }
    let mut resolution = resolve::resolve(tx, server, subject, now).await?;
    let access = match headers::render(vault, server, &resolution) {
        Ok(Some(credential)) => Ok(credential),
        Ok(None) => Err(why_closed(tx, server, subject, (&resolution, now)).await?),
        Err(error) => {
            tracing::error!(server.id = server.id.0, error = %error.chain(), "a stored secret cannot be used");
            resolution.spoil();
            Err(Closed::BadSecret)
        }
    };
    Ok(Decision {
        resolution: Some(resolution),
        access,
    })
}

async fn why_closed(
    tx: &mut Tx,
    server: &Server,
    subject: Subject,
    (resolution, now): (&Resolution, UnixMs),
) -> Result<Closed> {
    if resolution.to_refresh.is_some() {
        return Ok(Closed::TokenEnded);
    }
    if resolution.is_client_refused() {
        return Ok(Closed::ClientRefused);
    }
    let why = resolution.why_nothing();
    let is_personal = server.auth_type == AuthType::Oauth2 && server.auth_scope == Scope::User;
    // What an administrator switched off, no sign-in switches on: nobody is asked for one.
    let is_for_admin = matches!(why, Outcome::Inactive(by) if by != Some(OffBy::Person));
    if !is_personal || is_for_admin {
        return Ok(Closed::NoConnection(why));
    }
    Ok(match obstacle::find(tx, server, subject, now).await? {
        Some(obstacle) => Closed::SignInImpossible(obstacle),
        None => Closed::SignInNeeded,
    })
}
