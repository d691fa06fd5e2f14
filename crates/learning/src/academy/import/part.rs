//! The kinds of things that an academy is written down as: how each is read, what it names, and how it is stored.
//! Holds no SQL but the question whether what is named is there.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::certificate::{self, Certificate};
use super::super::cohort::{self, NewCohort};
use super::super::course::{self, Course, Instructor};
use super::super::enrollment::{self, NewEnrollment, SEATED};
use super::super::material::{self, Material};
use super::super::office_hours::{self, NewSlot};
use super::super::organization::{self, Organization};
use super::super::person::{self, Person};
use super::super::{RealmId, Result};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;

/// What one thing may name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Noun {
    Organization,
    Person,
    Instructor,
    Course,
    Cohort,
    Enrollment,
    Certificate,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Organization => "organization",
            Self::Person => "person",
            Self::Instructor => "instructor",
            Self::Course => "course",
            Self::Cohort => "cohort",
            Self::Enrollment => "enrollment",
            Self::Certificate => "certificate",
        })
    }
}

impl Noun {
    pub(super) async fn is_there(self, tx: &mut Tx, realm: RealmId, id: &str) -> Result<bool> {
        let text = match self {
            Self::Organization => {
                "SELECT COUNT(*) FROM academy_organizations WHERE realm_id = $1 AND id = $2"
            }
            Self::Person => "SELECT COUNT(*) FROM academy_people WHERE realm_id = $1 AND id = $2",
            Self::Instructor => {
                "SELECT COUNT(*) FROM academy_instructors WHERE realm_id = $1 AND id = $2"
            }
            Self::Course => "SELECT COUNT(*) FROM academy_courses WHERE realm_id = $1 AND id = $2",
            Self::Cohort => "SELECT COUNT(*) FROM academy_cohorts WHERE realm_id = $1 AND id = $2",
            Self::Enrollment => {
                "SELECT COUNT(*) FROM academy_enrollments WHERE realm_id = $1 AND id = $2"
            }
            Self::Certificate => {
                "SELECT COUNT(*) FROM academy_certificates WHERE realm_id = $1 AND id = $2"
            }
        };
        Ok(sql!(tx, scalar as i64, text, realm, id)? > 0)
    }
}

/// A kind of thing.
pub(super) trait Part: DeserializeOwned {
    /// What the list of them is called.
    const KIND: &'static str;
    /// What is so if the database says that something of it is taken.
    const TAKEN: &'static str = "Another one has the same id.";

    /// What must be there before it.
    fn named(&self) -> Vec<(Noun, &str)> {
        Vec::new()
    }

    /// Stores it. Whether anything was written.
    async fn put(&self, tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<bool>;
}

/// A course, and who teaches it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Taught {
    course: Course,
    instructors: Vec<String>,
}

/// A material, and its text.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Written {
    material: Material,
    pages: Vec<String>,
}

impl Part for Organization {
    const KIND: &'static str = "organizations";

    async fn put(&self, tx: &mut Tx, realm: RealmId, _: UnixMs) -> Result<bool> {
        organization::put(tx, realm, self).await?;
        Ok(true)
    }
}

impl Part for Person {
    const KIND: &'static str = "people";
    const TAKEN: &'static str = "Another person has the same email.";

    fn named(&self) -> Vec<(Noun, &str)> {
        optional(Noun::Organization, self.organization_id.as_deref())
    }

    async fn put(&self, tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<bool> {
        person::put(tx, realm, self, now).await?;
        Ok(true)
    }
}

impl Part for Instructor {
    const KIND: &'static str = "instructors";

    fn named(&self) -> Vec<(Noun, &str)> {
        optional(Noun::Person, self.person_id.as_deref())
    }

    async fn put(&self, tx: &mut Tx, realm: RealmId, _: UnixMs) -> Result<bool> {
        course::put_instructor(tx, realm, self).await?;
        Ok(true)
    }
}

impl TryFrom<Value> for Taught {
    type Error = serde_json::Error;

    fn try_from(item: Value) -> serde_json::Result<Self> {
        let (course, instructors) = split(item, "instructors")?;
        Ok(Self {
            course,
            instructors,
        })
    }
}

impl TryFrom<Value> for Written {
    type Error = serde_json::Error;

