//! Resolution: user → mentor → platform → featured, the first usable connection wins
//! (seed 003, "Runtime Resolution"; design.md D10, D11). The explain endpoint and the call use the same function.

use sqlx::FromRow;

use crate::clock::UnixMs;
use crate::error::Result;
use crate::oauth::{ReauthReason, refresh};
use crate::registry::connection::{Connection, ConnectionId};
use crate::registry::server::Server;
use crate::registry::{AuthType, Scope};
use crate::sql;
use crate::storage::Tx;
use crate::tenant::TenantId;
use crate::tenant::mentor::MentorId;
use crate::tenant::user::UserId;

/// For whom a credential is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The tenant that calls.
    pub tenant: TenantId,
    /// The person.
    pub user: UserId,
    /// The mentor, if the call goes through one.
    pub mentor: Option<MentorId>,
}

/// The four steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The person's own connection.
    User,
    /// The mentor's.
    Mentor,
    /// The tenant's.
    Platform,
    /// The owner's shared one, or the server record's own credentials.
    Featured,
}

impl Step {
    /// All steps in order.
    pub const ALL: [Self; 4] = [Self::User, Self::Mentor, Self::Platform, Self::Featured];

    /// The word in answers and audit rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mentor => "mentor",
            Self::Platform => "platform",
            Self::Featured => "featured",
        }
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its credential is used.
    Matched,
    /// An earlier step matched.
    NotReached,
    /// The server's `auth_scope` is `user`: lower scopes are never used (design.md D11).
    NotAllowed,
    /// There is no row of this scope.
    NoRow,
    /// There are rows of this scope, but only for other people.
    OtherUser,
    /// There are rows of this scope, but only for other mentors.
    OtherMentor,
    /// The row is switched off.
    Inactive,
    /// The row's credential was entered for another address of the server.
    OriginChanged,
    /// The row should hold a token and does not.
    NoCredentials,
    /// The row points at an OAuth grant that is gone or another person's.
    NoGrant,
    /// The OAuth grant's access token is past its end.
    TokenExpired,
    /// The OAuth grant must be renewed by signing in again.
    NeedsReauth,
    /// The OAuth grant cannot be renewed before an administrator has stored other client credentials.
    ClientRefused,
    /// The owner does not share it.
    Withheld,
    /// The server is the tenant's own; there is no owner to fall back to.
    NotFeatured,
}

impl Outcome {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::NotReached => "not_reached",
            Self::NotAllowed => "not_allowed",
            Self::NoRow => "no_row",
            Self::OtherUser => "other_user",
            Self::OtherMentor => "other_mentor",
            Self::Inactive => "inactive",
            Self::OriginChanged => "origin_changed",
            Self::NoCredentials => "no_credentials",
            Self::NoGrant => "no_grant",
            Self::TokenExpired => "token_expired",
            Self::NeedsReauth => "needs_reauth",
            Self::ClientRefused => "client_refused",
            Self::Withheld => "withheld",
            Self::NotFeatured => "not_featured",
        }
    }
}

/// One step as the explain endpoint shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepReport {
    /// Which step.
    pub step: Step,
    /// What it came to.
    pub outcome: Outcome,
    /// The row that it is about: the one used, or the first one skipped.
    pub connection: Option<ConnectionId>,
}

/// Where the credential of a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A connection, with the grant it points at if it is an OAuth one.
    Connection(Box<Connection>, Option<Grant>),
    /// The server record's own credentials.
    ServerRecord,
    /// Nothing is sent; the server wants nothing.
    Anonymous,
}

/// What every step came to, and what is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The four steps in order.
    pub steps: [StepReport; 4],
    /// What is used, and by which step; `None` of a step when nothing is needed.
    pub used: Option<(Option<Step>, Source)>,
    /// The grant to refresh before the call: the one that is used and near its end, or one that would be used if its
    /// token had not ended.
    pub to_refresh: Option<i64>,
}

impl Resolution {
    /// Whether an administrator must store other client credentials before the grant of some step can be used.
    pub fn is_client_refused(&self) -> bool {
        let is_it = |report: &StepReport| report.outcome == Outcome::ClientRefused;
        self.used.is_none() && self.steps.iter().any(is_it)
    }

    /// The word of the step that was used, for audit rows; empty if none.
    pub fn step_word(&self) -> &'static str {
        match &self.used {
            Some((Some(step), _)) => step.as_str(),
            Some((None, _)) => "none",
            None => "",
        }
    }
}

