//! `check_enrollment_status`: whether the caller has a place in a cohort, or could have one
//! (docs/inside/academy.md#6324-check_enrollment_status).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LEARNER, actor};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use base::clock::UnixMs;
use learning::academy::cohort;
use learning::academy::enrollment::{self, Status};

pub(super) struct CheckEnrollmentStatus;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// The cohort to look for
    cohort_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    enrollment: EnrollmentStatus,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct EnrollmentStatus {
    is_enrolled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolled_at: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_percentage: Option<i64>,
    can_enroll: bool,
    enrollment_blockers: Vec<String>,
}

impl Tool for CheckEnrollmentStatus {
    const NAME: &'static str = "check_enrollment_status";
    const TITLE: &'static str = "Check my enrollment";
    const DESCRIPTION: &'static str = "Checks if the authenticated user is enrolled in a specific cohort and returns \
                                       enrollment details.";
    const SCOPES: &'static [&'static str] = LEARNER;
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let cohort = cohort::get(call.tx, actor.realm, &args.cohort_id).await?;
        let found = match &actor.person {
            Some(person) => {
                enrollment::find_in_cohort(call.tx, actor.realm, &cohort.id, &person.id).await?
            }
            None => None,
        };
        let is_enrolled = found
            .as_ref()
            .is_some_and(|row| row.status != Status::Withdrawn);
        let blockers = if is_enrolled {
            vec!["Already enrolled in this cohort".to_owned()]
        } else {
            cohort.blockers(call.now)
        };
        let enrollment = EnrollmentStatus {
            is_enrolled,
            enrollment_id: found.as_ref().map(|row| row.id.clone()),
            status: found.as_ref().map(|row| row.status),
            enrolled_at: found.as_ref().map(|row| row.enrolled_at),
            progress_percentage: found.as_ref().map(|row| row.progress),
            can_enroll: blockers.is_empty(),
            enrollment_blockers: blockers,
        };
        Ok(Output { enrollment })
    }
}
