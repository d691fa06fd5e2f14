-- What tells a start with the wrong master keys before anything is written: one row for each key that was ever used,
-- holding a known text sealed with it; the row with the empty id holds a known text's digest under the pepper.
CREATE TABLE master_keys (
    key_id TEXT PRIMARY KEY,
    proof TEXT NOT NULL
);
