//! Mentors: list, create both ways, read, change, delete softly (docs/inside/contract.md#mentors).

use http::StatusCode;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use super::super::registry::{ServerAnswer, Viewer};
use super::mentor_answer::MentorAnswer;
use super::mentor_request::{self, DESCRIPTION_CHARACTERS_MAX, PARTS};
use super::settings::{record, servers};
use base::error::{FieldErrors, Result};
use base::fields::{Body, Fields, Given, Reader, Request, Text, optional, request, required};
use base::storage::{Page, PageRequest, Tx};
use broker::oauth::service;
use broker::registry::attachment;
use tenancy::tenant;
use tenancy::tenant::mentor::settings::{SETTINGS, value_of};
use tenancy::tenant::mentor::{self, Mentor, NAME_CHARACTERS_MAX, Order};

/// Names under which clients ask for the plain template; another name is an existing mentor's.
const TEMPLATES: [&str; 3] = ["ai-mentor", "mentorAI", "ai-agent"];
/// Longest query text that is looked for.
const SEARCH_CHARACTERS_MAX: usize = 255;
/// Rows read at once while a list is narrowed by its settings.
const SCAN_ROWS: i64 = 500;

const ONE: Shape = Shape::One(schema_of::<MentorAnswer>);

pub(crate) const LIST: Endpoint =
    Endpoint::closed("Lists the tenant's mentors.", |call| Box::pin(list(call)))
        .query(&[
            query(
                "filter_by",
                "string",
                "the order: `date` (newest first, the default) or `name`",
            ),
            query(
                "is_featured",
                "boolean",
                "only featured or only other mentors",
            ),
            query("visibility", "string", "exactly this `mentor_visibility`"),
            query("metadata_key", "string", "a member that `metadata` has"),
            query("metadata_value", "string", "that member's value"),
            query("department_id", "integer", "the number of a department"),
        ])
        .answers(200, Shape::Page(schema_of::<MentorAnswer>));

pub(crate) const CREATE: Endpoint =
    Endpoint::closed("Creates a mentor.", |call| Box::pin(create(call)))
        .reads(REQUEST)
        .answers(201, ONE);

pub(crate) const CREATE_WITH_SETTINGS: Endpoint = Endpoint::closed(
    "Creates a mentor from a template and sets it up at once.",
    |call| Box::pin(create_with_settings(call)),
)
.reads(Body::whole(
    "MentorWithSettingsRequest",
    &[TemplateRequest::TABLE, PARTS[0], PARTS[1]],
))
.answers(200, ONE);

pub(crate) const READ: Endpoint =
    Endpoint::closed("Reads a mentor, named by UUID, name or slug.", |call| {
        Box::pin(read(call))
    })
    .answers(200, ONE);

pub(crate) const REPLACE: Endpoint =
    Endpoint::closed("Changes a mentor; its name must be there.", |call| {
        Box::pin(change(call, MentorRequest::whole))
    })
    .reads(REQUEST)
    .answers(200, ONE);

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes the given fields of a mentor.", |call| {
        Box::pin(change(call, MentorRequest::partial))
    })
    .reads(Body::partial(
        "PatchedMentorRequest",
        &[MentorRequest::TABLE, PARTS[0], PARTS[1]],
    ))
    .answers(200, ONE);

pub(crate) const DELETE: Endpoint = Endpoint::closed(
    "Deletes a mentor. Its rows stay for the log; it is found nowhere.",
    |call| Box::pin(delete(call)),
);

request! {
    /// A mentor as it is written.
    struct MentorRequest {
        /// What it is called.
        name: Option<String> = required(Text::filled(NAME_CHARACTERS_MAX)) => "Help desk";
        /// What it is for.
        description: Given<String> = optional(Text::blank(DESCRIPTION_CHARACTERS_MAX)) => "Answers questions.";
    }
}

request! {
    /// A mentor as it is made from a template.
    struct TemplateRequest {
        /// A mentor whose settings it gets, or `ai-mentor` for those that all begin with.
        template_name: Given<String> = required(Text::blank(NAME_CHARACTERS_MAX)) => "ai-mentor";
        /// What it is called.
        new_mentor_name: Option<String> = required(Text::filled(NAME_CHARACTERS_MAX)) => "Help desk";
        /// What it is for.
        description: Given<String> = optional(Text::blank(DESCRIPTION_CHARACTERS_MAX)) => "Answers questions.";
        /// The same as `description`, which wins.
        mentor_description: Given<String> = optional(Text::blank(DESCRIPTION_CHARACTERS_MAX)), such as "";
    }
}

const REQUEST: Body = Body::whole("MentorRequest", &[MentorRequest::TABLE, PARTS[0], PARTS[1]]);

