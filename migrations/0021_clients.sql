-- A client that its issuer forgot stays beside the one that took its place, for the grants that were made with it.
-- What an issuer answered when it last refused to register us is kept, so that an administrator hears of it.

{{sqlite}}
CREATE TABLE oauth_clients_kept (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret_sealed TEXT NOT NULL,
    token_auth_method TEXT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL
);
INSERT INTO oauth_clients_kept (id, tenant_id, issuer, redirect_uri, client_id, client_secret_sealed,
    token_auth_method, expires_at, created_at)
SELECT id, tenant_id, issuer, redirect_uri, client_id, client_secret_sealed, token_auth_method, expires_at, created_at
FROM oauth_clients;
DROP TABLE oauth_clients;
ALTER TABLE oauth_clients_kept RENAME TO oauth_clients;
{{postgres}}
ALTER TABLE oauth_clients DROP CONSTRAINT oauth_clients_tenant_id_issuer_redirect_uri_key;
{{both}}
CREATE INDEX oauth_clients_by_issuer ON oauth_clients (tenant_id, issuer, redirect_uri);

ALTER TABLE oauth_providers ADD COLUMN registration_refused BIGINT;
