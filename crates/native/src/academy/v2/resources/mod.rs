//! The resources of v2 (docs/inside/academy.md#83-resources-of-v2), one a file.

mod course;
mod courses;
mod dashboard;
mod enrollments;
mod roster;

use crate::resource::{ResourceEntry, resource};

/// Scopes that open the catalog (8.4.1).
const CATALOG: &[&str] = &["materials:read"];

/// The resources of 8.3, in its order.
pub(super) const RESOURCES: &[ResourceEntry] = &[
    resource::<courses::Courses>(),
    resource::<course::Course>(),
    resource::<enrollments::Enrollments>(),
    resource::<roster::Roster>(),
    resource::<dashboard::Dashboard>(),
];
