-- Whom a tenant wants told of its events, and what is on its way to them.
-- Times are Unix milliseconds. `*_sealed` columns are AES-256-GCM texts (crates/base/src/secret).

CREATE TABLE webhooks (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    url TEXT NOT NULL,
    -- The events it is told, a JSON array.
    events TEXT NOT NULL,
    secret_sealed TEXT NOT NULL,
    -- The secret before the last change, which signs beside the new one for a while.
    previous_secret_sealed TEXT NOT NULL,
    previous_until BIGINT NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhooks_by_tenant ON webhooks (tenant_id, id);

CREATE TABLE webhook_deliveries (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    webhook_id BIGINT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    -- What it is about: deliveries about one object go out one after the other.
    object TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    -- Until when nobody else sends it.
    lease_until BIGINT NOT NULL,
    -- What came of the last attempt: empty, `http 500`, or a word for the failure.
    result TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (state, next_at);
CREATE INDEX webhook_deliveries_by_object ON webhook_deliveries (webhook_id, object, state, id);
CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at);
