-- Who else of a tenant has an address: asked for whoever has no profile of the academy that is bound to them.

CREATE INDEX users_by_address ON users (tenant_id, LOWER(TRIM(email)));
