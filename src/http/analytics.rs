//! `/api/analytics/…`: what learners have learned, in figures and in detail.
//! Who is asked about stands in the query: the caller, or for an admin anybody of the tenant.

use super::answer::Answer;
use super::drf::page;
use super::endpoint::{Call, Endpoint, QueryParameter, Shape, query, schema_of};
use base::error::{FieldErrors, Result};
use base::fields::Reader;
use base::storage::Tx;
use learning::learner::{
    Asked, DetailQuestion, Details, Granularity, Learner, Overview, Question, Window, metrics_of,
    zone_of,
};

/// Longest value of a parameter, in characters.
const PARAMETER_CHARACTERS_MAX: usize = 255;

const START: QueryParameter = query(
    "start_date",
    "string",
    "First day, or a point in time (ISO 8601).",
);
const END: QueryParameter = query(
    "end_date",
    "string",
    "Last day, or a point in time (ISO 8601).",
);
const FILTER: QueryParameter = query(
    "date_filter",
    "string",
    "`today`, `7d`, `30d`, `90d`, `all_time` or `custom`, in days of the learner's time zone.",
);
const PLATFORM: QueryParameter = query("platform_key", "string", "The tenant.");
const GRANULARITY: QueryParameter = query(
    "granularity",
    "string",
    "Steps of time: `day`, `hour`, `week` or `month`.",
);

pub(crate) const OVERVIEW: Endpoint = Endpoint::closed("Shows a learner in figures.", |call| {
    Box::pin(overview(call))
})
.query(&[
    query(
        "username",
        "string",
        "The learner; the caller if it is left out.",
    ),
    query("page", "integer", "Number of the page."),
    query("limit", "integer", "Platforms in a page, at most 100."),
    START,
    END,
    FILTER,
    PLATFORM,
    GRANULARITY,
    query("overtime", "boolean", "Whether time is told in steps too."),
    query("mentor_unique_id", "string", "Only time with this mentor."),
])
.answers(200, Shape::One(schema_of::<Overview>));

pub(crate) const DETAILS: Endpoint =
    Endpoint::closed("Shows a learner in detail.", |call| Box::pin(details(call)))
        .query(&[
            query("username", "string", "The learner."),
            query(
                "metrics",
                "string",
                "With commas: `courses` (the default), `programs`, `pathways`, `mentors`, `skills`, `credentials`, `time_spent`.",
            ),
            START,
            END,
            FILTER,
            PLATFORM,
            GRANULARITY,
        ])
        .answers(200, Shape::One(schema_of::<Details>));

async fn overview(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let mut reader = Reader::new(&call.query);
    refuse_groups(&call, &mut reader);
    let username = reader.word("username").value();
    let username = username.as_deref().unwrap_or(&call.caller.user.username);
    let learner = learner(&mut tx, &call, username, &mut reader).await?;
    let wants_series = reader.boolean("overtime").value().unwrap_or_default();
    let series = granularity(&mut reader);
    let mentor = text(&mut reader, "mentor_unique_id");
    let window = window(&mut tx, &call, &learner, &mut reader).await?;
    let question = Question {
        learner: &learner,
        window,
        page: page::of_analytics(&call.query, &mut reader.errors),
        mentor: mentor.as_deref(),
        series: wants_series.then_some(series),
        in_detail: call.query.has("platform_key"),
    };
    reader.finish()?;
    Answer::ok(&Overview::of(&mut tx, question, &call.caller.tenant, call.now()).await?)
}

async fn details(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let mut reader = Reader::new(&call.query);
    call.query.require(&["username"], &mut reader.errors);
    let username = reader.word("username").value();
    if username.is_none() && !reader.errors.has("username") {
        reader
            .errors
            .add("username", "This field may not be blank.");
    }
    // Where nobody is named, the rest is held against the caller's own clock, and all of it refused together.
    let username = username.as_deref().unwrap_or(&call.caller.user.username);
    let learner = learner(&mut tx, &call, username, &mut reader).await?;
    let metrics = text(&mut reader, "metrics");
    let metrics = metrics_of(metrics.as_deref(), &mut reader.errors);
    let series = granularity(&mut reader);
    let window = window(&mut tx, &call, &learner, &mut reader).await?;
    reader.finish()?;
    let question = DetailQuestion {
        learner: &learner,
        window,
        metrics,
        series,
        platform: &call.caller.tenant.key,
        base_url: &call.base_url,
        now: call.now(),
    };
    Answer::ok(&Details::of(&mut tx, question).await?)
}

/// A filter that nothing is known about must not look as if it had been kept.
fn refuse_groups(call: &Call, reader: &mut Reader<'_>) {
    if call.query.has("usergroup_ids") {
        let message = "There are no groups of users; leave it out.";
        reader.errors.add("usergroup_ids", message);
    }
}

fn text(reader: &mut Reader<'_>, name: &str) -> Option<String> {
    reader.filter(name, PARAMETER_CHARACTERS_MAX)
}

/// The learner, if the tenant that the query may name is the caller's.
async fn learner(
    tx: &mut Tx,
    call: &Call,
    username: &str,
    reader: &mut Reader<'_>,
) -> Result<Learner> {
    if let Some(platform) = text(reader, "platform_key") {
        call.caller.require_tenant(&platform)?;
    }
    Learner::of(tx, &call.caller.user, username).await
}

fn granularity(reader: &mut Reader<'_>) -> Granularity {
    match text(reader, "granularity").map(|word| word.parse()) {
        None => Granularity::Day,
        Some(Ok(step)) => step,
        Some(Err(message)) => {
            let message: String = message;
            reader.errors.add("granularity", message);
            Granularity::Day
        }
    }
}

async fn window(
    tx: &mut Tx,
    call: &Call,
    learner: &Learner,
    reader: &mut Reader<'_>,
) -> Result<Window> {
    let asked = Asked {
        start_date: text(reader, "start_date"),
        end_date: text(reader, "end_date"),
        date_filter: text(reader, "date_filter"),
    };
    let zone = zone_of(tx, learner).await?;
    let errors: &mut FieldErrors = &mut reader.errors;
    Ok(Window::of(&asked, &zone, call.now(), errors))
}
