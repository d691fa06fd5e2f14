//! `get_cohort_roster`: everybody in a cohort, for its instructor and for administrators
//! (docs/inside/academy.md#6328-get_cohort_roster).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{INSTRUCTOR, actor};
use crate::call::Call;
use crate::failure::Refusal;
use crate::progress::Step;
use crate::tool::{Access, Tool};
use base::clock::UnixMs;
use learning::academy::cohort;
use learning::academy::enrollment::{self, Enrollment, Kind, Status};

/// Rows of one step of an export.
const STEP_ROWS: usize = 100;

pub(super) struct GetCohortRoster;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// The cohort whose roster is wanted
    cohort_id: String,
    /// Default: false
    include_withdrawn: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    cohort_id: String,
    cohort_name: String,
    course_title: String,
    start_date: UnixMs,
    end_date: UnixMs,
    total_seats: i64,
    enrolled_count: usize,
    active_count: usize,
    completed_count: usize,
    roster: Vec<RosterEntry>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct RosterEntry {
    enrollment_id: String,
    user_id: String,
    learner_name: String,
    learner_email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_name: Option<String>,
    enrollment_type: Kind,
    status: Status,
    enrolled_at: UnixMs,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<UnixMs>,
    progress_percentage: i64,
    last_activity_at: UnixMs,
    certificate_issued: bool,
}

impl From<Enrollment> for RosterEntry {
    fn from(row: Enrollment) -> Self {
        Self {
            enrollment_id: row.id,
            user_id: row.person_id,
            learner_name: row.learner_name,
            learner_email: row.learner_email,
            organization_name: row.organization_name,
            enrollment_type: row.kind,
            status: row.status,
            enrolled_at: row.enrolled_at,
            completed_at: row.completed_at,
            progress_percentage: row.progress,
            last_activity_at: row.last_activity_at,
            certificate_issued: row.certificate_id.is_some(),
        }
    }
}

impl Tool for GetCohortRoster {
    const NAME: &'static str = "get_cohort_roster";
    const TITLE: &'static str = "Get a cohort's roster";
    const DESCRIPTION: &'static str = "Retrieves the complete roster for a cohort, including learner details and enrollment status.";
    const SCOPES: &'static [&'static str] = INSTRUCTOR;
    const ACCESS: Access = Access::Read;
    const TELLS_PROGRESS: bool = true;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let cohort = cohort::get_taught(call.tx, &actor, &args.cohort_id).await?;
        let withdrawn = args.include_withdrawn.unwrap_or(false);
        let rows = enrollment::roster(call.tx, &actor, &cohort.id, withdrawn).await?;
        let count = |status: Status| rows.iter().filter(|row| row.status == status).count();
        Ok(Output {
            enrolled_count: rows.len() - count(Status::Withdrawn),
            active_count: count(Status::Active),
            completed_count: count(Status::Completed),
            cohort_id: cohort.id,
            cohort_name: cohort.name,
            course_title: cohort.course_title,
            start_date: cohort.starts_at,
            end_date: cohort.ends_at,
            total_seats: cohort.seats_total,
            roster: entries(call, rows),
        })
    }
}

/// The rows as entries; a step is told of each part of a long list.
fn entries(call: &Call<'_>, rows: Vec<Enrollment>) -> Vec<RosterEntry> {
    let total = rows.len();
    let mut entries = Vec::with_capacity(total);
    for row in rows {
        entries.push(row.into());
        let completed = entries.len();
        if completed % STEP_ROWS == 0 || completed == total {
            call.progress.step(Step {
                completed,
                total,
                status: "success",
                ..Step::default()
            });
        }
    }
    entries
}
