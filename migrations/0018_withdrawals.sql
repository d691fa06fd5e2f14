-- When an enrollment was given up, and why; a withdrawn one from before has no time.

ALTER TABLE academy_enrollments ADD COLUMN withdrawn_at BIGINT;
ALTER TABLE academy_enrollments ADD COLUMN withdrawal_reason TEXT NOT NULL DEFAULT '';
