-- Who switched a connection off: `admin`, `person` or `address` (the server's changed); empty where that is not known.
ALTER TABLE connections ADD COLUMN off_by TEXT NOT NULL DEFAULT '';
-- What the server said last to what is sent; written when that changes, and seldom besides.
ALTER TABLE connections ADD COLUMN last_ok_at BIGINT;
ALTER TABLE connections ADD COLUMN last_refused_at BIGINT;
-- The same to the record's own credentials, or to nothing.
ALTER TABLE servers ADD COLUMN last_ok_at BIGINT;
ALTER TABLE servers ADD COLUMN last_refused_at BIGINT;
-- How a sign-in that would answer the question failed last, and how often: the calls that wait for it hear of one more.
ALTER TABLE sign_in_prompts ADD COLUMN failure TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in_prompts ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
-- The scopes that the last sign-in asked for and did not get.
ALTER TABLE connected_services ADD COLUMN refused_scope TEXT NOT NULL DEFAULT '';

-- Why nobody of a tenant could begin to sign in to a server, when somebody last tried.
CREATE TABLE sign_in_obstacles (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    -- The address at which it was tried.
    url TEXT NOT NULL,
    -- A word of a sign-in's failure.
    failure TEXT NOT NULL,
    noted_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, server_id)
);
