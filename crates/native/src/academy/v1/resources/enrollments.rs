//! `academy://enrollments/{userId}`: what a user is enrolled in (docs/inside/academy.md#6333-enrollments-of-v1).

use schemars::JsonSchema;
use serde::Serialize;

use super::super::view::Enrollment;
use super::super::{LEARNER, actor};
use crate::academy::links::Files;
use crate::call::Call;
use crate::failure::Refusal;
use crate::resource::{COMPLETIONS_SOUGHT, Resource};
use base::clock::UnixMs;
use learning::academy::{enrollment, person};

pub(super) struct Enrollments;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    user_id: String,
    enrollments: Vec<Enrollment>,
    total_count: usize,
    last_updated: UnixMs,
}

impl Resource for Enrollments {
    const URI: &'static str = "academy://enrollments/{userId}";
    const NAME: &'static str = "Enrollments of a user";
    const DESCRIPTION: &'static str = "Retrieves all enrollments for a specific user.";
    const SCOPES: &'static [&'static str] = LEARNER;
    type Output = Output;

    async fn read(call: &mut Call<'_>, id: &str) -> Result<Output, Refusal> {
        let actor = actor(call).await?;
        let person = person::get(call.tx, &actor, id).await?;
        let rows = enrollment::seen_of_person(call.tx, &actor, &person.id).await?;
        let files = Files::new(call, actor.realm);
        let enrollments: Vec<Enrollment> = rows
            .into_iter()
            .map(|row| Enrollment::new(row, call, &files))
            .collect();
        Ok(Output {
            user_id: person.id,
            total_count: enrollments.len(),
            enrollments,
            last_updated: call.now,
        })
    }

    async fn complete(call: &mut Call<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let actor = actor(call).await?;
        Ok(person::ids_like(call.tx, &actor, pattern, COMPLETIONS_SOUGHT).await?)
    }
}
