//! `…/mcp-servers/{id}/resolve/`: whose credential a call would travel with, step by step, and never a secret.
//! Asks the same function as the call itself, to its end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use base::clock::UnixMs;
use base::error::{Error, Result, UpstreamFailure, UpstreamFailureKind};
use base::secret::mask;
use broker::credentials::resolve::{Looked, Outcome, Source, Step, StepReport};
use broker::credentials::{self, Closed, Decision, Outbound, Subject};
use broker::oauth::ReauthReason;
use broker::registry::connection::OffBy;
use broker::registry::server::{self, Server, ServerId};
use broker::registry::verdict::{self, Verdict};
use tenancy::tenant::{mentor, user};

pub(crate) const READ: Endpoint = Endpoint::closed(
    "Explains whose credential a call to the server would travel with.",
    |call| Box::pin(read(call)),
)
.query(&[
    query(
        "user",
        "string",
        "the person who calls; the one in the path by default",
    ),
    query(
        "mentor",
        "string",
        "the mentor through which they call; none by default",
    ),
])
.strict()
.answers(200, Shape::One(schema_of::<Explanation>));

/// What every step came to, and what would be used.
#[derive(Debug, Serialize, JsonSchema)]
struct Explanation {
    server: i64,
    server_name: String,
    is_enabled: bool,
    auth_type: String,
    auth_scope: String,
    user: String,
    mentor: Option<String>,
    /// The four steps in their order; the last is `featured` for another tenant's server and `server` for the own.
    steps: Vec<StepAnswer>,
    /// What a call would use; null if it would fail.
    used: Option<Used>,
    /// `ok`, or the state that lists and calls tell: `unavailable`, `disabled`, `other_mentor`, `sign_in_needed`,
    /// `sign_in_impossible`, `token_ended`, `client_refused`, `no_connection`, `bad_secret`, `refused`, `unauthorized`.
    outcome: &'static str,
    /// The sentence that lists and calls tell; null if all is well.
    message: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StepAnswer {
    /// `user`, `mentor`, `platform`, and `featured` or `server`.
    step: &'static str,
    /// `matched`, or why the step was skipped.
    outcome: &'static str,
    /// The connection that it is about.
    connection: Option<i64>,
    /// The same in a sentence.
    reason: &'static str,
    /// Every connection of the step, newest first, which is the order in which they are looked at.
    candidates: Vec<CandidateAnswer>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CandidateAnswer {
    connection: i64,
    /// `matched`, or why it is not used.
    outcome: &'static str,
    /// The same in a sentence.
    reason: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Used {
    /// The step that matched; null if the server wants nothing.
    step: Option<&'static str>,
    /// `connection`, `server` (the record's own credentials) or `none`.
    source: &'static str,
    connection: Option<i64>,
    /// The headers that would be sent, each value masked.
    headers: BTreeMap<String, String>,
    /// When the server last took this credential, to a few minutes; null if it is not known to have.
    last_ok_at: Option<String>,
    /// When it last refused it.
    last_refused_at: Option<String>,
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let tenant = call.caller.tenant.id;
    let server = server::get_visible(&mut tx, tenant, ServerId(call.path.id()?)).await?;
    let asked = |name| {
        call.query
            .pairs()
            .find(|(known, value)| *known == name && !value.is_empty())
            .map(|(_, value)| value)
    };
    let username = asked("user").unwrap_or(call.path.get("user_id"));
    if !call.caller.is_admin() && username != call.caller.user.username {
        return Err(Error::NotFound("user"));
    }
    let person = user::get(&mut tx, tenant, username).await?;
    let mentor = match asked("mentor") {
        Some(ident) => Some(mentor::get(&mut tx, tenant, ident).await?),
        None => None,
    };
    let subject = Subject {
        tenant,
        user: person.id,
        mentor: mentor.as_ref().map(|mentor| mentor.id),
    };
    let mut decision =
        credentials::decide(&mut tx, &call.app.vault, &server, subject, call.now()).await?;
    let verdict = match &decision.access {
        Ok(outbound) => verdict::find(&mut tx, outbound.place).await?,
        Err(_) => Verdict::default(),
    };
    drop(tx);
    if decision.access.is_ok() && !call.app.gateway.may_dial(&server).await {
        decision.access = Err(Closed::Refused);
    }
    let who = (person.username, mentor.map(|mentor| mentor.unique_id));
    Answer::ok(&explain(&call, &server, who, (&decision, verdict)))
}

fn explain(
    call: &Call,
    server: &Server,
    (user, mentor): (String, Option<String>),
    (decision, verdict): (&Decision, Verdict),
) -> Explanation {
    let steps = match &decision.resolution {
        Some(resolution) => resolution.steps.iter().map(step).collect(),
        None => Step::of(server, call.caller.tenant.id)
            .map(not_tried)
            .into(),
    };
    let (outcome, message) = outcome(server, decision, verdict);
    let source = decision.resolution.as_ref();
    let source = source.and_then(|found| found.used.as_ref());
    let used = match (&decision.access, source) {
        (Ok(outbound), Some((_, source))) => Some(used(call, server, (outbound, source), verdict)),
        (Ok(_) | Err(_), _) => None,
    };
    Explanation {
        server: server.id.0,
        server_name: server.name.clone(),
        is_enabled: server.is_enabled,
        auth_type: server.auth_type.to_string(),
        auth_scope: server.auth_scope.to_string(),
        user,
        mentor,
        steps,
        used,
        outcome,
        message,
    }
}

fn outcome(
    server: &Server,
    decision: &Decision,
    verdict: Verdict,
) -> (&'static str, Option<String>) {
    let name = &server.name;
    match &decision.access {
        // Looked at only: the call, which may, asks for the new token first.
        Err(closed @ Closed::TokenEnded) => {
            let message = format!(
                "The access token for {name} has ended; the next call gets a new one first."
            );
            (closed.as_str(), Some(message))
        }
        Err(closed) => (closed.as_str(), Some(closed.sentence(name))),
        Ok(_) if verdict.is_refusal(entered_at(server, decision)) => {
            let failure = UpstreamFailure {
                server: name.clone(),
                kind: UpstreamFailureKind::Unauthorized,
                may_have_executed: false,
                broken: None,
                retry_after_s: None,
            };
            (failure.kind.as_str(), Some(failure.to_string()))
        }
        Ok(_) => ("ok", None),
    }
}

/// When what is sent was last entered or renewed: an older verdict is about something else.
fn entered_at(server: &Server, decision: &Decision) -> UnixMs {
    let resolution = decision.resolution.as_ref();
    match resolution.and_then(|found| found.used.as_ref()) {
        Some((_, Source::Connection(connection, grant))) => {
            let renewed = grant
                .as_ref()
                .map_or(connection.updated_at, |grant| grant.updated_at);
            renewed.max(connection.updated_at)
        }
        Some((_, Source::ServerRecord | Source::Anonymous)) | None => server.updated_at,
    }
}

fn used(
    call: &Call,
    server: &Server,
    (outbound, source): (&Outbound, &Source),
    verdict: Verdict,
) -> Used {
    let tenant = call.caller.tenant.id;
    let (source, connection, is_own) = match source {
        Source::Connection(row, _) => ("connection", Some(row.id.0), row.tenant_id == tenant),
        Source::ServerRecord => ("server", None, server.tenant_id == tenant),
        Source::Anonymous => ("none", None, true),
    };
    let mut headers = outbound.masked();
    // Of what is another tenant's, and for who administers nothing, not even a mask that shows a little.
    if !(call.caller.is_admin() && is_own && server.tenant_id == tenant) {
        for value in headers.values_mut() {
            *value = mask(".");
        }
    }
    Used {
        step: outbound.step.map(Step::as_str),
        source,
        connection,
        headers,
        last_ok_at: verdict.last_ok_at.map(UnixMs::to_iso),
        last_refused_at: verdict.last_refused_at.map(UnixMs::to_iso),
    }
}

fn step(report: &StepReport) -> StepAnswer {
    let candidate = |looked: &Looked| CandidateAnswer {
        connection: looked.connection.0,
        outcome: looked.outcome.as_str(),
        reason: reason(looked.outcome),
    };
    StepAnswer {
        step: report.step.as_str(),
        outcome: report.outcome.as_str(),
        connection: report.connection.map(|id| id.0),
        reason: reason(report.outcome),
        candidates: report.candidates.iter().map(candidate).collect(),
    }
}

fn not_tried(step: Step) -> StepAnswer {
    StepAnswer {
        step: step.as_str(),
        outcome: Outcome::NotReached.as_str(),
        connection: None,
        reason: "The server cannot be called at all, so no step is tried.",
        candidates: Vec::new(),
    }
}

fn reason(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Matched => "This credential would be used.",
        Outcome::NotReached => "An earlier step matched.",
        Outcome::NotAllowed => {
            "The server's auth_scope is user: only the person's own connection counts."
        }
        Outcome::NoRow => "There is no connection of this scope.",
        Outcome::OtherUser => "There are user connections, but none of this person.",
        Outcome::OtherMentor => "There are mentor connections, but none of this mentor.",
        Outcome::Shadowed => "A newer connection of the same scope is used.",
        Outcome::Inactive(Some(OffBy::Admin)) => "An administrator switched the connection off.",
        Outcome::Inactive(Some(OffBy::Person)) => "The person switched the connection off.",
        Outcome::Inactive(_) => "The connection is switched off (is_active).",
        Outcome::OriginChanged => {
            "The server's address changed since the credential was entered; enter it again."
        }
        Outcome::BadSecret => "The stored secret cannot be opened; enter it again.",
        Outcome::NoCredentials => "The connection holds no token.",
        Outcome::WrongType => "The connection holds no credential, and the server wants one.",
        Outcome::NoGrant => "The connection points at an OAuth grant that is gone.",
        Outcome::OtherPersonsGrant => {
            "The connection points at the OAuth grant of a person whose identity it may not be."
        }
        Outcome::OtherResource => {
            "The OAuth grant was asked for another address than the server's; sign in again at this one."
        }
        Outcome::OtherService => {
            "The OAuth grant is for another service than the one that the server names; sign in there."
        }
        Outcome::TokenExpired => "The OAuth access token has expired.",
        Outcome::NeedsReauth(reason) => reason.sentence(),
        Outcome::ClientRefused => ReauthReason::ClientRefused.sentence(),
        Outcome::Withheld => "The owner does not share the connection (is_shared).",
        Outcome::NoRecordCredentials => "The server record has no credentials of its own.",
    }
}
