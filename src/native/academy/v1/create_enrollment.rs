//! `create_enrollment`: gives a learner a place in a cohort (specification 6.3.2.7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ADMIN, actor};
use crate::academy::enrollment::{self, Grant, Kind, Payment, Status};
use crate::academy::message;
use crate::clock::UnixMs;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Call, Tool};

pub(super) struct CreateEnrollment;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Target learner's user ID
    user_id: String,
    /// Cohort to enroll in
    cohort_id: String,
    /// Required for B2B enrollments
    organization_id: Option<String>,
    /// How the learner comes to the place
    enrollment_type: Kind,
    /// Default: pending for standard enrollments, waived for complimentary and trial ones, paid for corporate ones
    payment_status: Option<Payment>,
    /// Admin notes for audit trail
    #[schemars(length(max = 4096))]
    notes: Option<String>,
    /// Default: true
    send_welcome_email: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    enrollment_id: String,
    user_id: String,
    cohort_id: String,
    status: Status,
    enrolled_at: UnixMs,
    /// Whether a mail server sends the welcome now; false where it stays in the outbox
    welcome_email_sent: bool,
}

/// What is owed when nobody says.
fn payment_of(kind: Kind) -> Payment {
    match kind {
        Kind::Standard => Payment::Pending,
        Kind::Complimentary | Kind::Trial => Payment::Waived,
        Kind::Corporate => Payment::Paid,
    }
}

impl Tool for CreateEnrollment {
    const NAME: &'static str = "create_enrollment";
    const TITLE: &'static str = "Enroll a learner";
    const DESCRIPTION: &'static str = "Creates a manual enrollment for a learner, typically used for B2B bulk \
                                       enrollments or complimentary access.";
    const SCOPES: &'static [&'static str] = ADMIN;
    const ACCESS: Access = Access::Write;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let kind = args.enrollment_type;
        let grant = Grant {
            person: &args.user_id,
            cohort: &args.cohort_id,
            organization: args.organization_id.as_deref(),
            kind,
            payment: args.payment_status.unwrap_or_else(|| payment_of(kind)),
            notes: args.notes.as_deref().unwrap_or_default(),
            metadata: serde_json::Map::new(),
        };
        let (enrollment, _) = enrollment::create(call.tx, &actor, &grant, call.now).await?;
        let welcomes = args.send_welcome_email.unwrap_or(true);
        let welcome_email_sent = welcomes
            && message::welcome(call.tx, actor.realm, &enrollment, call.now).await?
            && call.sends_mail;
        Ok(Output {
            enrollment_id: enrollment.id,
            user_id: enrollment.person_id,
            cohort_id: enrollment.cohort_id,
            status: enrollment.status,
            enrolled_at: enrollment.enrolled_at,
            welcome_email_sent,
        })
    }
}
