-- What a letter carries beside its text, and how soon it goes out among those that are due.

-- An invitation (RFC 5545) to be attached; empty for none.
ALTER TABLE mails ADD COLUMN calendar TEXT NOT NULL DEFAULT '';
-- From 0, whenever, to 3, now.
ALTER TABLE mails ADD COLUMN urgency BIGINT NOT NULL DEFAULT 1;
CREATE INDEX mails_in_order ON mails (state, urgency DESC, next_at, id);
