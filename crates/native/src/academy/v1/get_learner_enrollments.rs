//! `get_learner_enrollments`: every enrollment of the caller (docs/inside/academy.md#6321-get_learner_enrollments).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::Enrollment;
use super::{LEARNER, actor};
use crate::academy::links::Files;
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::enrollment;

pub(super) struct GetLearnerEnrollments;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    enrollments: Vec<Enrollment>,
    total_count: usize,
}

impl Tool for GetLearnerEnrollments {
    const NAME: &'static str = "get_learner_enrollments";
    const TITLE: &'static str = "Get my enrollments";
    const DESCRIPTION: &'static str = "Retrieves all enrollments for the authenticated learner, including past, \
                                       current, and upcoming cohorts.";
    const SCOPES: &'static [&'static str] = LEARNER;
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, _: Args) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let rows = match &actor.person {
            Some(person) => enrollment::of_person(call.tx, actor.realm, &person.id).await?,
            None => Vec::new(),
        };
        let files = Files::new(call, actor.realm);
        let enrollments: Vec<Enrollment> = rows
            .into_iter()
            .map(|row| Enrollment::new(row, call, &files))
            .collect();
        Ok(Output {
            total_count: enrollments.len(),
            enrollments,
        })
    }
}