/// How a request is read: all of it, or the fields that are given.
type Read = fn(&Fields) -> (MentorRequest, FieldErrors);

async fn list(call: Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let order = match reader.filter("filter_by", SEARCH_CHARACTERS_MAX).as_deref() {
        Some("name") => Order::Name,
        _ => Order::Date,
    };
    let wanted = Wanted::read(&mut reader);
    reader.finish()?;
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let found = if wanted.fits_all() {
        mentor::list(&mut tx, call.caller.tenant.id, order, asked).await?
    } else {
        scan(&mut tx, &call, (order, &wanted), asked).await?
    };
    let answers = answers(&mut tx, &call, &found.rows).await?;
    page::envelope(
        &call,
        asked,
        Page {
            total: found.total,
            rows: answers,
        },
    )
}

/// What a list is narrowed to by settings, which no SQL looks into.
struct Wanted {
    values: Vec<(&'static str, Value)>,
    metadata: Option<(String, Option<String>)>,
}

impl Wanted {
    fn read(reader: &mut Reader<'_>) -> Self {
        let mut values = Vec::new();
        if let Some(is_featured) = reader.boolean("is_featured").value() {
            values.push(("is_featured", json!(is_featured)));
        }
        if let Some(visibility) = reader.filter("visibility", SEARCH_CHARACTERS_MAX) {
            values.push(("mentor_visibility", json!(visibility)));
        }
        if let Some(id) = reader.id("department_id").value() {
            values.push(("department_id", json!(id.to_string())));
        }
        let key = reader.filter("metadata_key", SEARCH_CHARACTERS_MAX);
        let value = reader.filter("metadata_value", SEARCH_CHARACTERS_MAX);
        Self {
            values,
            metadata: key.map(|key| (key, value)),
        }
    }

    fn fits_all(&self) -> bool {
        self.values.is_empty() && self.metadata.is_none()
    }

