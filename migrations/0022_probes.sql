-- What readiness writes to see whether anything can be written; each row is gone with the transaction that made it.
CREATE TABLE probes (
    id BIGINT NOT NULL PRIMARY KEY,
    filling {{blob}} NOT NULL
);
