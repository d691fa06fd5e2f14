-- Chats of learners with mentors: sessions, what was said, turns under way, and the language models that answer.
-- Times are Unix milliseconds. `*_sealed` columns are AES-256-GCM texts (crates/base/src/secret).

CREATE TABLE chat_sessions (
    id {{identity}},
    -- What clients call it, a UUID.
    unique_id TEXT NOT NULL UNIQUE,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    mentor_id BIGINT NOT NULL REFERENCES mentors (id) ON DELETE CASCADE,
    -- Whom it was made for; empty: whoever connects first.
    username TEXT NOT NULL,
    -- Who has connected to it with a key; until then it is nobody's.
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    -- The slugs of the tools to use, a JSON array; NULL: all that the mentor has.
    tools TEXT,
    enable_artifacts BOOLEAN NOT NULL,
    is_shared BOOLEAN NOT NULL,
    -- What the client told of the page around the chat, a JSON object; it holds for the session.
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX chat_sessions_unclaimed ON chat_sessions (tenant_id, id) WHERE user_id IS NULL;
CREATE INDEX chat_sessions_by_user ON chat_sessions (user_id);

CREATE TABLE chat_messages (
    id {{identity}},
    session_id BIGINT NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('human', 'ai')),
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX chat_messages_by_session ON chat_messages (session_id, id);

-- Turns under way, so that any replica can be told to stop one.
CREATE TABLE chat_generations (
    id TEXT PRIMARY KEY,
    session_id BIGINT NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    is_stopped BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX chat_generations_by_session ON chat_generations (session_id);

-- The language model of a tenant.
CREATE TABLE chat_models (
    id {{identity}},
    tenant_id BIGINT NOT NULL UNIQUE REFERENCES tenants (id) ON DELETE CASCADE,
    -- What `/chat/completions` is below.
    base_url TEXT NOT NULL,
    -- Scheme, host and port of the URL; the key is bound to it.
    origin TEXT NOT NULL,
    model TEXT NOT NULL,
    api_key_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
