//! `academy_admin_create_enrollment`: an organization's learner gets a place
//! (docs/inside/academy.md#8210-academy_admin_create_enrollment).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::actor;
use super::time::Iso;
use super::view::State;
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use base::error::Error;
use learning::academy::enroll::{self, Grant};
use learning::academy::enrollment::{Kind, Payment};
use learning::academy::person::{self, NewPerson, Person};
use learning::academy::{Actor, message, organization};

/// Longest metadata, in bytes of JSON.
const METADATA_BYTES_MAX: usize = 16 * 1024;

pub(super) struct AdminCreateEnrollment;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// User ID (will create user if doesn't exist), or the username of a user of the gateway
    user_id: Option<String>,
    /// User email (required if userId not provided)
    #[schemars(extend("format" = "email"))]
    email: Option<String>,
    /// Cohort ID
    cohort_id: String,
    /// Organization ID for B2B enrollment
    organization_id: String,
    /// Send welcome email to user (default: true)
    send_welcome_email: Option<bool>,
    /// Additional metadata (e.g., employee ID, department)
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    enrollment: Enrollment,
    user: User,
    notifications: Notifications,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Enrollment {
    id: String,
    user_id: String,
    cohort_id: String,
    organization_id: String,
    status: State,
    created_at: Iso,
    expires_at: Iso,
    access: Opened,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Opened {
    materials: bool,
    chat: bool,
    office_hours: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct User {
    id: String,
    email: String,
    created: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Notifications {
    /// Whether a mail server sends the welcome now; false where it stays in the outbox
    welcome_email_sent: bool,
}

impl Tool for AdminCreateEnrollment {
    const NAME: &'static str = "academy_admin_create_enrollment";
    const TITLE: &'static str = "Enroll an organization's learner";
    const DESCRIPTION: &'static str = "Create B2B enrollment for a user (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:enrollments"];
    const ACCESS: Access = Access::Write;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let metadata = args.metadata.clone().unwrap_or_default();
        if Value::Object(metadata.clone()).to_string().len() > METADATA_BYTES_MAX {
            return Err(Error::field("metadata", "Must be at most 16 KiB of JSON.").into());
        }
        let (person, created) = person_of(call, &actor, &args).await?;
        let grant = Grant {
            person: &person.id,
            cohort: &args.cohort_id,
            organization: Some(&args.organization_id),
            kind: Kind::Corporate,
            payment: Payment::Paid,
            notes: "",
            metadata,
        };
        let (row, _) = enroll::enroll(call.tx, &actor, &grant, call.now).await?;
        let welcomes = args.send_welcome_email.unwrap_or(true);
        let welcome_email_sent = welcomes
            && message::welcome(call.tx, actor.realm, &row, call.now).await?
            && call.sends_mail;
        let is_open = row.require_access("", call.now).is_ok();
        Ok(Output {
            user: User {
                id: person.id,
                email: person.email,
                created,
            },
            notifications: Notifications { welcome_email_sent },
            enrollment: Enrollment {
                status: State::of(&row, call.now),
                id: row.id,
                user_id: row.person_id,
                cohort_id: row.cohort_id,
                organization_id: args.organization_id,
                created_at: Iso(row.enrolled_at),
                expires_at: Iso(row.expires_at),
                access: Opened {
                    materials: is_open,
                    chat: is_open,
                    office_hours: is_open,
                },
            },
        })
    }
}

/// Whom the arguments name, and whether they were made for it.
async fn person_of(
    call: &mut Call<'_>,
    actor: &Actor,
    args: &Args,
) -> Result<(Person, bool), Refusal> {
    let organization = Some(&*args.organization_id);
    organization::get_managed(call.tx, actor, &args.organization_id).await?;
    let (id, email) = (args.user_id.as_deref(), args.email.as_deref());
    if let Some(id) = id
        && let Some(named) = person::named(call.tx, actor, id, organization, call.now).await?
    {
        let is_other = |email| !named.0.has_email(email);
        return if email.is_some_and(is_other) {
            Err(Error::field("email", "This is not the address of that user.").into())
        } else {
            Ok(named)
        };
    }
    let Some(email) = email else {
        let message = match id {
            Some(_) => {
                "There is no user of this userId yet: give their address, and they are made."
            }
            None => "This field is required if userId is not provided.",
        };
        return Err(Error::field("email", message).into());
    };
    match person::find_by_email(call.tx, actor.realm, email).await? {
        Some(_) if id.is_some() => {
            Err(Error::field("email", "This is the address of another user.").into())
        }
        Some(found) if found.is_reached_by(actor) => Ok((found, false)),
        Some(_) => Err(learning::academy::Error::NotYours("user").into()),
        None => {
            let new = NewPerson {
                id,
                email,
                organization,
            };
            let made = person::create(call.tx, actor, new, None, call.now).await?;
            Ok((made, true))
        }
    }
}
