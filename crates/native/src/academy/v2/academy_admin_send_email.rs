//! `academy_admin_send_email`: a templated mail to a cohort or to some enrollments
//! (docs/inside/academy.md#829-academy_admin_send_email).
//! Waits for the mail server's word about each recipient, and never says `sent` without it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::actor;
use super::time::{Iso, instant};
use crate::academy::notice;
use crate::call::Call;
use crate::failure::Refusal;
use crate::long::{LongCall, LongTool};
use base::error::Error;
use delivery::mail::{self, Standing};
use learning::academy::enrollment::{self, Enrollment};
use learning::academy::message::{self, Templated};
use learning::academy::{Actor, cohort};

/// How often it is looked what the mail server said.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often at most: 15 s. What is under way then is `pending`.
const LOOKS_MAX: usize = 60;

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
    /// Why the mail stays in the outbox, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Iso>,
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
    /// The mail server has had its say about every mail, and took some.
    Sent,
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
    name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Unreached {
    enrollment_id: String,
    message: String,
}

impl LongTool for AdminSendEmail {
    const NAME: &'static str = "academy_admin_send_email";
    const TITLE: &'static str = "Send a templated email";
    const DESCRIPTION: &'static str = "Send templated email to cohort enrollees (admin only)";
    const SCOPES: &'static [&'static str] = &["admin:email"];
    type Args = Args;
    type Output = Output;

    async fn call(call: &LongCall<'_>, args: Args) -> Result<Output, Refusal> {
        let mut tx = call.write().await?;
        let mut within = call.within(&mut tx);
        let now = within.now;
        let actor = actor(&mut within, "admin:email").await?;
        let at = args
            .scheduled_at
            .as_deref()
            .map(|text| instant("scheduledAt", text));
        let scheduled_at = at.transpose()?.filter(|at| *at > now);
        let (rows, mut errors) = recipients(&mut within, &actor, &args).await?;
        let rows: Vec<&Enrollment> = rows.iter().collect();
        let dry_run = args.dry_run.unwrap_or(false);
        let wanted = Templated {
            template: args.template_id,
            params: &args.params,
            send_at: scheduled_at.unwrap_or(now),
            is_dry_run: dry_run,
        };
        let (name, queued) =
            message::send_template(within.tx, actor.realm, wanted, &rows, now).await?;
        let notice = notice(&within, queued.is_held).filter(|_| !dry_run);
        let goes_now = within.sends_mail && !queued.is_held && !dry_run && scheduled_at.is_none();
        let total = rows.len() + errors.len();
        call.commit(tx).await?;
        let mails = if goes_now {
            heard(call, &queued.id).await?
        } else {
            Vec::new()
        };
        let taken = mails.iter().filter(|mail| mail.state == mail::State::Sent);
        let (sent, last) = (
            taken.clone().count(),
            taken.filter_map(|mail| mail.ended_at).max(),
        );
        errors.extend(unreached(queued.failed, &mails));
        let pending = if dry_run {
            0
        } else {
            total - errors.len() - sent
        };
        let is_sent = sent > 0 && pending == 0;
        let campaign = CampaignItem {
            id: (!dry_run).then_some(queued.id),
            status: match (dry_run, scheduled_at) {
                (true, _) => State::Tested,
                (false, Some(_)) => State::Scheduled,
                (false, None) if is_sent => State::Sent,
                (false, None) => State::Queued,
            },
            scheduled_at: scheduled_at.map(Iso),
            sent_at: last.filter(|_| is_sent).map(Iso),
            recipients: Recipients {
                total,
                sent,
                failed: errors.len(),
                pending,
            },
            template: Template {
                id: args.template_id,
                name,
            },
            dry_run,
        };
        Ok(Output {
            campaign,
            errors,
            notice,
        })
    }
}

/// Waits until the mail server has had its say about each mail of a campaign; not for those that it has put off.
async fn heard(call: &LongCall<'_>, campaign: &str) -> Result<Vec<Standing>, Refusal> {
    let mut mails = Vec::new();
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
        let mut tx = call.read().await?;
        let within = call.within(&mut tx);
        let (tenant, now) = (within.caller.tenant.id, within.now);
        mails = mail::standing(within.tx, tenant, campaign).await?;
        let is_due = |mail: &Standing| mail.state == mail::State::Waiting && mail.next_at <= now;
        if !mails.iter().any(is_due) {
            break;
        }
    }
    Ok(mails)
}

/// Whom the mail does not reach: those without an address, and those whom the mail server refused.
fn unreached(without_address: Vec<String>, mails: &[Standing]) -> Vec<Unreached> {
    let refused = mails.iter().filter(|mail| {
        mail.state == mail::State::Failed && !without_address.contains(&mail.reference)
    });
    let refused: Vec<Unreached> = refused
        .map(|mail| Unreached {
            enrollment_id: mail.reference.clone(),
            message: format!("The mail server refused it: {}", mail.result),
        })
        .collect();
    let without = without_address.into_iter().map(|enrollment_id| Unreached {
        enrollment_id,
        message: "The learner has no address that mail could go to".to_owned(),
    });
    without.chain(refused).collect()
}

/// To whom it goes, each person once, and the enrollments that name nobody.
async fn recipients(
    call: &mut Call<'_>,
    actor: &Actor,
    args: &Args,
) -> Result<(Vec<Enrollment>, Vec<Unreached>), Refusal> {
    let (mut rows, mut errors) = (Vec::<Enrollment>::new(), Vec::new());
    match (&args.enrollment_ids, &args.cohort_id) {
        (Some(ids), _) => {
            for id in ids {
                match enrollment::get(call.tx, actor, id).await {
                    Ok(row) if rows.iter().any(|other| other.person_id == row.person_id) => {}
                    Ok(row) => rows.push(row),
                    Err(learning::academy::Error::NotYours(_)) => errors.push(Unreached {
                        enrollment_id: id.clone(),
                        message: "There is no such enrollment".to_owned(),
                    }),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        (None, Some(id)) => {
            let cohort = cohort::get(call.tx, actor.realm, id).await?;
            rows = enrollment::roster(call.tx, actor, &cohort.id, false).await?;
        }
        (None, None) => {
            let message = "This field is required if enrollmentIds is not provided.";
            return Err(Error::field("cohortId", message).into());
        }
    }
    Ok((rows, errors))
}
