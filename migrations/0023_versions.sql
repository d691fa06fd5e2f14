-- Counts the changes of a server, so that every replica sees each of them whatever its clock says.
ALTER TABLE servers ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
