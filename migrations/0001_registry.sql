-- Tenants, people, keys, mentors, the registry and the audit log.
-- Times are Unix milliseconds. `*_sealed` columns are AES-256-GCM texts (crates/base/src/secret).

CREATE TABLE tenants (
    id {{identity}},
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    username TEXT NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'instructor', 'manager', 'learner')),
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, username)
);

CREATE TABLE tokens (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('token', 'platform', 'aea', 'mcp')),
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    digest TEXT NOT NULL UNIQUE,
    last4 TEXT NOT NULL,
    scopes TEXT NOT NULL,
    allow_ips TEXT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX tokens_by_user ON tokens (user_id);

CREATE TABLE mentors (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    unique_id TEXT NOT NULL UNIQUE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_by TEXT NOT NULL,
    -- The slugs of the enabled tools as they were spelled when set, a JSON array.
    tools TEXT NOT NULL,
    can_use_tools BOOLEAN NOT NULL,
    -- Every other setting a client wrote, a JSON object.
    settings TEXT NOT NULL,
    is_deleted BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (tenant_id, slug)
);

CREATE TABLE servers (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    mentor_id BIGINT REFERENCES mentors (id) ON DELETE SET NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    url TEXT NOT NULL,
    -- Scheme, host and port of the URL; credentials are bound to it.
    origin TEXT NOT NULL,
    image TEXT,
    transport TEXT NOT NULL CHECK (transport IN ('sse', 'websocket', 'streamable_http')),
    credentials_sealed TEXT NOT NULL,
    extra_headers_sealed TEXT NOT NULL,
    auth_type TEXT NOT NULL CHECK (auth_type IN ('none', 'token', 'oauth2')),
    auth_scope TEXT NOT NULL CHECK (auth_scope IN ('platform', 'mentor', 'user')),
    oauth_service_id BIGINT,
    is_featured BOOLEAN NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    clean_output BOOLEAN NOT NULL,
    -- What tool names start with at a mentor's endpoint; empty means no prefix.
    tool_prefix TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX servers_by_tenant ON servers (tenant_id);
CREATE INDEX servers_featured ON servers (is_featured);

CREATE TABLE server_images (
    server_id BIGINT PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    content {{blob}} NOT NULL
);

-- A person's grant at an OAuth provider. Rows are made by the sign-in flow only.
CREATE TABLE connected_services (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    service TEXT NOT NULL,
    token_type TEXT NOT NULL,
    access_token_sealed TEXT NOT NULL,
    refresh_token_sealed TEXT NOT NULL,
    scope TEXT NOT NULL,
    expires_at BIGINT,
    needs_reauth TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (tenant_id, user_id, provider, service)
);

CREATE TABLE connections (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    scope TEXT NOT NULL CHECK (scope IN ('user', 'mentor', 'platform')),
    auth_type TEXT NOT NULL CHECK (auth_type IN ('none', 'token', 'oauth2')),
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    mentor_id BIGINT REFERENCES mentors (id) ON DELETE CASCADE,
    connected_service_id BIGINT REFERENCES connected_services (id) ON DELETE CASCADE,
    -- The origin that the credential was entered for.
    origin TEXT NOT NULL,
    credentials_sealed TEXT NOT NULL,
    authorization_scheme TEXT NOT NULL,
    extra_headers_sealed TEXT NOT NULL,
    is_active BOOLEAN NOT NULL,
    -- Whether other tenants may fall back to it when the server is featured
    -- (docs/inside/decisions.md#featured-servers).
    is_shared BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX connections_by_server ON connections (server_id);
CREATE INDEX connections_by_tenant ON connections (tenant_id);

CREATE TABLE mentor_servers (
    mentor_id BIGINT NOT NULL REFERENCES mentors (id) ON DELETE CASCADE,
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    PRIMARY KEY (mentor_id, server_id)
);
CREATE INDEX mentor_servers_by_server ON mentor_servers (server_id);

CREATE TABLE audit (
    id {{identity}},
    at BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    -- Whose rights were used, and the key holder when that was somebody else.
    username TEXT NOT NULL,
    actor TEXT NOT NULL,
    token_id BIGINT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    mentor TEXT NOT NULL,
    server_id BIGINT,
    tool TEXT NOT NULL,
    step TEXT NOT NULL,
    outcome TEXT NOT NULL,
    duration_us BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant_id, id);
