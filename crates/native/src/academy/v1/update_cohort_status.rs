//! `update_cohort_status`: moves a cohort to another state (docs/inside/academy.md#6329-update_cohort_status).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ADMIN, actor};
use crate::academy::{notice, underway};
use crate::call::Call;
use crate::failure::Refusal;
use crate::progress::Step;
use crate::tool::{Access, Tool};
use base::clock::UnixMs;
use learning::academy::cohort::{Cohort, Status};
use learning::academy::cohort_status;
use learning::academy::enrollment::{self, Enrollment};
use learning::academy::message::{self, Announcement, Priority};
use learning::academy::{Actor, completion};

pub(super) struct UpdateCohortStatus;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// The cohort to change
    cohort_id: String,
    /// The state it shall have
    status: Status,
    /// Required for "cancelled" status
    #[schemars(length(max = 2000))]
    reason: Option<String>,
    /// Send notification email to all enrollees
    notify_enrollees: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    cohort_id: String,
    previous_status: Status,
    new_status: Status,
    updated_at: UnixMs,
    /// Letters that are on their way to a mail server; 0 where they stay in the outbox
    notifications_sent: usize,
    /// Why the mails stay in the outbox, if they do
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
    /// Learners who were through and are completed with their cohort, with their certificates; left out where nobody was.
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollments_completed: Option<usize>,
}

impl Tool for UpdateCohortStatus {
    const NAME: &'static str = "update_cohort_status";
    const TITLE: &'static str = "Change a cohort's status";
    const DESCRIPTION: &'static str =
        "Updates the status of a cohort (e.g., from \"scheduled\" to \"in_progress\").";
    const SCOPES: &'static [&'static str] = ADMIN;
    const ACCESS: Access = Access::Write;
    const TELLS_PROGRESS: bool = true;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let reason = args.reason.as_deref().unwrap_or_default();
        let change = (args.status, reason);
        let before =
            cohort_status::change(call.tx, &actor, &args.cohort_id, change, call.now).await?;
        let (mut notifications_sent, mut said) = (0, None);
        if args.notify_enrollees.unwrap_or(false) {
            let subject = format!("{}: now {}", before.name, args.status.as_str());
            let announcement = Announcement {
                subject: &subject,
                message: if reason.is_empty() { &subject } else { reason },
                priority: Priority::Normal,
                to: &enrollment::SEATED,
            };
            let queued =
                message::announce(call.tx, &actor, &before, &announcement, call.now).await?;
            notifications_sent = underway(call, &queued);
            said = notice(call, queued.is_held).filter(|_| queued.letters > 0);
        }
        let enrollments_completed = if args.status == Status::Completed {
            Some(complete(call, &actor, &before).await?)
        } else {
            None
        };
        Ok(Output {
            enrollments_completed: enrollments_completed.filter(|count| *count > 0),
            cohort_id: before.id,
            previous_status: before.status,
            new_status: args.status,
            updated_at: call.now,
            notifications_sent,
            notice: said,
        })
    }
}

/// Completes who is through; a step is told of each.
async fn complete(call: &mut Call<'_>, actor: &Actor, cohort: &Cohort) -> Result<usize, Refusal> {
    let told = |completed, total, row: &Enrollment| {
        call.progress.step(Step {
            completed,
            total,
            current_user: Some(row.person_id.clone()),
            status: "success",
            ..Step::default()
        });
    };
    let of = (cohort, call.base_url);
    Ok(completion::complete_cohort(call.tx, actor, of, call.now, told).await?)
}
