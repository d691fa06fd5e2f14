//! The resources of v1 (docs/inside/academy.md#633-resources-of-v1), which hold what its tools answer; one a file.

mod certificates;
mod cohorts;
mod courses;
mod enrollments;
mod organizations;

use crate::resource::{ResourceEntry, resource};

/// The resources of 6.3.3, in its order.
pub(super) const RESOURCES: &[ResourceEntry] = &[
    resource::<courses::Courses>(),
    resource::<cohorts::Cohorts>(),
    resource::<enrollments::Enrollments>(),
    resource::<certificates::Certificates>(),
    resource::<organizations::Organizations>(),
];
