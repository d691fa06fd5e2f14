//! `academy_admin_list_cohorts`: cohorts with their enrollments and seats, page by page
//! (docs/inside/academy.md#827-academy_admin_list_cohorts).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor;
use super::time::Day;
use super::view::Counts;
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::cohort::{self, Filter, Session, Status};
use learning::academy::statistics::{self, Group};

/// Cohorts in an answer unless another number is asked for.
const LIMIT_DEFAULT: i64 = 50;

pub(super) struct AdminListCohorts;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Filter by cohort status (default: all)
    status: Option<Wanted>,
    /// Filter by course ID
    course_id: Option<String>,
    /// Number of results per page (max: 100)
    #[schemars(range(min = 1, max = 100), extend("default" = 50))]
    limit: Option<i64>,
    /// Pagination offset
    #[schemars(range(min = 0, max = 1_000_000_000), extend("default" = 0))]
    offset: Option<i64>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Wanted {
    Scheduled,
    Open,
    InProgress,
    Completed,
    All,
}

impl Wanted {
    fn status(self) -> Option<Status> {
        match self {
            Self::Scheduled => Some(Status::Scheduled),
            Self::Open => Some(Status::Open),
            Self::InProgress => Some(Status::InProgress),
            Self::Completed => Some(Status::Completed),
            Self::All => None,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    cohorts: Vec<CohortItem>,
    pagination: Pagination,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CohortItem {
    id: String,
    course_id: String,
    course_name: String,
    name: String,
    status: Status,
    schedule: Schedule,
    enrollments: Counts,
    capacity: Capacity,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Schedule {
    start_date: Day,
    end_date: Day,
    sessions: Vec<Session>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Capacity {
    max: i64,
    available: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Pagination {
    total: i64,
    limit: i64,
    offset: i64,
    has_more: bool,
}

impl Tool for AdminListCohorts {
    const NAME: &'static str = "academy_admin_list_cohorts";
    const TITLE: &'static str = "List cohorts";
    const DESCRIPTION: &'static str = "List all cohorts with filters (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:cohorts"];
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:cohorts").await?;
        let filter = Filter {
            course: args.course_id,
            status: args.status.and_then(Wanted::status),
            ..Filter::default()
        };
        let (limit, offset) = (
            args.limit.unwrap_or(LIMIT_DEFAULT),
            args.offset.unwrap_or(0),
        );
        let page = cohort::list(call.tx, actor.realm, &filter, (limit, offset)).await?;
        let mut cohorts = Vec::new();
        for row in page.rows {
            let counts = statistics::counts(call.tx, Group::seen_by(&actor, &row.id)).await?;
            cohorts.push(CohortItem {
                capacity: Capacity {
                    max: row.seats_total,
                    available: row.seats_free(),
                },
                enrollments: counts.into(),
                schedule: Schedule {
                    start_date: Day(row.starts_at),
                    end_date: Day(row.ends_at),
                    sessions: row.sessions.0,
                },
                id: row.id,
                course_id: row.course_id,
                course_name: row.course_title,
                name: row.name,
                status: row.status,
            });
        }
        let shown = i64::try_from(cohorts.len()).unwrap_or(limit);
        Ok(Output {
            cohorts,
            pagination: Pagination {
                total: page.total,
                limit,
                offset,
                has_more: offset + shown < page.total,
            },
        })
    }
}
