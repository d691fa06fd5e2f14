//! The academy's second face: each example of specification 8 on data that makes it true, and what it refuses.

mod academy_get_enrollments;
