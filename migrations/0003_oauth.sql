-- Sign-in: OAuth providers and services, who we are at them, flows under way, open prompts, browser sessions.
-- Times are Unix milliseconds. `*_sealed` columns are AES-256-GCM texts, `*_digest` columns keyed digests (crates/base/src/secret).

CREATE TABLE oauth_providers (
    id {{identity}},
    -- NULL: of the catalog, every tenant's. Otherwise discovered for that tenant's MCP servers.
    tenant_id BIGINT REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    -- Empty where the provider publishes none.
    issuer TEXT NOT NULL,
    auth_url TEXT NOT NULL,
    token_url TEXT NOT NULL,
    revocation_url TEXT NOT NULL,
    registration_url TEXT NOT NULL,
    token_auth_method TEXT NOT NULL CHECK (token_auth_method IN ('client_secret_basic', 'client_secret_post', 'none')),
    -- Whether its answers carry `iss` (RFC 9207).
    sends_iss BOOLEAN NOT NULL,
    -- Whether it takes https client ids (Client ID Metadata Documents).
    takes_client_id_documents BOOLEAN NOT NULL,
    -- Further parameters of the authorization request, a JSON object.
    auth_parameters TEXT NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX oauth_providers_by_name ON oauth_providers (COALESCE(tenant_id, 0), name);

CREATE TABLE oauth_services (
    id {{identity}},
    provider_id BIGINT NOT NULL REFERENCES oauth_providers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- Scopes to ask for, separated by spaces.
    scope TEXT NOT NULL,
    image TEXT,
    -- What tokens are asked for (RFC 8707); empty for a provider of the catalog.
    resource TEXT NOT NULL,
    -- The MCP server that it was discovered at; empty for the catalog.
    server_url TEXT NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (provider_id, name)
);

-- Who we are at an issuer, where we registered ourselves (RFC 7591).
CREATE TABLE oauth_clients (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret_sealed TEXT NOT NULL,
    token_auth_method TEXT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, issuer, redirect_uri)
);

-- Who we are at a provider because an admin said so: `auth_{provider}`.
CREATE TABLE integration_credentials (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

-- The one open question to a person to sign in to a server.
CREATE TABLE sign_in_prompts (
    id TEXT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    server_id BIGINT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    mentor_id BIGINT REFERENCES mentors (id) ON DELETE CASCADE,
    -- Scopes to ask for beyond the service's own, after `insufficient_scope`.
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE (tenant_id, user_id, server_id)
);
CREATE INDEX sign_in_prompts_by_expiry ON sign_in_prompts (expires_at);

-- Authorization requests under way. The client carries the state; we keep its digest.
CREATE TABLE oauth_states (
    state_digest TEXT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    service_id BIGINT NOT NULL REFERENCES oauth_services (id) ON DELETE CASCADE,
    -- The server that gets a connection of the person's own in the end, if the flow is for one.
    server_id BIGINT REFERENCES servers (id) ON DELETE CASCADE,
    -- The prompt that it answers, if it answers one.
    prompt_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    verifier_sealed TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- When its code was sent to the token endpoint; never twice.
    used_at BIGINT,
    -- What came of it, for a browser that asks again: empty, `ok`, or a word of `oauth::FlowError`.
    outcome TEXT NOT NULL,
    connected_service_id BIGINT
);
CREATE INDEX oauth_states_by_user ON oauth_states (user_id);
CREATE INDEX oauth_states_by_expiry ON oauth_states (expires_at);

-- Browsers that a person signed in with, for our own pages.
CREATE TABLE browser_sessions (
    digest TEXT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The key that it was opened with: the session ends with it.
    token_id BIGINT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

ALTER TABLE connected_services ADD COLUMN service_id BIGINT REFERENCES oauth_services (id) ON DELETE CASCADE;
-- Where and as whom the grant was made: a refresh goes nowhere else.
ALTER TABLE connected_services ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE connected_services ADD COLUMN token_url TEXT NOT NULL DEFAULT '';
ALTER TABLE connected_services ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE connected_services ADD COLUMN resource TEXT NOT NULL DEFAULT '';
-- Who refreshes it now, and until when nobody else may (docs/inside/decisions.md#keeping-grants-fresh).
ALTER TABLE connected_services ADD COLUMN lease_holder TEXT NOT NULL DEFAULT '';
ALTER TABLE connected_services ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0;
-- When the next try may be made after one that failed for a passing reason.
ALTER TABLE connected_services ADD COLUMN retry_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connected_services ADD COLUMN last_used_at BIGINT;
CREATE INDEX connected_services_by_expiry ON connected_services (expires_at);
