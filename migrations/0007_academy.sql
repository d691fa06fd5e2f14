-- The academy: organizations, people, courses, cohorts, enrollments, materials, certificates.
-- Every row belongs to a realm: one tenant's live data, or its sandbox. Ids are the client's words (`coh_…`), unique in a realm.
-- Times are Unix milliseconds, prices whole US dollars, JSON is TEXT and not queried inside.

CREATE TABLE academy_realms (
    id {{identity}},
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, environment)
);

CREATE TABLE academy_organizations (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    contact_email TEXT NOT NULL,
    contract TEXT NOT NULL CHECK (contract IN ('champion_network', 'retainer', 'project_based')),
    active_since BIGINT NOT NULL,
    seats_allocated BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id)
);

CREATE TABLE academy_people (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    -- The tenant's user whose profile it is; keys speak for users.
    user_id BIGINT REFERENCES users (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    timezone TEXT NOT NULL,
    organization_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id),
    UNIQUE (realm_id, email),
    UNIQUE (realm_id, user_id),
    FOREIGN KEY (realm_id, organization_id) REFERENCES academy_organizations (realm_id, id)
);

CREATE TABLE academy_instructors (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    bio TEXT NOT NULL,
    email TEXT NOT NULL,
    -- The profile behind the instructor, whose key may see the rosters of their cohorts.
    person_id TEXT,
    PRIMARY KEY (realm_id, id)
);

CREATE TABLE academy_courses (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    slug TEXT NOT NULL,
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    description TEXT NOT NULL,
    long_description TEXT NOT NULL,
    format TEXT NOT NULL,
    duration TEXT NOT NULL,
    duration_short TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('beginner', 'intermediate', 'advanced')),
    prerequisites TEXT NOT NULL,
    objectives TEXT NOT NULL,
    skills TEXT NOT NULL,
    curriculum TEXT NOT NULL,
    syllabus TEXT NOT NULL,
    price_individual BIGINT NOT NULL,
    price_corporate BIGINT NOT NULL,
    -- How long an enrollment's materials, chat and office hours stay open.
    access_days BIGINT NOT NULL,
    is_published BOOLEAN NOT NULL,
    has_kit BOOLEAN NOT NULL,
    has_certificate BOOLEAN NOT NULL,
    PRIMARY KEY (realm_id, id),
    UNIQUE (realm_id, slug)
);

CREATE TABLE academy_course_instructors (
    realm_id BIGINT NOT NULL,
    course_id TEXT NOT NULL,
    instructor_id TEXT NOT NULL,
    PRIMARY KEY (realm_id, course_id, instructor_id),
    FOREIGN KEY (realm_id, course_id) REFERENCES academy_courses (realm_id, id) ON DELETE CASCADE,
    FOREIGN KEY (realm_id, instructor_id) REFERENCES academy_instructors (realm_id, id) ON DELETE CASCADE
);

CREATE TABLE academy_cohorts (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    course_id TEXT NOT NULL,
    instructor_id TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('scheduled', 'open', 'in_progress', 'completed', 'cancelled')),
    -- Why it was cancelled; empty otherwise.
    status_reason TEXT NOT NULL,
    modality TEXT NOT NULL CHECK (modality IN ('online', 'in-person', 'hybrid')),
    location TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    registration_deadline BIGINT NOT NULL,
    sessions TEXT NOT NULL,
    has_waitlist BOOLEAN NOT NULL,
    seats_total BIGINT NOT NULL,
    -- Counted in the statement that takes a seat, so that two cannot take the last one.
    seats_taken BIGINT NOT NULL CHECK (seats_taken >= 0 AND seats_taken <= seats_total),
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id),
    FOREIGN KEY (realm_id, course_id) REFERENCES academy_courses (realm_id, id),
    FOREIGN KEY (realm_id, instructor_id) REFERENCES academy_instructors (realm_id, id)
);
CREATE INDEX academy_cohorts_by_start ON academy_cohorts (realm_id, starts_at);
CREATE INDEX academy_cohorts_by_course ON academy_cohorts (realm_id, course_id);

CREATE TABLE academy_enrollments (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    cohort_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    organization_id TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('standard', 'complimentary', 'corporate', 'trial')),
    status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'completed', 'withdrawn')),
    payment TEXT NOT NULL CHECK (payment IN ('pending', 'paid', 'waived')),
    price_paid BIGINT NOT NULL,
    enrolled_at BIGINT NOT NULL,
    completed_at BIGINT,
    expires_at BIGINT NOT NULL,
    progress BIGINT NOT NULL CHECK (progress BETWEEN 0 AND 100),
    last_activity_at BIGINT NOT NULL,
    -- 1 to 5, once the learner has rated the course.
    rating BIGINT,
    notes TEXT NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (realm_id, id),
    FOREIGN KEY (realm_id, cohort_id) REFERENCES academy_cohorts (realm_id, id),
    FOREIGN KEY (realm_id, person_id) REFERENCES academy_people (realm_id, id),
    FOREIGN KEY (realm_id, organization_id) REFERENCES academy_organizations (realm_id, id)
);
-- One place per person and cohort; whoever withdrew may come back.
CREATE UNIQUE INDEX academy_enrollments_once ON academy_enrollments (realm_id, cohort_id, person_id)
    WHERE status <> 'withdrawn';
