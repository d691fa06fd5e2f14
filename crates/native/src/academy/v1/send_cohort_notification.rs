//! `send_cohort_notification`: writes to the people of a cohort
//! (docs/inside/academy.md#63210-send_cohort_notification).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{INSTRUCTOR, actor};
use crate::academy::notice;
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use base::clock::UnixMs;
use learning::academy::cohort;
use learning::academy::enrollment::Status;
use learning::academy::message::{self, Announcement, Priority};

/// To whom it goes unless somebody says otherwise.
const DEFAULT_STATUSES: [Status; 2] = [Status::Pending, Status::Active];

pub(super) struct SendCohortNotification;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// The cohort to write to
    cohort_id: String,
    /// The subject of the letter
    #[schemars(length(min = 1, max = 200))]
    subject: String,
    /// Supports markdown
    #[schemars(length(min = 1, max = 20_000))]
    message: String,
    /// How much it matters
    priority: Priority,
    /// Add instructor email to message
    include_instructor_contact: Option<bool>,
    /// Default: ["pending", "active"]
    #[schemars(length(min = 1, max = 4))]
    target_statuses: Option<Vec<Status>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    cohort_id: String,
    notification_id: String,
    recipient_count: usize,
    sent_at: UnixMs,
    delivery_status: DeliveryStatus,
    /// Why the mails stay in the outbox, if they do
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct DeliveryStatus {
    sent: usize,
    failed: usize,
    pending: usize,
}

impl Tool for SendCohortNotification {
    const NAME: &'static str = "send_cohort_notification";
    const TITLE: &'static str = "Write to a cohort";
    const DESCRIPTION: &'static str = "Sends a custom notification to all enrollees in a cohort.";
    const SCOPES: &'static [&'static str] = INSTRUCTOR;
    const ACCESS: Access = Access::Write;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let cohort = cohort::get_taught(call.tx, &actor, &args.cohort_id).await?;
        let mut text = args.message;
        if args.include_instructor_contact.unwrap_or(false) {
            let (name, email) = (&cohort.instructor_name, &cohort.instructor_email);
            text.push_str(&format!("\n\nYour instructor: {name} <{email}>"));
        }
        let statuses = args
            .target_statuses
            .unwrap_or_else(|| DEFAULT_STATUSES.to_vec());
        let said = Announcement {
            subject: &args.subject,
            message: &text,
            priority: args.priority,
            to: &statuses,
        };
        let queued = message::announce(call.tx, &actor, &cohort, &said, call.now).await?;
        Ok(Output {
            cohort_id: cohort.id,
            notification_id: queued.id,
            recipient_count: queued.letters,
            sent_at: call.now,
            // The outbox sends; until it has, a letter is pending.
            delivery_status: DeliveryStatus {
                sent: 0,
                failed: queued.failed.len(),
                pending: queued.letters - queued.failed.len(),
            },
            notice: notice(call, queued.is_held),
        })
    }
}
