//! `academy_admin_send_email`: a templated mail to a cohort or to some enrollments (specification 8.2.9).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::actor;
use super::time::{Iso, instant};
use crate::academy::message::{self, Campaign, Priority};
use crate::academy::{Actor, cohort, enrollment};
use crate::error::Error;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Call, Tool};

pub(super) struct AdminSendEmail;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Cohort ID (required if enrollmentIds not provided)
    cohort_id: Option<String>,
    /// Specific enrollment IDs (overrides cohortId)
    #[schemars(length(min = 1, max = 1000))]
    enrollment_ids: Option<Vec<String>>,
    /// Brevo template ID
    #[schemars(range(min = 1, max = 2_147_483_647))]
    template_id: i64,
    /// Template variables (e.g., {cohortName, startDate})
    params: Map<String, Value>,
    /// Schedule email for later (optional)
    #[schemars(extend("format" = "date-time"))]
    scheduled_at: Option<String>,
    /// Test mode - don't actually send (default: false)
    dry_run: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    campaign: CampaignItem,
    /// One for each enrollment that could not be written to.
    errors: Vec<Unreached>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct CampaignItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    status: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<Iso>,
    recipients: Recipients,
    template: Template,
    dry_run: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum State {
    /// In the outbox, to be sent now.
    Queued,
    Scheduled,
    /// Nothing was written anywhere.
    Tested,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Recipients {
    total: usize,
    sent: usize,
    failed: usize,
    pending: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Template {
    id: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Unreached {
    enrollment_id: String,
    message: String,
}

impl Tool for AdminSendEmail {
    const NAME: &'static str = "academy_admin_send_email";
    const TITLE: &'static str = "Send a templated email";
    const DESCRIPTION: &'static str = "Send templated email to cohort enrollees (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:email"];
    const ACCESS: Access = Access::Write;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:email").await?;
        let at = args
            .scheduled_at
            .as_deref()
            .map(|text| instant("scheduledAt", text));
        let scheduled_at = at.transpose()?.filter(|at| *at > call.now);
        let (people, errors) = recipients(call, &actor, &args).await?;
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        let dry_run = args.dry_run.unwrap_or(false);
        let body = Value::Object(args.params).to_string();
        let campaign = Campaign {
            template: Some(args.template_id),
            subject: "",
            body: &body,
            priority: Priority::Normal,
            send_at: scheduled_at.unwrap_or(call.now),
        };
        let id = if dry_run {
            None
        } else {
            let queued = message::queue(call.tx, actor.realm, &campaign, &people, call.now).await?;
            Some(queued.id)
        };
        let campaign = CampaignItem {
            id,
            status: match (dry_run, scheduled_at) {
                (true, _) => State::Tested,
                (false, Some(_)) => State::Scheduled,
                (false, None) => State::Queued,
            },
            scheduled_at: scheduled_at.map(Iso),
            recipients: Recipients {
                total: people.len() + errors.len(),
                sent: 0,
                failed: errors.len(),
                pending: if dry_run { 0 } else { people.len() },
            },
            template: Template {
                id: args.template_id,
            },
            dry_run,
        };
        Ok(Output { campaign, errors })
    }
}

/// To whom it goes, each person once, and the enrollments that name nobody.
async fn recipients(
    call: &mut Call<'_>,
    actor: &Actor,
    args: &Args,
) -> Result<(Vec<String>, Vec<Unreached>), Refusal> {
    let (mut people, mut errors) = (Vec::new(), Vec::new());
    match (&args.enrollment_ids, &args.cohort_id) {
        (Some(ids), _) => {
            for id in ids {
                match enrollment::get(call.tx, actor, id).await {
                    Ok(row) if !people.contains(&row.person_id) => people.push(row.person_id),
                    Ok(_) => {}
                    Err(crate::academy::Error::NotYours(_)) => errors.push(Unreached {
                        enrollment_id: id.clone(),
                        message: "There is no such enrollment".to_owned(),
                    }),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        (None, Some(id)) => {
            let cohort = cohort::get(call.tx, actor.realm, id).await?;
            let rows = enrollment::roster(call.tx, actor, &cohort.id, false).await?;
            people.extend(rows.into_iter().map(|row| row.person_id));
        }
        (None, None) => {
            let message = "This field is required if enrollmentIds is not provided.";
            return Err(Error::field("cohortId", message).into());
        }
    }
    Ok((people, errors))
}
