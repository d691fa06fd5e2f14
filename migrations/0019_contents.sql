-- The contents of files. Each is noted before it is put into its place, and stays while a file has it; one that no file
-- has for a while is marked, removed from its place, and then forgotten.
CREATE TABLE career_contents (
    id {{identity}},
    tenant_id BIGINT NOT NULL,
    digest TEXT NOT NULL,
    -- Where it lies. No place is given twice, so that removing one never hits what was brought anew.
    place TEXT NOT NULL UNIQUE,
    -- When it was last brought or taken.
    used_at BIGINT NOT NULL,
    is_leaving BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX career_contents_once ON career_contents (tenant_id, digest) WHERE NOT is_leaving;

INSERT INTO career_contents (tenant_id, digest, place, used_at, is_leaving)
SELECT tenant_id, digest, CAST(tenant_id AS TEXT) || '/' || digest, MAX(created_at), FALSE
FROM career_files GROUP BY tenant_id, digest;

-- Every file has one; a column that is added cannot say so everywhere.
ALTER TABLE career_files ADD COLUMN content_id BIGINT REFERENCES career_contents (id);
UPDATE career_files SET content_id = (
    SELECT c.id FROM career_contents c WHERE c.tenant_id = career_files.tenant_id AND c.digest = career_files.digest
);
DROP INDEX career_files_by_digest;
ALTER TABLE career_files DROP COLUMN digest;
CREATE INDEX career_files_by_content ON career_files (content_id);
