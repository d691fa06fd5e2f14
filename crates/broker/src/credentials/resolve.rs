//! Resolution: user → mentor → platform → featured, the first usable connection wins
//! (docs/inside/contract.md#resolution, docs/inside/decisions.md#auth_scope-user). Within a step the newest connection
//! comes first. The explain endpoint and the call use the same function.

use crate::oauth::{ReauthReason, refresh};
use crate::registry::audience::{self, Misfit};
use crate::registry::connection::{Connection, ConnectionId, OffBy};
use crate::registry::grant::{self, Grant, GrantId};
use crate::registry::server::Server;
use crate::registry::{AuthType, Scope};
use base::clock::UnixMs;
use base::error::Result;
use base::sql;
use base::storage::Tx;
use tenancy::tenant::TenantId;
use tenancy::tenant::mentor::MentorId;
use tenancy::tenant::user::UserId;

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

/// The steps: four are tried, in their order, and the last is one of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The person's own connection.
    User,
    /// The mentor's.
    Mentor,
    /// The tenant's.
    Platform,
    /// Of another tenant's featured server: the one that its owner shares, or the record's own credentials.
    Featured,
    /// Of the tenant's own server: the record's own credentials.
    Record,
}

impl Step {
    /// The steps of a tenant's calls to a server, in their order.
    pub fn of(server: &Server, tenant: TenantId) -> [Self; 4] {
        let last = match server.tenant_id == tenant {
            true => Self::Record,
            false => Self::Featured,
        };
        [Self::User, Self::Mentor, Self::Platform, last]
    }

    /// The word in answers and audit rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mentor => "mentor",
            Self::Platform => "platform",
            Self::Featured => "featured",
            Self::Record => "server",
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
    /// The server's `auth_scope` is `user`: lower scopes are never used (docs/inside/decisions.md#auth_scope-user).
    NotAllowed,
    /// There is no row of this scope.
    NoRow,
    /// There are rows of this scope, but only for other people.
    OtherUser,
    /// There are rows of this scope, but only for other mentors.
    OtherMentor,
    /// A newer row of the scope is used.
    Shadowed,
    /// The row is switched off, by whom or what if that is known.
    Inactive(Option<OffBy>),
    /// The row's credential was entered for another address of the server.
    OriginChanged,
    /// A stored secret of the row or the record does not open.
    BadSecret,
    /// The row should hold a token and does not.
    NoCredentials,
    /// The row holds nothing, and the server wants a credential.
    WrongType,
    /// The row points at an OAuth grant that is gone.
    NoGrant,
    /// The row points at an OAuth grant of somebody whose identity it may not be.
    OtherPersonsGrant,
    /// The OAuth grant was asked for a resource that does not contain the server's address.
    OtherResource,
    /// The OAuth grant is for another service than the one that the server names.
    OtherService,
    /// The OAuth grant's access token is past its end.
    TokenExpired,
    /// The OAuth grant must be renewed by signing in again, for this reason.
    NeedsReauth(ReauthReason),
    /// The OAuth grant cannot be renewed before an administrator has stored other client credentials.
    ClientRefused,
    /// The owner does not share it.
    Withheld,
    /// The server record has no credentials of its own.
    NoRecordCredentials,
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
            Self::Shadowed => "shadowed",
            Self::Inactive(_) => "inactive",
            Self::OriginChanged => "origin_changed",
            Self::BadSecret => "bad_secret",
            Self::NoCredentials => "no_credentials",
            Self::WrongType => "wrong_type",
            Self::NoGrant => "no_grant",
            Self::OtherPersonsGrant => "other_persons_grant",
            Self::OtherResource => "other_resource",
            Self::OtherService => "other_service",
            Self::TokenExpired => "token_expired",
            Self::NeedsReauth(_) => "needs_reauth",
            Self::ClientRefused => "client_refused",
            Self::Withheld => "withheld",
            Self::NoRecordCredentials => "no_record_credentials",
        }
    }
}

/// A row that a step looked at, and what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// The row.
    pub connection: ConnectionId,
    /// Whether it is used, or why not.
    pub outcome: Outcome,
}

/// One step as the explain endpoint shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    /// Which step.
    pub step: Step,
    /// What it came to.
    pub outcome: Outcome,
    /// The row that it is about: the one used, or the first one skipped.
    pub connection: Option<ConnectionId>,
    /// Every row of the step, newest first; none where the step was not tried.
    pub candidates: Vec<Looked>,
}

/// Where the credential of a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A connection, with the grant it points at if it is an OAuth one.
    Connection(Box<Connection>, Option<Box<Grant>>),
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
    pub to_refresh: Option<GrantId>,
}

