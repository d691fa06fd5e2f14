-- Servers of our own, in the registry like any other.

-- Which of them the record stands for; empty: none, its URL is called.
ALTER TABLE servers ADD COLUMN native TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX servers_native ON servers (native) WHERE native <> '';
