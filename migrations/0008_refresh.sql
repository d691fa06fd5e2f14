-- Refreshing: how often it failed in a row, and why it did last (a word of `oauth::refresh`).

ALTER TABLE connected_services ADD COLUMN refresh_failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connected_services ADD COLUMN refresh_failure TEXT NOT NULL DEFAULT '';
