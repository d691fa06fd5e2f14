//! A believable academy to try things out on: the people and courses of the specifications, always the same.
//! Goes into a sandbox or a demo, never beside a tenant's own data.

mod activity;

use serde::Deserialize;
use serde_json::Value;

use super::certificate::{self, Certificate};
use super::cohort::{self, NewCohort};
use super::course::{self, Course, Instructor};
use super::enrollment::{self, NewEnrollment};
use super::material::{self, Material};
use super::office_hours::{self, NewSlot};
use super::organization::{self, Organization};
use super::person::{self, Person};
use super::{RealmId, Result};
use crate::clock::UnixMs;
use crate::error::Error;
use crate::mail;
use crate::storage::Tx;

/// The academy of the first specification, as it stood on 2 January 2024.
pub const V1: &str = include_str!("v1.json");

/// The academy of the second specification, as it stood on 2 December 2024.
pub const V2: &str = include_str!("v2.json");

/// When [`V2`] stood so.
pub const V2_AT: UnixMs = UnixMs(1_733_133_600_000);

/// One day, in ms.
pub const DAY_MS: i64 = 86_400_000;
/// Members that are points in time and do not say so.
const TIMES: [&str; 2] = ["registration_deadline", "active_since"];

/// Everything that is loaded together.
#[derive(Debug, Deserialize)]
struct World {
    organizations: Vec<Organization>,
    people: Vec<Person>,
    instructors: Vec<Instructor>,
    courses: Vec<Taught>,
    materials: Vec<Written>,
    cohorts: Vec<NewCohort>,
    enrollments: Vec<NewEnrollment>,
    certificates: Vec<Certificate>,
    #[serde(default)]
    slots: Vec<NewSlot>,
    #[serde(default)]
    bookings: Vec<activity::Booked>,
    #[serde(default)]
    activities: Vec<activity::Activity>,
    #[serde(default)]
    templates: Vec<Template>,
}

/// A template of mails, which belongs to the tenant and stays as it is if its number is taken.
#[derive(Debug, Deserialize)]
struct Template {
    number: i64,
    #[serde(flatten)]
    draft: mail::Draft,
}

#[derive(Debug, Deserialize)]
struct Taught {
    #[serde(flatten)]
    course: Course,
    instructors: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Written {
    #[serde(flatten)]
    material: Material,
    #[serde(default)]
    pages: Vec<String>,
}

/// Days from the timestamps of the first specification to the dates in its names.
const V1_LATE_DAYS: i64 = 366;

/// Loads both worlds, moved by whole days to now.
///
/// # Errors
/// If some of it is there.
pub async fn load_today(tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<()> {
    let days = |at: UnixMs| (now.0 - at.0).div_euclid(DAY_MS);
    let v1_days = days(V2_AT) + V1_LATE_DAYS;
    for world in [(V1, v1_days), (V2, days(V2_AT))] {
        load_moved(tx, realm, world, now).await?;
    }
    Ok(())
}

/// Loads a world into a realm in which none of it is yet.
///
/// # Errors
/// If it is not a world, or some of it is there.
pub async fn load(tx: &mut Tx, realm: RealmId, world: &str, now: UnixMs) -> Result<()> {
    load_moved(tx, realm, (world, 0), now).await
}

/// The same with every time moved by whole days, so that what was upcoming is upcoming again.
///
/// # Errors
/// As [`load`].
pub async fn load_moved(
    tx: &mut Tx,
    realm: RealmId,
    (world, days): (&str, i64),
    now: UnixMs,
) -> Result<()> {
    let mut world: Value = serde_json::from_str(world).map_err(Error::internal)?;
    move_times(&mut world, days * DAY_MS);
    let world: World = serde_json::from_value(world).map_err(Error::internal)?;
    for row in &world.organizations {
        organization::insert(tx, realm, row).await?;
    }
    for row in &world.people {
        person::insert(tx, realm, row, None, now).await?;
    }
    for row in &world.instructors {
        course::insert_instructor(tx, realm, row).await?;
    }
    for row in &world.courses {
        course::insert(tx, realm, &row.course, &row.instructors).await?;
    }
    for row in &world.materials {
        material::insert(tx, realm, &row.material, &row.pages).await?;
    }
    for row in &world.cohorts {
        cohort::insert(tx, realm, row, now).await?;
    }
    for row in &world.enrollments {
        enrollment::insert(tx, realm, row).await?;
    }
    for row in &world.certificates {
        certificate::insert(tx, realm, row).await?;
    }
    for row in &world.slots {
        office_hours::insert(tx, realm, row).await?;
    }
    for row in &world.bookings {
        row.insert(tx, realm, now).await?;
    }
    for row in &world.activities {
        row.insert(tx, realm, now).await?;
    }
    let owner = realm.owner(tx).await?;
    for row in &world.templates {
        mail::insert(tx, owner, row.number, &row.draft, now).await?;
    }
    Ok(())
}

/// Moves every member that is a point in time.
fn move_times(value: &mut Value, by_ms: i64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| move_times(item, by_ms)),
        Value::Object(members) => {
            for (name, value) in members {
                let is_time = name.ends_with("_at") || TIMES.contains(&name.as_str());
                match value.as_i64().filter(|_| is_time) {
                    Some(at) => *value = (at + by_ms).into(),
                    None => move_times(value, by_ms),
                }
            }
        }
        _ => {}
    }
}