/// An OAuth grant as resolution needs it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Grant {
    /// Its number.
    pub id: i64,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// Whose grant it is.
    pub user_id: UserId,
    /// The token, sealed.
    pub access_token_sealed: String,
    /// When the token ends.
    pub expires_at: Option<UnixMs>,
    /// When the token was stored.
    pub updated_at: UnixMs,
    /// Counts the tokens that were stored.
    pub version: i64,
    /// Whether there is a way to a new token without the person.
    pub is_refreshable: bool,
    /// Why the person must sign in again, if they must.
    pub needs_reauth: Option<String>,
}

/// A connection that a step might use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The row.
    pub connection: Connection,
    /// The grant it points at, if it exists.
    pub grant: Option<Grant>,
}

/// Everything that resolution looks at. The candidates are those of the caller's tenant and the owner's
/// platform ones, newest first.
#[derive(Debug, Clone)]
pub struct World {
    /// The rows.
    pub candidates: Vec<Candidate>,
    /// Now.
    pub now: UnixMs,
}

/// Resolves for a subject from the database.
///
/// # Errors
/// If the database fails.
pub async fn resolve(
    tx: &mut Tx,
    server: &Server,
    subject: Subject,
    now: UnixMs,
) -> Result<Resolution> {
    let mut world = World {
        candidates: Vec::new(),
        now,
    };
    for connection in rows(tx, server, subject).await? {
        let grant = match connection.connected_service_id {
            Some(id) => grant(tx, id).await?,
            None => None,
        };
        world.candidates.push(Candidate { connection, grant });
    }
    Ok(choose(server, subject, &world))
}

/// The rows of the subject and, so that a near miss can be explained, one of somebody else per scope.
async fn rows(tx: &mut Tx, server: &Server, subject: Subject) -> Result<Vec<Connection>> {
    Ok(sql!(
        tx,
        fetch_all as Connection,
        "SELECT * FROM connections WHERE server_id = $1 AND (
             (tenant_id = $2 AND scope = 'platform')
          OR (tenant_id = $3 AND scope = 'platform')
          OR (tenant_id = $2 AND scope = 'user' AND user_id = $4)
          OR (tenant_id = $2 AND scope = 'mentor' AND mentor_id = $5)
          OR id IN (SELECT MAX(id) FROM connections
                    WHERE server_id = $1 AND tenant_id = $2 AND scope <> 'platform' GROUP BY scope))
         ORDER BY id DESC",
        server.id,
        subject.tenant,
        server.tenant_id,
        subject.user,
        subject.mentor
    )?)
}

async fn grant(tx: &mut Tx, id: i64) -> Result<Option<Grant>> {
    Ok(sql!(
        tx,
        fetch_optional as Grant,
        "SELECT id, tenant_id, user_id, access_token_sealed, expires_at, updated_at, version, needs_reauth,
                (refresh_token_sealed <> '' AND token_url <> '') AS is_refreshable
         FROM connected_services WHERE id = $1",
        id
    )?)
}

/// Chooses among what there is. Pure, so that it can be compared with an oracle.
pub fn choose(server: &Server, subject: Subject, world: &World) -> Resolution {
    let mut used = None;
    let mut to_refresh = None;
    let steps = Step::ALL.map(|step| {
        let mut report = StepReport {
            step,
            outcome: Outcome::NotReached,
            connection: None,
        };
        if used.is_some() {
            return report;
        }
        if server.auth_scope == Scope::User && step != Step::User {
            report.outcome = Outcome::NotAllowed;
            return report;
        }
        let found = try_step(step, server, subject, world);
        report.outcome = found.outcome;
        report.connection = found.connection;
        to_refresh = to_refresh.or(found.to_refresh);
        if let Some(source) = found.source {
            used = Some((Some(step), source));
        }
        report
    });
    if used.is_none() && server.auth_type == AuthType::None {
        used = Some((None, Source::Anonymous));
    }
    Resolution {
        steps,
        used,
        to_refresh,
    }
}

struct Found {
    outcome: Outcome,
    connection: Option<ConnectionId>,
    source: Option<Source>,
    to_refresh: Option<i64>,
}

impl Found {
    fn nothing(outcome: Outcome) -> Self {
        Self {
            outcome,
            connection: None,
            source: None,
            to_refresh: None,
        }
    }
}