    fn try_from(item: Value) -> serde_json::Result<Self> {
        let (material, pages) = split(item, "pages")?;
        Ok(Self { material, pages })
    }
}

impl Part for Taught {
    const KIND: &'static str = "courses";
    const TAKEN: &'static str = "Another course has the same slug, or an instructor is repeated.";

    fn named(&self) -> Vec<(Noun, &str)> {
        let instructors = self.instructors.iter();
        instructors
            .map(|id| (Noun::Instructor, id.as_str()))
            .collect()
    }

    async fn put(&self, tx: &mut Tx, realm: RealmId, _: UnixMs) -> Result<bool> {
        course::put(tx, realm, &self.course, &self.instructors).await?;
        Ok(true)
    }
}

impl Part for Written {
    const KIND: &'static str = "materials";

    fn named(&self) -> Vec<(Noun, &str)> {
        let mut named = optional(Noun::Organization, self.material.organization_id.as_deref());
        named.push((Noun::Course, &self.material.course_id));
        named
    }

    async fn put(&self, tx: &mut Tx, realm: RealmId, _: UnixMs) -> Result<bool> {
        material::put(tx, realm, &self.material, &self.pages).await?;
        Ok(true)
    }
}

impl Part for NewCohort {
    const KIND: &'static str = "cohorts";

    fn named(&self) -> Vec<(Noun, &str)> {
        vec![
            (Noun::Course, &self.course_id),
            (Noun::Instructor, &self.instructor_id),
        ]
    }

    async fn put(&self, tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<bool> {
        cohort::put(tx, realm, self, now).await?;
        Ok(true)
    }
}

impl Part for NewSlot {
    const KIND: &'static str = "slots";

    fn named(&self) -> Vec<(Noun, &str)> {
        vec![
            (Noun::Course, &self.course_id),
            (Noun::Instructor, &self.instructor_id),
        ]
    }

    async fn put(&self, tx: &mut Tx, realm: RealmId, _: UnixMs) -> Result<bool> {
        office_hours::put(tx, realm, self).await?;
        Ok(true)
    }
}

impl Part for NewEnrollment {
    const KIND: &'static str = "enrollments";
    const TAKEN: &'static str = "The person has another enrollment in this cohort.";

    fn named(&self) -> Vec<(Noun, &str)> {
        let mut named = optional(Noun::Organization, self.organization_id.as_deref());
        named.push((Noun::Cohort, &self.cohort_id));
        named.push((Noun::Person, &self.person_id));
        named
    }

    async fn put(&self, tx: &mut Tx, realm: RealmId, _: UnixMs) -> Result<bool> {
        if Noun::Enrollment.is_there(tx, realm, &self.id).await? {
            return Ok(false);
        }
        if SEATED.contains(&self.status) {
            cohort::seat(tx, realm, &self.cohort_id).await?;
        }
        enrollment::insert(tx, realm, self).await?;
        Ok(true)
    }
}

impl Part for Certificate {
    const KIND: &'static str = "certificates";
    const TAKEN: &'static str = "The enrollment has another certificate.";

    fn named(&self) -> Vec<(Noun, &str)> {
        vec![(Noun::Enrollment, &self.enrollment_id)]
    }

    async fn put(&self, tx: &mut Tx, realm: RealmId, _: UnixMs) -> Result<bool> {
        if Noun::Certificate.is_there(tx, realm, &self.id).await? {
            return Ok(false);
        }
        certificate::insert(tx, realm, self).await?;
        Ok(true)
    }
}

fn optional(noun: Noun, id: Option<&str>) -> Vec<(Noun, &str)> {
    id.map(|id| (noun, id)).into_iter().collect()
}

/// A thing that stands in one object with a list that is stored beside it.
fn split<T: DeserializeOwned>(mut item: Value, list: &str) -> serde_json::Result<(T, Vec<String>)> {
    let members = item.as_object_mut();
    let found = members.and_then(|members| members.remove(list));
    let found = found.map(serde_json::from_value).transpose()?;
    Ok((serde_json::from_value(item)?, found.unwrap_or_default()))
}
