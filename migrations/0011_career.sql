-- Career profiles: companies, institutions, and what a learner did at them.
-- Every row belongs to one learner of one tenant. Dates are texts `YYYY-MM-DD`, grades decimal texts, JSON is TEXT and not queried inside.

CREATE TABLE career_companies (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    industry TEXT,
    website TEXT,
    logo_url TEXT,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX career_companies_by_user ON career_companies (user_id);

CREATE TABLE career_institutions (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    institution_type TEXT NOT NULL CHECK (institution_type IN ('university', 'college', 'institute', 'academy', 'other')),
    location TEXT,
    website TEXT,
    accreditation TEXT,
    established_year BIGINT,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX career_institutions_by_user ON career_institutions (user_id);

CREATE TABLE career_education (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    institution_id BIGINT NOT NULL REFERENCES career_institutions (id),
    degree TEXT,
    field_of_study TEXT,
    start_date TEXT NOT NULL,
    end_date TEXT,
    grade TEXT,
    activities TEXT,
    description TEXT,
    is_current BOOLEAN NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX career_education_by_user ON career_education (user_id);
CREATE INDEX career_education_by_institution ON career_education (institution_id);

CREATE TABLE career_experience (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    company_id BIGINT NOT NULL REFERENCES career_companies (id),
    title TEXT NOT NULL,
    employment_type TEXT,
    location TEXT,
    start_date TEXT NOT NULL,
    end_date TEXT,
    is_current BOOLEAN NOT NULL,
    description TEXT,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX career_experience_by_user ON career_experience (user_id);
CREATE INDEX career_experience_by_company ON career_experience (company_id);

-- One resume a learner: links, and files whose content lies in the data directory under its digest.
CREATE TABLE career_resumes (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    links TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE career_files (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    resume_id BIGINT NOT NULL REFERENCES career_resumes (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('resume', 'additional')),
    media_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    digest TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX career_files_by_resume ON career_files (resume_id);
CREATE INDEX career_files_by_digest ON career_files (tenant_id, digest);

-- What learners did and when: what time, engagement and last access are computed from.
CREATE TABLE learner_events (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- The academy's course, and the mentor's UUID; NULL where the event is about none.
    course_id TEXT,
    mentor TEXT,
    -- How long it took.
    seconds BIGINT NOT NULL,
    -- What a scored piece of work came to, in percent.
    score BIGINT CHECK (score BETWEEN 0 AND 100)
);
CREATE INDEX learner_events_by_user ON learner_events (user_id, at);