CREATE INDEX academy_enrollments_by_person ON academy_enrollments (realm_id, person_id);
CREATE INDEX academy_enrollments_by_organization ON academy_enrollments (realm_id, organization_id);

CREATE TABLE academy_materials (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    course_id TEXT NOT NULL,
    -- Whose own template it is; NULL: everybody's.
    organization_id TEXT,
    position BIGINT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('slides', 'prompts', 'template', 'worksheet', 'guide', 'video', 'interactive', 'tool')),
    format TEXT NOT NULL,
    -- Its name in download links.
    file_name TEXT NOT NULL,
    size_bytes BIGINT,
    page_count BIGINT,
    duration TEXT,
    metadata TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id),
    FOREIGN KEY (realm_id, course_id) REFERENCES academy_courses (realm_id, id) ON DELETE CASCADE
);
CREATE INDEX academy_materials_by_course ON academy_materials (realm_id, course_id, position);

-- The text of a material, page by page: what is downloaded and what the course chat searches.
CREATE TABLE academy_pages (
    realm_id BIGINT NOT NULL,
    material_id TEXT NOT NULL,
    page BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (realm_id, material_id, page),
    FOREIGN KEY (realm_id, material_id) REFERENCES academy_materials (realm_id, id) ON DELETE CASCADE
);

-- Which learner opened which material, and how often.
CREATE TABLE academy_accesses (
    realm_id BIGINT NOT NULL,
    enrollment_id TEXT NOT NULL,
    material_id TEXT NOT NULL,
    times BIGINT NOT NULL,
    was_downloaded BOOLEAN NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, enrollment_id, material_id),
    FOREIGN KEY (realm_id, enrollment_id) REFERENCES academy_enrollments (realm_id, id) ON DELETE CASCADE,
    FOREIGN KEY (realm_id, material_id) REFERENCES academy_materials (realm_id, id) ON DELETE CASCADE
);

-- What was printed stays as it was printed, whatever is renamed later.
CREATE TABLE academy_certificates (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    enrollment_id TEXT NOT NULL,
    verification_code TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    learner_name TEXT NOT NULL,
    course_title TEXT NOT NULL,
    cohort_name TEXT NOT NULL,
    organization_name TEXT,
    skills TEXT NOT NULL,
    signature TEXT NOT NULL,
    completed_at BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id),
    UNIQUE (realm_id, enrollment_id),
    FOREIGN KEY (realm_id, enrollment_id) REFERENCES academy_enrollments (realm_id, id) ON DELETE CASCADE
);
CREATE INDEX academy_certificates_by_id ON academy_certificates (id);

-- What was announced to a cohort.
CREATE TABLE academy_notifications (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    cohort_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    recipients BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id),
    FOREIGN KEY (realm_id, cohort_id) REFERENCES academy_cohorts (realm_id, id) ON DELETE CASCADE
);

-- Office hours of a course's instructors.
CREATE TABLE academy_slots (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    course_id TEXT NOT NULL,
    instructor_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('1-on-1', 'group')),
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    -- Counted in the statement that takes a place.
    booked BIGINT NOT NULL CHECK (booked >= 0 AND booked <= capacity),
    PRIMARY KEY (realm_id, id),
    FOREIGN KEY (realm_id, course_id) REFERENCES academy_courses (realm_id, id) ON DELETE CASCADE,
    FOREIGN KEY (realm_id, instructor_id) REFERENCES academy_instructors (realm_id, id) ON DELETE CASCADE
);
CREATE INDEX academy_slots_by_course ON academy_slots (realm_id, course_id, starts_at);

CREATE TABLE academy_bookings (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    slot_id TEXT NOT NULL,
    enrollment_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('confirmed', 'cancelled', 'completed', 'no_show')),
    topic TEXT NOT NULL,
    wants_reminder BOOLEAN NOT NULL,
    rating BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id),
    FOREIGN KEY (realm_id, slot_id) REFERENCES academy_slots (realm_id, id) ON DELETE CASCADE,
    FOREIGN KEY (realm_id, enrollment_id) REFERENCES academy_enrollments (realm_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX academy_bookings_once ON academy_bookings (realm_id, slot_id, enrollment_id)
    WHERE status <> 'cancelled';
CREATE INDEX academy_bookings_by_enrollment ON academy_bookings (realm_id, enrollment_id);

-- The course chat: what was asked and answered.
CREATE TABLE academy_conversations (
    realm_id BIGINT NOT NULL REFERENCES academy_realms (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    enrollment_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id),
    FOREIGN KEY (realm_id, enrollment_id) REFERENCES academy_enrollments (realm_id, id) ON DELETE CASCADE
);
CREATE INDEX academy_conversations_by_enrollment ON academy_conversations (realm_id, enrollment_id);

CREATE TABLE academy_chat_messages (
    realm_id BIGINT NOT NULL,
    id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    -- The learner's, or the answer to it.
    is_question BOOLEAN NOT NULL,
    body TEXT NOT NULL,
    topic TEXT NOT NULL,
    duration_ms BIGINT NOT NULL,
    -- 1 to 5, once the learner has rated the answer.
    rating BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm_id, id),
    FOREIGN KEY (realm_id, conversation_id) REFERENCES academy_conversations (realm_id, id) ON DELETE CASCADE
);
CREATE INDEX academy_chat_messages_in_order ON academy_chat_messages (realm_id, conversation_id, created_at);
