//! `create_enrollment`: gives learners places in cohorts, one or up to a thousand
//! (docs/inside/academy.md#6327-create_enrollment, 6.3.5.3).
//! Each place of many is given by itself: what is done is kept whatever comes after it, and asking again goes on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::in_brief;
use super::{ADMIN, actor};
use crate::failure::Refusal;
use crate::long::{LongCall, LongTool};
use crate::progress::Step;
use base::clock::{Stopwatch, UnixMs};
use base::error::FieldErrors;
use base::fields::messages::REQUIRED;
use learning::academy::enroll::{self, Grant};
use learning::academy::enrollment::{Kind, Payment, Status};
use learning::academy::{Error as Academy, message};

pub(super) struct CreateEnrollment;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Target learner's user ID, or the username of a user of the gateway
    user_id: Option<String>,
    /// Cohort to enroll in
    cohort_id: Option<String>,
    /// Required for B2B enrollments
    organization_id: Option<String>,
    /// How the learner comes to the place; default of many: standard
    enrollment_type: Option<Kind>,
    /// Default: pending for standard enrollments, waived for complimentary and trial ones, paid for corporate ones
    payment_status: Option<Payment>,
    /// Admin notes for audit trail
    #[schemars(length(max = 4096))]
    notes: Option<String>,
    /// Default: true
    send_welcome_email: Option<bool>,
    /// Many at once, instead of userId; what a row does not say is as said beside it
    #[schemars(length(min = 1, max = 1000))]
    enrollments: Option<Vec<Row>>,
}

/// One of many.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
struct Row {
    /// Target learner's user ID, or the username of a user of the gateway
    user_id: String,
    /// Cohort to enroll in
    cohort_id: Option<String>,
    /// Required for B2B enrollments
    organization_id: Option<String>,
    /// How the learner comes to the place
    enrollment_type: Option<Kind>,
    /// As beside the rows
    payment_status: Option<Payment>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("type" = "object"))]
pub(super) enum Output {
    /// What one enrollment came to.
    One(Enrolled),
    /// What many came to.
    Many(Totals),
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct Enrolled {
    enrollment_id: String,
    user_id: String,
    cohort_id: String,
    status: Status,
    enrolled_at: UnixMs,
    /// Whether a mail server sends the welcome now; false where it stays in the outbox
    welcome_email_sent: bool,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct Totals {
    total_enrolled: usize,
    /// Had their place before; left out where nobody had.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_existing: Option<usize>,
    total_failed: usize,
    /// In ms.
    duration: u64,
    /// One for each row, in their order; left out where every one was told as an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<RowResult>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct RowResult {
    user_id: String,
    cohort_id: String,
    status: RowStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum RowStatus {
    Success,
    Exists,
    Failed,
}

impl RowStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Exists => "exists",
            Self::Failed => "failed",
        }
    }
}

/// What is owed when nobody says.
fn payment_of(kind: Kind) -> Payment {
    match kind {
        Kind::Standard => Payment::Pending,
        Kind::Complimentary | Kind::Trial => Payment::Waived,
        Kind::Corporate => Payment::Paid,
    }
}

impl LongTool for CreateEnrollment {
    const NAME: &'static str = "create_enrollment";
    const TITLE: &'static str = "Enroll learners";
    const DESCRIPTION: &'static str = "Creates a manual enrollment for a learner, typically used for B2B bulk \
                                       enrollments or complimentary access.";
    const SCOPES: &'static [&'static str] = ADMIN;
    const TELLS_PROGRESS: bool = true;
    type Args = Args;
    type Output = Output;

    async fn call(call: &LongCall<'_>, mut args: Args) -> Result<Output, Refusal> {
        match args.enrollments.take() {
            Some(rows) => Ok(Output::Many(many(call, &args, rows).await?)),
            None => Ok(Output::One(enroll(call, &args, &the_one(&args)?).await?)),
        }
    }
}

/// The one place that is asked for without rows.
fn the_one(args: &Args) -> Result<Row, Refusal> {
    let mut errors = FieldErrors::default();
    let mut require = |field: &str, is_there: bool| {
        if !is_there {
            errors.add(field, REQUIRED);
        }
    };
    require("userId", args.user_id.is_some());
    require("cohortId", args.cohort_id.is_some());
    require("enrollmentType", args.enrollment_type.is_some());
    errors.into_result()?;
    Ok(Row {
        user_id: args.user_id.clone().unwrap_or_default(),
        cohort_id: None,
        organization_id: None,
        enrollment_type: None,
        payment_status: None,
    })
}

