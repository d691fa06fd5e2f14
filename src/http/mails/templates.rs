//! `…/mail-templates/`: list, make, read, replace, delete, by number.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Shape, schema_of};
use base::error::{FieldErrors, Result};
use base::fields::kind::Whole;
use base::fields::{Body, Request, Text, optional, request, required};
use base::storage::{Page, Tx};
use delivery::mail::{self, Draft, Template};
use tenancy::audit;
use tenancy::auth::token::Environment;
use tenancy::tenant::TenantId;

/// Longest name or subject, in characters.
const LINE_CHARACTERS_MAX: usize = 200;
/// Longest text of a template, in characters; the same again for HTML.
const TEXT_CHARACTERS_MAX: usize = 100_000;

/// A template of mails.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MailTemplate")]
struct TemplateAnswer {
    /// Its number, which callers name it by.
    id: i64,
    name: String,
    subject: String,
    text: String,
    html: String,
    created_at: String,
    updated_at: String,
}

request! {
    /// A template as it is written. `{{ name }}` stands for a parameter.
    pub(crate) struct TemplateRequest {
        /// What it is called.
        name: Option<String> = required(Text::filled(LINE_CHARACTERS_MAX)) => "Welcome";
        /// The subject of the mail.
        subject: Option<String> = required(Text::filled(LINE_CHARACTERS_MAX)) => "Welcome, {{ name }}";
        /// The mail as plain text.
        text: Option<String> = required(Text::filled(TEXT_CHARACTERS_MAX)) => "Hello {{ name }}.";
        /// The same in HTML; values are escaped in it.
        html: Option<String> = optional(Text::blank(TEXT_CHARACTERS_MAX)) => "<p>Hello {{ name }}.</p>";
    }
}

request! {
    /// What a new template is named by.
    pub(crate) struct NumberRequest {
        /// Its number.
        id: Option<i64> = required(Whole::at_least(1)) => 7;
    }
}

const ONE: Shape = Shape::One(schema_of::<TemplateAnswer>);

pub(crate) const LIST: Endpoint =
    Endpoint::closed("Lists the tenant's templates of mails.", |call| {
        Box::pin(list(call))
    })
    .answers(200, Shape::Page(schema_of::<TemplateAnswer>));

pub(crate) const CREATE: Endpoint = Endpoint::closed("Makes a template with a number.", |call| {
    Box::pin(create(call))
})
.reads(Body::whole(
    "NewMailTemplateRequest",
    &[TemplateRequest::TABLE, NumberRequest::TABLE],
))
.answers(201, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a template.", |call| Box::pin(read(call))).answers(200, ONE);

pub(crate) const REPLACE: Endpoint = Endpoint::closed(
    "Replaces a template; mails that wait stay as they are.",
    |call| Box::pin(replace(call)),
)
.reads(Body::whole(
    "MailTemplateRequest",
    &[TemplateRequest::TABLE],
))
.answers(200, ONE);

pub(crate) const DELETE: Endpoint =
    Endpoint::closed("Deletes a template.", |call| Box::pin(delete(call)));

async fn list(call: Call) -> Result<Answer> {
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let found = mail::templates(&mut tx, call.caller.tenant.id, asked).await?;
    let rows = found.rows.into_iter().map(answer).collect();
    let total = found.total;
    page::envelope(&call, asked, Page { total, rows })
}

async fn create(call: Call) -> Result<Answer> {
    let (asked, errors) = NumberRequest::whole(&call.fields);
    let draft = draft(&call, errors)?;
    let mut tx = call.app.db.write().await?;
    let number = asked.id.unwrap_or_default();
    mail::create(&mut tx, call.caller.tenant.id, number, &draft, call.now()).await?;
    let answer = finish(&call, tx, "mail_template.create", number).await?;
    Answer::created(&answer)
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let row = mail::get(&mut tx, live(&call), call.path.id()?).await?;
    Answer::ok(&answer(row))
}

async fn replace(call: Call) -> Result<Answer> {
    let number = call.path.id()?;
    let mut tx = call.app.db.write().await?;
    let tenant = call.caller.tenant.id;
    mail::get(&mut tx, live(&call), number).await?;
    let draft = draft(&call, FieldErrors::default())?;
    mail::replace(&mut tx, tenant, number, &draft, call.now()).await?;
    let answer = finish(&call, tx, "mail_template.update", number).await?;
    Answer::ok(&answer)
}

async fn delete(call: Call) -> Result<Answer> {
    let number = call.path.id()?;
    let mut tx = call.app.db.write().await?;
    mail::delete(&mut tx, call.caller.tenant.id, number).await?;
    record(&call, &mut tx, "mail_template.delete", number).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

/// The sandbox's templates come with its sample data, and are nobody's to change.
fn live(call: &Call) -> (TenantId, Environment) {
    (call.caller.tenant.id, Environment::Live)
}

fn draft(call: &Call, mut errors: FieldErrors) -> Result<Draft> {
    let (asked, wrong) = TemplateRequest::whole(&call.fields);
    errors.append(wrong);
    errors.into_result()?;
    Ok(Draft {
        name: asked.name.unwrap_or_default(),
        subject: asked.subject.unwrap_or_default(),
        text: asked.text.unwrap_or_default(),
        html: asked.html.unwrap_or_default(),
    })
}

async fn finish(call: &Call, mut tx: Tx, action: &str, number: i64) -> Result<TemplateAnswer> {
    record(call, &mut tx, action, number).await?;
    let row = mail::get(&mut tx, live(call), number).await?;
    tx.commit().await?;
    Ok(answer(row))
}

async fn record(call: &Call, tx: &mut Tx, action: &str, number: i64) -> Result<()> {
    audit::record(tx, &call.entry(action, format!("mail_template:{number}"))).await
}

fn answer(row: Template) -> TemplateAnswer {
    TemplateAnswer {
        id: row.number,
        name: row.name,
        subject: row.subject,
        text: row.text,
        html: row.html,
        created_at: row.created_at.to_iso(),
        updated_at: row.updated_at.to_iso(),
    }
}
