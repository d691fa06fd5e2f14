-- Templates by number, and the one outbox: mails that wait for the mail server, each with what came of it.
-- Times are Unix milliseconds.

CREATE TABLE mail_templates (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- The sandbox has templates of its own.
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    -- What callers name it by.
    number BIGINT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    -- Empty for a mail of text alone.
    html TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, environment, number)
);

CREATE TABLE mails (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    -- What was sent together, `camp_…` or `notif_…`.
    campaign TEXT NOT NULL,
    -- The enrollment that it is about.
    reference TEXT NOT NULL,
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    html TEXT NOT NULL,
    -- `held`: of the sandbox, which nothing leaves.
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'held')),
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    -- Until when nobody else sends it.
    lease_until BIGINT NOT NULL,
    -- The mail server's last word, or ours.
    result TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX mails_due ON mails (state, next_at);
CREATE INDEX mails_by_tenant ON mails (tenant_id, id);
CREATE INDEX mails_by_campaign ON mails (tenant_id, campaign);
CREATE INDEX mails_by_end ON mails (ended_at);

-- What waited in the outbox before; nothing was ever sent from there, and its texts were not filled in.
DROP TABLE academy_letters;
DROP TABLE academy_campaigns;