impl Resolution {
    /// Whether an administrator must store other client credentials before the grant of some step can be used.
    pub(crate) fn is_client_refused(&self) -> bool {
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

    /// The same where the secret that would be used does not open: nothing is used.
    pub(super) fn spoil(&mut self) {
        self.used = None;
        for report in &mut self.steps {
            let was_matched = |outcome: Outcome| outcome == Outcome::Matched;
            for looked in &mut report.candidates {
                if was_matched(looked.outcome) {
                    looked.outcome = Outcome::BadSecret;
                }
            }
            if was_matched(report.outcome) {
                report.outcome = Outcome::BadSecret;
            }
        }
    }

    /// Why nothing is used: of the first step that has a row of its own, else of the first that missed one, else that
    /// there is none.
    pub(crate) fn why_nothing(&self) -> Outcome {
        let tried = || {
            let is_tried = |report: &&StepReport| report.outcome != Outcome::NotAllowed;
            self.steps.iter().filter(is_tried)
        };
        let misses =
            |outcome: Outcome| matches!(outcome, Outcome::OtherUser | Outcome::OtherMentor);
        let own = tried().find(|report| report.connection.is_some());
        let own = own.or_else(|| tried().find(|report| misses(report.outcome)));
        own.map_or(Outcome::NoRow, |report| report.outcome)
    }
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
    let connections = rows(tx, server, subject).await?;
    let ids: Vec<GrantId> = connections
        .iter()
        .filter_map(|row| row.connected_service_id)
        .collect();
    let grants = grant::among(tx, &ids).await?;
    let with_grant = |connection: Connection| Candidate {
        grant: connection
            .connected_service_id
            .and_then(|id| grants.iter().find(|grant| grant.id == id).cloned()),
        connection,
    };
    let world = World {
        candidates: connections.into_iter().map(with_grant).collect(),
        now,
    };
    Ok(choose(server, subject, &world))
}

/// The rows of each step and, so that a near miss can be explained, one of another person and one of another mentor. Each
/// is found by an index of its own, however many people have connections to the server.
async fn rows(tx: &mut Tx, server: &Server, subject: Subject) -> Result<Vec<Connection>> {
    Ok(sql!(
        tx,
        fetch_all as Connection,
        "SELECT * FROM connections
         WHERE server_id = $1 AND tenant_id = $2 AND scope = 'user' AND user_id = $3
         UNION ALL
         SELECT * FROM connections
         WHERE server_id = $1 AND tenant_id = $2 AND scope = 'mentor' AND mentor_id = $4
         UNION ALL
         SELECT * FROM connections WHERE server_id = $1 AND tenant_id = $2 AND scope = 'platform'
         UNION ALL
         SELECT * FROM connections
         WHERE server_id = $1 AND tenant_id = $5 AND scope = 'platform' AND tenant_id <> $2
         UNION ALL
         SELECT * FROM (SELECT * FROM connections
                        WHERE server_id = $1 AND tenant_id = $2 AND scope = 'user' AND user_id <> $3
                        ORDER BY user_id LIMIT 1) AS of_another_person
         UNION ALL
         SELECT * FROM (SELECT * FROM connections
                        WHERE server_id = $1 AND tenant_id = $2 AND scope = 'mentor'
                          AND mentor_id IS DISTINCT FROM $4
                        ORDER BY mentor_id LIMIT 1) AS of_another_mentor
         ORDER BY id DESC",
        server.id,
        subject.tenant,
        subject.user,
        subject.mentor,
        server.tenant_id
    )?)
}

/// Chooses among what there is. Pure, so that it can be compared with an oracle.
pub fn choose(server: &Server, subject: Subject, world: &World) -> Resolution {
    let mut used = None;
    let mut to_refresh = None;
    let steps = Step::of(server, subject.tenant).map(|step| {
        let mut report = StepReport {
            step,
            outcome: Outcome::NotReached,
            connection: None,
            candidates: Vec::new(),
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
        report.candidates = found.candidates;
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
    candidates: Vec<Looked>,
    source: Option<Source>,
    to_refresh: Option<GrantId>,
}

fn try_step(step: Step, server: &Server, subject: Subject, world: &World) -> Found {
    let mut found = Found {
        outcome: Outcome::NoRow,
        connection: None,
        candidates: Vec::new(),
        source: None,
        to_refresh: None,
    };
    for candidate in world
        .candidates
        .iter()
        .filter(|c| is_of_step(step, server, subject, &c.connection))
    {
        let mut outcome = judge(step, server, candidate, world.now);
        if found.source.is_some() {
            if outcome == Outcome::Matched {
                outcome = Outcome::Shadowed;
            }
        } else {
            if matches!(outcome, Outcome::Matched | Outcome::TokenExpired) {
                let ending = || ending(candidate, world.now);
                found.to_refresh = found.to_refresh.or_else(ending);
            }
            if outcome == Outcome::Matched {
                let connection = Box::new(candidate.connection.clone());
                let grant = candidate.grant.clone().map(Box::new);
                found.source = Some(Source::Connection(connection, grant));
            }
        }
        found.candidates.push(Looked {
            connection: candidate.connection.id,
            outcome,
        });
    }
    let is_last = matches!(step, Step::Featured | Step::Record);
    if found.source.is_none() && is_last && !server.credentials_sealed.is_empty() {
        found.outcome = Outcome::Matched;
        found.source = Some(Source::ServerRecord);
        return found;
    }
    let is_matched = |looked: &&Looked| looked.outcome == Outcome::Matched;
    let matched = found.candidates.iter().find(is_matched);
    match matched.or_else(|| found.candidates.first()) {
        Some(looked) => {
            found.outcome = looked.outcome;
            found.connection = Some(looked.connection);
        }
        None => found.outcome = why_none(step, subject, world),
    }
    found
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
        Step::Record => false,
    }
}

/// Whether a row of a step can be used, and if not, the first reason.
fn judge(step: Step, server: &Server, candidate: &Candidate, now: UnixMs) -> Outcome {
    let Candidate { connection, grant } = candidate;
    if !connection.is_active {
        return match (connection.off_by(), grant) {
            (Some(OffBy::Address), Some(grant)) => {
                misfit(server, grant).unwrap_or(Outcome::OriginChanged)
            }
            (Some(OffBy::Address), None) => Outcome::OriginChanged,
            (by, _) => Outcome::Inactive(by),
        };
    }
    if step == Step::Featured && !connection.is_shared {
        return Outcome::Withheld;
    }
    if connection.origin != server.origin {
        return Outcome::OriginChanged;
    }
    match connection.auth_type {
        AuthType::None
            if server.auth_type != AuthType::None && connection.extra_headers_sealed.is_empty() =>
        {
            Outcome::WrongType
        }
        AuthType::None => Outcome::Matched,
        AuthType::Token if connection.credentials_sealed.is_empty() => Outcome::NoCredentials,
        AuthType::Token => Outcome::Matched,
        AuthType::Oauth2 => match grant {
            None => Outcome::NoGrant,
            Some(grant) => judge_grant(server, connection, grant, now),
        },
    }
}

/// Whether the grant of a row may be used for it, and if not, the first reason. What the rules of the registry refuse to
/// store is not used either, by whatever way it came to be stored.
fn judge_grant(server: &Server, connection: &Connection, grant: &Grant, now: UnixMs) -> Outcome {
    let owner = (grant.user_id, grant.role);
    if grant.tenant_id != connection.tenant_id
        || !audience::may_hold(connection.scope, connection.user_id, owner)
    {
        return Outcome::OtherPersonsGrant;
    }
    if let Some(outcome) = misfit(server, grant) {
        return outcome;
    }
    if let Some(word) = &grant.needs_reauth {
        let reason = word.parse().unwrap_or(ReauthReason::Revoked);
        return match reason.needs_administrator() {
            true => Outcome::ClientRefused,
            false => Outcome::NeedsReauth(reason),
        };
    }
    match grant.expires_at {
        Some(end) if end <= now => Outcome::TokenExpired,
        Some(_) | None => Outcome::Matched,
    }
}

/// What speaks against sending a grant to a server at all.
fn misfit(server: &Server, grant: &Grant) -> Option<Outcome> {
    let misfit = grant.audience().misfit(server);
    misfit.map(|misfit| match misfit {
        Misfit::Resource => Outcome::OtherResource,
        Misfit::Service => Outcome::OtherService,
    })
}

/// The grant of a row, if its token ends soon or has ended, and a new one can be had.
fn ending(candidate: &Candidate, now: UnixMs) -> Option<GrantId> {
    let is_oauth = candidate.connection.auth_type == AuthType::Oauth2;
    let grant = candidate.grant.as_ref().filter(|_| is_oauth)?;
    let ends = refresh::is_ending(grant.updated_at, grant.expires_at, now);
    (ends && grant.is_refreshable()).then_some(grant.id)
}

fn why_none(step: Step, subject: Subject, world: &World) -> Outcome {
    let others = |scope| {
        world
            .candidates
            .iter()
            .any(|c| c.connection.tenant_id == subject.tenant && c.connection.scope == scope)
    };
    match step {
        Step::User if others(Scope::User) => Outcome::OtherUser,
        Step::Mentor if others(Scope::Mentor) => Outcome::OtherMentor,
        Step::Record => Outcome::NoRecordCredentials,
        Step::User | Step::Mentor | Step::Platform | Step::Featured => Outcome::NoRow,
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