fn try_step(step: Step, server: &Server, subject: Subject, world: &World) -> Found {
    let mut first_skipped = None;
    let mut to_refresh = None;
    for candidate in world
        .candidates
        .iter()
        .filter(|c| is_of_step(step, server, subject, &c.connection))
    {
        let outcome = judge(step, server, candidate, world.now);
        if matches!(outcome, Outcome::Matched | Outcome::TokenExpired) {
            to_refresh = to_refresh.or_else(|| ending(candidate, world.now));
        }
        if outcome == Outcome::Matched {
            let connection = candidate.connection.clone();
            return Found {
                outcome,
                connection: Some(connection.id),
                source: Some(Source::Connection(
                    Box::new(connection),
                    candidate.grant.clone(),
                )),
                to_refresh,
            };
        }
        first_skipped.get_or_insert((outcome, candidate.connection.id));
    }
    if step == Step::Featured && !server.credentials_sealed.is_empty() {
        return Found {
            outcome: Outcome::Matched,
            connection: None,
            source: Some(Source::ServerRecord),
            to_refresh,
        };
    }
    match first_skipped {
        Some((outcome, id)) => Found {
            outcome,
            connection: Some(id),
            source: None,
            to_refresh,
        },
        None => Found::nothing(why_none(step, server, subject, world)),
    }
}

fn is_of_step(step: Step, server: &Server, subject: Subject, connection: &Connection) -> bool {
    let own = connection.tenant_id == subject.tenant;
    match step {
        Step::User => {
            own && connection.scope == Scope::User && connection.user_id == Some(subject.user)
        }
        Step::Mentor => {
            own && connection.scope == Scope::Mentor
                && subject.mentor.is_some()
                && connection.mentor_id == subject.mentor
        }
        Step::Platform => own && connection.scope == Scope::Platform,
        Step::Featured => {
            server.tenant_id != subject.tenant
                && connection.tenant_id == server.tenant_id
                && connection.scope == Scope::Platform
        }
    }
}

/// Whether a row of a step can be used, and if not, the first reason.
fn judge(step: Step, server: &Server, candidate: &Candidate, now: UnixMs) -> Outcome {
    let Candidate { connection, grant } = candidate;
    if !connection.is_active {
        return Outcome::Inactive;
    }
    if step == Step::Featured && !connection.is_shared {
        return Outcome::Withheld;
    }
    if connection.origin != server.origin {
        return Outcome::OriginChanged;
    }
    match connection.auth_type {
        AuthType::None => Outcome::Matched,
        AuthType::Token if connection.credentials_sealed.is_empty() => Outcome::NoCredentials,
        AuthType::Token => Outcome::Matched,
        AuthType::Oauth2 => match grant {
            None => Outcome::NoGrant,
            Some(grant) if grant.tenant_id != connection.tenant_id => Outcome::NoGrant,
            Some(grant)
                if connection.scope == Scope::User && Some(grant.user_id) != connection.user_id =>
            {
                Outcome::NoGrant
            }
            Some(Grant {
                needs_reauth: Some(reason),
                ..
            }) => match reason == ReauthReason::ClientRefused.as_str() {
                true => Outcome::ClientRefused,
                false => Outcome::NeedsReauth,
            },
            Some(grant) if grant.expires_at.is_some_and(|end| end <= now) => Outcome::TokenExpired,
            Some(_) => Outcome::Matched,
        },
    }
}

/// The grant of a row, if its token ends soon or has ended, and a new one can be had.
fn ending(candidate: &Candidate, now: UnixMs) -> Option<i64> {
    let is_oauth = candidate.connection.auth_type == AuthType::Oauth2;
    let grant = candidate.grant.as_ref().filter(|_| is_oauth)?;
    let ends = refresh::is_ending(grant.updated_at, grant.expires_at, now);
    (ends && grant.is_refreshable).then_some(grant.id)
}

fn why_none(step: Step, server: &Server, subject: Subject, world: &World) -> Outcome {
    let others = |scope| {
        world
            .candidates
            .iter()
            .any(|c| c.connection.tenant_id == subject.tenant && c.connection.scope == scope)
    };
    match step {
        Step::User if others(Scope::User) => Outcome::OtherUser,
        Step::Mentor if others(Scope::Mentor) => Outcome::OtherMentor,
        Step::Featured if server.tenant_id == subject.tenant => Outcome::NotFeatured,
        Step::User | Step::Mentor | Step::Platform | Step::Featured => Outcome::NoRow,
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