    fn fits(&self, mentor: &Mentor) -> bool {
        let stored = mentor.stored_settings();
        let setting = |name: &str| {
            let found = SETTINGS.iter().find(|setting| setting.name == name);
            found
                .map(|setting| value_of(&stored, setting))
                .unwrap_or_default()
        };
        let has_metadata = self.metadata.as_ref().is_none_or(|(key, wanted)| {
            let metadata = setting("metadata");
            let found = metadata.get(key);
            match (found, wanted) {
                (Some(Value::String(text)), Some(wanted)) => text == wanted,
                (Some(other), Some(wanted)) => {
                    wanted.parse().is_ok_and(|wanted: Value| *other == wanted)
                }
                (found, None) => found.is_some(),
                (None, Some(_)) => false,
            }
        });
        has_metadata
            && self
                .values
                .iter()
                .all(|(name, value)| setting(name) == *value)
    }
}

/// Reads the whole list and keeps the asked page of what fits.
async fn scan(
    tx: &mut Tx,
    call: &Call,
    (order, wanted): (Order, &Wanted),
    asked: PageRequest,
) -> Result<Page<Mentor>> {
    let mut kept = Page {
        total: 0,
        rows: Vec::new(),
    };
    for number in 1.. {
        let part = PageRequest {
            number,
            size: SCAN_ROWS,
        };
        let found = mentor::list(tx, call.caller.tenant.id, order, part).await?;
        let is_last = found.rows.len() < usize::try_from(SCAN_ROWS).unwrap_or(usize::MAX);
        for mentor in found.rows.into_iter().filter(|mentor| wanted.fits(mentor)) {
            let place = kept.total - asked.offset();
            if (0..asked.size).contains(&place) {
                kept.rows.push(mentor);
            }
            kept.total += 1;
        }
        if is_last {
            break;
        }
    }
    Ok(kept)
}

async fn answers(tx: &mut Tx, call: &Call, mentors: &[Mentor]) -> Result<Vec<MentorAnswer>> {
    let ids = mentors.iter().map(|mentor| mentor.id);
    let (Some(first), Some(last)) = (ids.clone().min(), ids.max()) else {
        return Ok(Vec::new());
    };
    let mut attached = attachment::of_mentors(tx, call.caller.tenant.id, (first, last)).await?;
    let offers = service::of_servers(tx, attached.iter().map(|row| &row.listed.server)).await?;
    let viewer = Viewer::of(call, &offers);
    let mut answers = Vec::with_capacity(mentors.len());
    for mentor in mentors {
        let own = attached.extract_if(.., |row| row.attached_mentor_id == mentor.id);
        let own = own.map(|row| ServerAnswer::new(row.listed, viewer));
        let own = own.collect::<Result<Vec<_>>>()?;
        answers.push(MentorAnswer::new(&call.caller.tenant, mentor, own));
    }
    Ok(answers)
}

async fn one(tx: &mut Tx, call: &Call, mentor: &Mentor) -> Result<MentorAnswer> {
    let servers = servers(tx, call, mentor).await?;
    Ok(MentorAnswer::new(&call.caller.tenant, mentor, servers))
}

async fn read(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let mentor = of_path(&mut tx, &call).await?;
    Answer::ok(&one(&mut tx, &call, &mentor).await?)
}

async fn of_path(tx: &mut Tx, call: &Call) -> Result<Mentor> {
    let name = call
        .path
        .find("mentor")
        .unwrap_or_else(|| call.path.get("name"));
    mentor::get(tx, call.caller.tenant.id, name).await
}

async fn begin(call: &Call) -> Result<Tx> {
    let mut tx = call.app.db.write().await?;
    tenant::hold(&mut tx, call.caller.tenant.id).await?;
    Ok(tx)
}

async fn create(call: Call) -> Result<Answer> {
    let (asked, errors) = MentorRequest::whole(&call.fields);
    let mut tx = begin(&call).await?;
    let mut mentor = new(&mut tx, &call, asked.name.as_deref()).await?;
    let (columns, change) = ((asked.name, asked.description), (&mut mentor, errors));
    mentor_request::apply(&mut tx, &call.caller, &call.fields, columns, change).await?;
    record(&call, &mut tx, "mentor.create", &mentor).await?;
    let answer = one(&mut tx, &call, &mentor).await?;
    tx.commit().await?;
    Answer::created(&answer)
}

/// The row that the fields are applied to. Without a usable name it is rolled back with the complaint about it.
async fn new(tx: &mut Tx, call: &Call, name: Option<&str>) -> Result<Mentor> {
    let name = name.unwrap_or("unnamed");
    let creator = &call.caller.user.username;
    mentor::create(tx, call.caller.tenant.id, name, creator, call.now()).await
}

async fn create_with_settings(call: Call) -> Result<Answer> {
    let (asked, errors) = TemplateRequest::whole(&call.fields);
    let name = asked.new_mentor_name;
    let template = asked.template_name.value();
    let template = template.filter(|template| !template.is_empty());
    let mut tx = begin(&call).await?;
    let mut mentor = new(&mut tx, &call, name.as_deref()).await?;
    if let Some(template) = &template {
        let found = match TEMPLATES.contains(&template.as_str()) {
            true => None,
            false => match mentor::find(&mut tx, call.caller.tenant.id, template).await? {
                Some(found) => Some(found),
                None if errors == FieldErrors::default() => return no_template(template),
                None => None,
            },
        };
        copy(&mut mentor, found, template);
    }
    let description = match call.fields.has("description") {
        true => asked.description,
        false => asked.mentor_description,
    };
    let (columns, change) = ((name, description), (&mut mentor, errors));
    mentor_request::apply(&mut tx, &call.caller, &call.fields, columns, change).await?;
    record(&call, &mut tx, "mentor.create", &mentor).await?;
    let answer = one(&mut tx, &call, &mentor).await?;
    tx.commit().await?;
    Answer::ok(&answer)
}

/// This view answers in its own shape (docs/inside/contract.md#who-may-call).
fn no_template(name: &str) -> Result<Answer> {
    let body = json!({ "error": format!("Template mentor {name} not found.") });
    Answer::json(StatusCode::BAD_REQUEST, &body)
}

fn copy(mentor: &mut Mentor, template: Option<Mentor>, name: &str) {
    let mut settings = template
        .as_ref()
        .map(Mentor::stored_settings)
        .unwrap_or_default();
    settings.insert("template_mentor".to_owned(), json!(name));
    mentor.settings = Value::Object(settings).to_string();
    if let Some(template) = template {
        mentor.description = template.description;
        mentor.tools = template.tools;
        mentor.can_use_tools = template.can_use_tools;
    }
}

async fn change(call: Call, read: Read) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let mut mentor = of_path(&mut tx, &call).await?;
    let (asked, errors) = read(&call.fields);
    mentor.updated_at = call.now();
    let (columns, change) = ((asked.name, asked.description), (&mut mentor, errors));
    mentor_request::apply(&mut tx, &call.caller, &call.fields, columns, change).await?;
    record(&call, &mut tx, "mentor.update", &mentor).await?;
    let answer = one(&mut tx, &call, &mentor).await?;
    tx.commit().await?;
    Answer::ok(&answer)
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = begin(&call).await?;
    let mentor = of_path(&mut tx, &call).await?;
    attachment::release(&mut tx, mentor.id).await?;
    mentor::delete(&mut tx, mentor.id, call.now()).await?;
    record(&call, &mut tx, "mentor.delete", &mentor).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}
