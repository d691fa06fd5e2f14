-- Who may end a sign-in: the person it is for or who started it, and only in the browser that started it, if one did.
ALTER TABLE oauth_states ADD COLUMN started_by BIGINT NOT NULL DEFAULT 0;
ALTER TABLE oauth_states ADD COLUMN browser_digest TEXT NOT NULL DEFAULT '';
-- The PKCE verifier is derived from the state with the pepper; there is nothing to store.
ALTER TABLE oauth_states DROP COLUMN verifier_sealed;
