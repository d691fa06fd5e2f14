-- What admins call a key, and the key that took its place.

ALTER TABLE tokens ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN replaced_by BIGINT REFERENCES tokens (id) ON DELETE SET NULL;
CREATE INDEX tokens_by_tenant ON tokens (tenant_id, id);
