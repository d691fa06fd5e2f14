//! `/api/career/…`: the career profiles of learners, for their front end.

pub(super) mod records;
pub(super) mod resume;
