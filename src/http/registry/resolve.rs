//! `…/mcp-servers/{id}/resolve/`: whose credential a call would travel with, step by step, and never a secret.
//! Asks the same function as the call itself.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use crate::credentials::resolve::{Outcome, Resolution, Source, Step};
use crate::credentials::{self, Subject};
use crate::error::{Error, Result};
use crate::oauth::ReauthReason;
use crate::registry::server::{self, Server, ServerId};
use crate::registry::{AuthType, Scope};
use crate::tenant::{mentor, user};

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
    /// The four steps in their order.
    steps: Vec<StepAnswer>,
    /// What a call would use; null if it would fail.
    used: Option<Used>,
    /// `ok`, `disabled`, `client_refused`, `sign_in_needed` or `no_connection`.
    outcome: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StepAnswer {
    /// `user`, `mentor`, `platform` or `featured`.
    step: &'static str,
    /// `matched`, or why the step was skipped.
    outcome: &'static str,
    /// The connection that it is about.
    connection: Option<i64>,
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
    let resolution = credentials::resolve(&mut tx, &server, subject, call.now()).await?;
    Answer::ok(&explain(
        &server,
        (person.username, mentor.map(|mentor| mentor.unique_id)),
        &resolution,
    ))
}

fn explain(
    server: &Server,
    (user, mentor): (String, Option<String>),
    resolution: &Resolution,
) -> Explanation {
    let steps = resolution.steps.iter().map(|report| StepAnswer {
        step: report.step.as_str(),
        outcome: report.outcome.as_str(),
        connection: report.connection.map(|id| id.0),
        reason: reason(report.outcome),
    });
    let used = resolution.used.as_ref().map(|(step, source)| Used {
        step: step.map(Step::as_str),
        source: match source {
            Source::Connection(..) => "connection",
            Source::ServerRecord => "server",
            Source::Anonymous => "none",
        },
        connection: match source {
            Source::Connection(connection, _) => Some(connection.id.0),
            Source::ServerRecord | Source::Anonymous => None,
        },
    });
    Explanation {
        server: server.id.0,
        server_name: server.name.clone(),
        is_enabled: server.is_enabled,
        auth_type: server.auth_type.to_string(),
        auth_scope: server.auth_scope.to_string(),
        user,
        mentor,
        steps: steps.collect(),
        outcome: match (server.is_enabled, &used) {
            (false, _) => "disabled",
            (true, Some(_)) => "ok",
            (true, None) if resolution.is_client_refused() => "client_refused",
            (true, None)
                if server.auth_type == AuthType::Oauth2 && server.auth_scope == Scope::User =>
            {
                "sign_in_needed"
            }
            (true, None) => "no_connection",
        },
        used,
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
        Outcome::Inactive => "The connection is switched off (is_active).",
        Outcome::OriginChanged => {
            "The server's address changed since the credential was entered; enter it again."
        }
        Outcome::NoCredentials => "The connection holds no token.",
        Outcome::NoGrant => {
            "The connection points at an OAuth grant that is gone or another person's."
        }
        Outcome::TokenExpired => "The OAuth access token has expired.",
        Outcome::NeedsReauth => "The person must sign in again.",
        Outcome::ClientRefused => ReauthReason::ClientRefused.sentence(),
        Outcome::Withheld => "The owner does not share the connection (is_shared).",
        Outcome::NotFeatured => "The server is the tenant's own and has no credentials of its own.",
    }
}
