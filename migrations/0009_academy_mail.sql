-- Letters of the academy that wait to be sent, and where an instructor's sessions are held.

ALTER TABLE academy_instructors ADD COLUMN meeting_url TEXT NOT NULL DEFAULT '';

-- One sending to many: a welcome, an announcement to a cohort, a templated mail.
CREATE TABLE academy_campaigns (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    -- The template's number at the mail provider; NULL: the text is the letter's own.
    template BIGINT,
    subject TEXT NOT NULL,
    -- Markdown, or the template's variables as JSON.
    body TEXT NOT NULL,
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    send_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id)
);

CREATE TABLE academy_letters (
    realm_id BIGINT NOT NULL,
    campaign_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'failed')),
    PRIMARY KEY (realm_id, campaign_id, person_id),
    FOREIGN KEY (realm_id, campaign_id) REFERENCES academy_campaigns (realm_id, id) ON DELETE CASCADE,
    FOREIGN KEY (realm_id, person_id) REFERENCES academy_people (realm_id, id) ON DELETE CASCADE
);
CREATE INDEX academy_letters_pending ON academy_letters (state) WHERE state = 'pending';
