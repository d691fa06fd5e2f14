//! `academy_get_enrollments`: enrollments with what they open and how far they are
//! (docs/inside/academy.md#821-academy_get_enrollments).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor;
use super::view::{Enrollment, State};
use crate::call::Call;
use crate::failure::Refusal;
use crate::tool::{Access, Tool};
use learning::academy::{enrollment, person};

pub(super) struct GetEnrollments;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// User ID (optional, defaults to authenticated user)
    user_id: Option<String>,
    /// Filter by enrollment status (default: active)
    status: Option<Wanted>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Wanted {
    Active,
    Completed,
    Expired,
    All,
}

impl Wanted {
    fn takes(self, state: State) -> bool {
        match self {
            Self::Active => state == State::Active,
            Self::Completed => state == State::Completed,
            Self::Expired => state == State::Expired,
            Self::All => true,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    enrollments: Vec<Enrollment>,
}

impl Tool for GetEnrollments {
    const NAME: &'static str = "academy_get_enrollments";
    const TITLE: &'static str = "Get enrollments";
    const DESCRIPTION: &'static str =
        "Get user's course enrollments with access status, progress, and cohort information";
    const SCOPES: &'static [&'static str] = &["enrollments:read"];
    const ACCESS: Access = Access::Read;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let person = match (&args.user_id, &actor.person) {
            (Some(id), _) => person::get(call.tx, &actor, id).await?,
            (None, Some(own)) => own.clone(),
            (None, None) => {
                return Ok(Output {
                    enrollments: Vec::new(),
                });
            }
        };
        let wanted = args.status.unwrap_or(Wanted::Active);
        let mut enrollments = Vec::new();
        for row in enrollment::seen_of_person(call.tx, &actor, &person.id).await? {
            if wanted.takes(State::of(&row, call.now)) {
                let activity = enrollment::activity(call.tx, actor.realm, &row).await?;
                enrollments.push(Enrollment::new(row, activity, call.now));
            }
        }
        Ok(Output { enrollments })
    }
}
