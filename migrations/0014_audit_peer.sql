-- From which address each thing was done; empty for rows from before.
ALTER TABLE audit ADD COLUMN peer TEXT NOT NULL DEFAULT '';
