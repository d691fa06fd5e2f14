-- Whoever is in a cohort, withdrawn or not: rosters, counts and statistics.
CREATE INDEX academy_enrollments_by_cohort ON academy_enrollments (realm_id, cohort_id);
