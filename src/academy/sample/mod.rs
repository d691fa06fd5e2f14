//! A believable academy to try things out on: the people and courses of the specifications, always the same.
//! Goes into a sandbox or a demo, never beside a tenant's own data.

mod activity;

use serde::Deserialize;

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
use crate::storage::Tx;

/// The academy of the first specification, as it stood on 2 January 2024.
pub const V1: &str = include_str!("v1.json");

/// The academy of the second specification, as it stood on 2 December 2024.
pub const V2: &str = include_str!("v2.json");

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

/// Loads a world into a realm in which none of it is yet.
///
/// # Errors
/// If it is not a world, or some of it is there.
pub async fn load(tx: &mut Tx, realm: RealmId, world: &str, now: UnixMs) -> Result<()> {
    let world: World = serde_json::from_str(world).map_err(Error::internal)?;
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
    Ok(())
}