/// Gives the places one after the other.
async fn many(call: &LongCall<'_>, args: &Args, rows: Vec<Row>) -> Result<Totals, Refusal> {
    check(args, &rows)?;
    call.spans_transactions();
    let watch = Stopwatch::start();
    let (total, mut totals, mut results) = (rows.len(), Totals::default(), Vec::new());
    for row in rows {
        let result = one_of_many(call, args, row).await;
        match result.status {
            RowStatus::Success => totals.total_enrolled += 1,
            RowStatus::Exists => *totals.total_existing.get_or_insert_default() += 1,
            RowStatus::Failed => totals.total_failed += 1,
        }
        call.progress().step(Step {
            completed: results.len() + 1,
            total,
            current_user: Some(result.user_id.clone()),
            status: result.status.word(),
            code: result.code,
            message: result.message.clone(),
        });
        results.push(result);
    }
    if totals.total_failed == total {
        call.set_outcome("failed");
    } else if totals.total_failed > 0 {
        call.set_outcome("partial");
    }
    totals.duration = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
    totals.results = (!call.progress().tells_all()).then_some(results);
    Ok(totals)
}

/// What is wrong with the rows themselves is said of all at once, before the first place is given.
fn check(args: &Args, rows: &[Row]) -> Result<(), Refusal> {
    let mut errors = FieldErrors::default();
    if args.user_id.is_some() {
        errors.add("userId", "Name people in enrollments or here, not in both.");
    }
    for (at, row) in rows.iter().enumerate() {
        if row.cohort_id.is_none() && args.cohort_id.is_none() {
            let field = format!("enrollments[{at}].cohortId");
            errors.add(&field, REQUIRED);
        }
    }
    Ok(errors.into_result()?)
}

async fn one_of_many(call: &LongCall<'_>, args: &Args, row: Row) -> RowResult {
    let enrolled = enroll(call, args, &row).await;
    let mut result = RowResult {
        cohort_id: row
            .cohort_id
            .or_else(|| args.cohort_id.clone())
            .unwrap_or_default(),
        user_id: row.user_id,
        status: RowStatus::Success,
        enrollment_id: None,
        code: None,
        message: None,
    };
    match enrolled {
        Ok(enrolled) => result.enrollment_id = Some(enrolled.enrollment_id),
        Err(Refusal::Academy(Academy::EnrollmentExists { enrollment })) => {
            result.status = RowStatus::Exists;
            result.enrollment_id = Some(enrollment);
        }
        Err(refusal) => {
            let (code, message) = in_brief(&refusal);
            result.status = RowStatus::Failed;
            result.code = Some(code);
            result.message = Some(message);
        }
    }
    result
}

/// Gives one place; what the row does not say, the arguments do.
async fn enroll(call: &LongCall<'_>, args: &Args, row: &Row) -> Result<Enrolled, Refusal> {
    let mut tx = call.write().await?;
    let mut within = call.within(&mut tx);
    let actor = actor(&mut within).await?;
    let kind = row.enrollment_type.or(args.enrollment_type);
    let kind = kind.unwrap_or(Kind::Standard);
    let payment = row.payment_status.or(args.payment_status);
    let organization = row
        .organization_id
        .as_ref()
        .or(args.organization_id.as_ref());
    let cohort = row.cohort_id.as_ref().or(args.cohort_id.as_ref());
    let grant = Grant {
        person: &row.user_id,
        cohort: cohort.map_or("", String::as_str),
        organization: organization.map(String::as_str),
        kind,
        payment: payment.unwrap_or_else(|| payment_of(kind)),
        notes: args.notes.as_deref().unwrap_or_default(),
        metadata: serde_json::Map::new(),
    };
    let (enrollment, _) = enroll::enroll(within.tx, &actor, &grant, within.now).await?;
    let welcome_email_sent = args.send_welcome_email.unwrap_or(true)
        && message::welcome(within.tx, actor.realm, &enrollment, within.now).await?
        && within.sends_mail;
    call.commit(tx).await?;
    Ok(Enrolled {
        enrollment_id: enrollment.id,
        user_id: enrollment.person_id,
        cohort_id: enrollment.cohort_id,
        status: enrollment.status,
        enrolled_at: enrollment.enrolled_at,
        welcome_email_sent,
    })
}
