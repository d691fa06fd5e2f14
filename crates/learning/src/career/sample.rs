//! A believable learner to try things out on: a profile, and what they did in the last four weeks.
//! Goes into a demo or a test, never beside a learner's own data.

use serde_json::{Value, json};

use super::record::{self, Change, Record};
use super::{Company, Education, Experience, Institution};
use crate::learner::Learner;
use crate::learner::event::{self, Event, Kind};
use base::clock::UnixMs;
use base::error::Result;
use base::storage::Tx;

/// One day, in ms.
const DAY_MS: i64 = 86_400_000;
/// Days that something was done in.
const DAYS: i64 = 28;
/// The course that most time went into.
const COURSE: &str = "crs_ai_foundations";
/// What was scored, as days ago and percent.
const SCORES: [(i64, i64); 4] = [(20, 82), (13, 91), (4, 88), (1, 94)];

/// Gives a learner without a profile one, and a past.
///
/// # Errors
/// If the database fails.
pub async fn load(tx: &mut Tx, learner: &Learner, now: UnixMs) -> Result<()> {
    profile(tx, learner, now).await?;
    let whose = (learner.tenant, learner.user);
    for days_ago in (1..=DAYS).rev() {
        let at = UnixMs(now.0 - days_ago * DAY_MS);
        // Two evenings a week are free.
        if days_ago % 7 > 4 {
            continue;
        }
        let lesson = Event {
            at,
            kind: Kind::Course,
            course_id: Some(COURSE.to_owned()),
            mentor: None,
            seconds: 60 * (25 + 10 * (days_ago % 5)),
            score: None,
        };
        event::record(tx, whose, &lesson).await?;
    }
    for (days_ago, score) in SCORES {
        let quiz = Event {
            at: UnixMs(now.0 - days_ago * DAY_MS),
            kind: Kind::Assessment,
            course_id: Some(COURSE.to_owned()),
            mentor: None,
            seconds: 15 * 60,
            score: Some(score),
        };
        event::record(tx, whose, &quiz).await?;
    }
    Ok(())
}

async fn profile(tx: &mut Tx, learner: &Learner, now: UnixMs) -> Result<()> {
    let university = json!({
        "name": "Northeastern University", "institution_type": "university", "location": "Boston, MA",
        "website": "https://www.northeastern.edu",
    });
    let university: Institution = add(tx, learner, university, now).await?;
    let studies = json!({
        "institution_id": university.id(), "degree": "B.Sc.", "field_of_study": "Information Systems",
        "start_date": "2012-09-01", "end_date": "2016-05-20", "grade": "3.75",
        "activities": "Debate club, tutoring", "description": "Databases, statistics and operations research.",
    });
    add::<Education>(tx, learner, studies, now).await?;
    let former = json!({
        "name": "Harbor Analytics", "industry": "Consulting", "website": "https://harbor-analytics.example",
    });
    let former: Company = add(tx, learner, former, now).await?;
    let first = json!({
        "company_id": former.id(), "title": "Data Analyst", "employment_type": "Full-time", "location": "Boston, MA",
        "start_date": "2016-07-01", "end_date": "2020-02-28", "description": "Dashboards and forecasts for retailers.",
    });
    add::<Experience>(tx, learner, first, now).await?;
    let acme = json!({
        "name": "Acme Corp", "industry": "Manufacturing", "website": "https://acme-corp.example",
    });
    let acme: Company = add(tx, learner, acme, now).await?;
    let current = json!({
        "company_id": acme.id(), "title": "Operations Manager", "employment_type": "Full-time",
        "location": "Boston, MA", "start_date": "2020-03-02", "is_current": true,
        "description": "Leads a team of eight and brings AI tools into planning.",
    });
    add::<Experience>(tx, learner, current, now).await?;
    Ok(())
}

async fn add<R: Record>(tx: &mut Tx, learner: &Learner, fields: Value, now: UnixMs) -> Result<R> {
    let fields = fields.as_object().cloned().unwrap_or_default();
    let change = Change {
        fields,
        ..Change::default()
    };
    record::create::<R>(tx, learner, change, now).await
}
