-- What the course chat searches: the words of each page as crates/learning/src/academy/course_chat/words.rs reads them, so that both
-- databases find the same. A page without a row here is one from before; a job adds them.

CREATE TABLE academy_page_words (
    id {{identity}},
    realm_id BIGINT NOT NULL,
    material_id TEXT NOT NULL,
    page BIGINT NOT NULL,
    -- How many words.
    length BIGINT NOT NULL,
    -- The mark of the realm and then the words, separated by spaces.
    words TEXT NOT NULL,
    UNIQUE (realm_id, material_id, page),
    FOREIGN KEY (realm_id, material_id, page) REFERENCES academy_pages (realm_id, material_id, page) ON DELETE CASCADE
);

{{sqlite}}
CREATE VIRTUAL TABLE academy_page_index USING fts5 (
    words, content = 'academy_page_words', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 0'
);
CREATE TRIGGER academy_page_words_added AFTER INSERT ON academy_page_words BEGIN
    INSERT INTO academy_page_index (rowid, words) VALUES (new.id, new.words);
END;
CREATE TRIGGER academy_page_words_removed AFTER DELETE ON academy_page_words BEGIN
    INSERT INTO academy_page_index (academy_page_index, rowid, words) VALUES ('delete', old.id, old.words);
END;
CREATE TRIGGER academy_page_words_changed AFTER UPDATE ON academy_page_words BEGIN
    INSERT INTO academy_page_index (academy_page_index, rowid, words) VALUES ('delete', old.id, old.words);
    INSERT INTO academy_page_index (rowid, words) VALUES (new.id, new.words);
END;

{{postgres}}
ALTER TABLE academy_page_words ADD COLUMN search TSVECTOR GENERATED ALWAYS AS (to_tsvector('simple', words)) STORED;
CREATE INDEX academy_page_words_by_word ON academy_page_words USING GIN (search);
-- Reads as SQLite's index does, so that one query text serves both.
CREATE FUNCTION academy_page_index (query TEXT) RETURNS TABLE (rowid BIGINT, rank REAL) LANGUAGE SQL STABLE AS $$
    SELECT id, -ts_rank(search, websearch_to_tsquery('simple', query)) FROM academy_page_words
    WHERE search @@ websearch_to_tsquery('simple', query)
$$;
