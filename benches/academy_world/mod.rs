//! A gateway with an academy of any size, in this process: the people and courses of both specifications, moved to its
//! time, and as many cohorts, people and enrollments beside them as are wanted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mentor_gateway::academy::{RealmId, person, sample};
use mentor_gateway::app::App;
use mentor_gateway::auth::token::{self, Environment, NewToken, TokenKind};
use mentor_gateway::clock::{Clock, UnixMs, random_hex};
use mentor_gateway::config::Settings;
use mentor_gateway::sql;
use mentor_gateway::storage::Tx;
use mentor_gateway::tenant::user::{self, NewUser, Role, User};
use mentor_gateway::tenant::{self};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::Outcome;

/// 2026-11-27T00:00:00Z.
const NOW: UnixMs = UnixMs(1_795_737_600_000);
/// Days from the timestamps of the first specification to the dates in its names.
const V1_LATE_DAYS: i64 = 366;
/// Learners of a cohort.
const SEATS: i64 = 25;
/// Cohorts of a learner.
const COHORTS_EACH: i64 = 4;
/// Longer than any window of a limit, so that none is met.
const BETWEEN_CALLS: Duration = Duration::from_secs(61);

/// The gateway and who calls it.
pub struct World {
    app: Arc<App>,
    base: String,
    http: reqwest::Client,
    /// Of the learner and the administrator, for the first face and the second.
    keys: [[String; 2]; 2],
    schema: Option<(String, String)>,
    _dir: tempfile::TempDir,
}

impl World {
    /// Fills a database, SQLite's or a schema of its own on a server, and serves it.
    pub async fn build(enrollments: i64, server: Option<&str>) -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let schema = match server {
            Some(url) => Some((url.to_owned(), new_schema(url).await?)),
            None => None,
        };
        let settings = Settings {
            data_dir: Some(dir.path().into()),
            database_url: schema.as_ref().map(|(url, schema)| {
                let separator = if url.contains('?') { '&' } else { '?' };
                format!("{url}{separator}options=-c%20search_path%3D{schema}")
            }),
            ..Settings::default()
        };
        let app = App::start(settings.resolve()?, Clock::manual(NOW)).await?;
        let mut tx = app.db.write().await?;
        let tenant = tenant::create(&mut tx, "acme", "Acme", NOW).await?;
        let mut keys = Vec::new();
        for (username, role, scopes) in [
            ("bob", Role::Learner, [&["learner"][..], &["all"][..]]),
            ("alice", Role::Admin, [&["admin"][..], &["all"][..]]),
        ] {
            let new = NewUser {
                username,
                email: "",
                role,
            };
            let user = user::create(&mut tx, tenant.id, &new, NOW).await?;
            let mut of_user = Vec::new();
            for (kind, scopes) in [TokenKind::Aea, TokenKind::Mcp].into_iter().zip(scopes) {
                of_user.push(key(&app, &mut tx, &user, (kind, scopes)).await?);
            }
            keys.push(<[String; 2]>::try_from(of_user).expect("two kinds"));
        }
        fill(&mut tx, &tenant, enrollments).await?;
        tx.commit().await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let router = mentor_gateway::http::router(app.clone())
            .into_make_service_with_connect_info::<SocketAddr>();
        app.tasks.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            app,
            base,
            http: reqwest::Client::new(),
            keys: <[[String; 2]; 2]>::try_from(keys).expect("two people"),
            schema,
            _dir: dir,
        })
    }

    /// A plain POST to a tool, some time after the one before.
    pub fn call(&self, face: &str, tool: &str, is_admin: bool) -> reqwest::RequestBuilder {
        self.app.clock.advance(BETWEEN_CALLS);
        let key = &self.keys[usize::from(is_admin)][usize::from(face == "v2")];
        let url = format!("{}/mcp/{face}/tools/{tool}", self.base);
        self.http.post(url).bearer_auth(key)
    }

    /// Leaves nothing on the server.
    pub async fn tear_down(self) -> Outcome<()> {
        self.app.db.close().await;
        if let Some((url, schema)) = &self.schema {
            let mut connection = sqlx::PgConnection::connect(url).await?;
            let statement = AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"));
            sqlx::query(statement).execute(&mut connection).await?;
        }
        Ok(())
    }
}

async fn new_schema(url: &str) -> Outcome<String> {
    let schema = format!("b{}", random_hex::<8>());
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let statement = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::query(statement).execute(&mut connection).await?;
    Ok(schema)
}

async fn key(
    app: &App,
    tx: &mut Tx,
    user: &User,
    (kind, scopes): (TokenKind, &[&str]),
) -> Outcome<String> {
    let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let new = NewToken {
        user,
        kind,
        environment: Environment::Live,
        scopes: &scopes,
        allow_ips: &[],
        expires_at: None,
    };
    let (_, secret) = token::create(tx, &app.vault, &new, NOW).await?;
    Ok(secret.expose().to_owned())
}

/// Puts both specifications' worlds and `enrollments` more into the tenant's academy.
async fn fill(tx: &mut Tx, tenant: &tenant::Tenant, enrollments: i64) -> Outcome<()> {
    let realm = RealmId::make(tx, tenant.id, Environment::Live, NOW).await?;
    let days = (NOW.0 - sample::V2_AT.0) / sample::DAY_MS;
    sample::load_moved(tx, realm, (sample::V1, days + V1_LATE_DAYS), NOW).await?;
    sample::load_moved(tx, realm, (sample::V2, days), NOW).await?;
    let bob = user::get(tx, tenant.id, "bob").await?;
    person::bind(tx, realm, "usr_456", bob.id).await?;
    let people = enrollments / COHORTS_EACH;
    // PostgreSQL multiplies small numbers as such.
    let (day, seats) = (format!("CAST({} AS BIGINT)", sample::DAY_MS), SEATS);
    let (cohorts, now) = (enrollments / seats, NOW.0);
    for statement in [
        format!(
            "INSERT INTO academy_people (realm_id, id, name, email, timezone, organization_id, created_at)
             WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {people})
             SELECT {realm}, 'usr_b' || i, 'Learner ' || i, 'b' || i || '@example.com', 'UTC',
                    CASE WHEN i % 5 = 0 THEN 'org_789' END, 0 FROM n",
            realm = realm.0
        ),
        format!(
            "INSERT INTO academy_cohorts (realm_id, id, course_id, instructor_id, name, status, status_reason, modality,
                 location, starts_at, ends_at, registration_deadline, sessions, has_waitlist, seats_total, seats_taken,
                 updated_at)
             WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {cohorts})
             SELECT c.realm_id, 'coh_b' || i, c.course_id, c.instructor_id, 'Cohort ' || i,
                    CASE WHEN i % 3 = 0 THEN 'open' WHEN i % 3 = 1 THEN 'in_progress' ELSE 'completed' END, '',
                    c.modality, c.location, {now} + (i % 200 - 100) * {day}, {now} + (i % 200 - 90) * {day},
                    {now} + (i % 200 - 101) * {day}, c.sessions, FALSE, {seats}, {seats}, 0
             FROM n JOIN academy_cohorts c ON c.realm_id = {realm} AND c.id = 'coh_456'",
            realm = realm.0
        ),
        format!(
            "INSERT INTO academy_cohorts (realm_id, id, course_id, instructor_id, name, status, status_reason, modality,
                 location, starts_at, ends_at, registration_deadline, sessions, has_waitlist, seats_total, seats_taken,
                 updated_at)
             SELECT c.realm_id, 'coh_free', c.course_id, c.instructor_id, 'Free', 'open', '', c.modality, c.location,
                    {now} + {day}, {now} + 9 * {day}, {now} + {day}, c.sessions, FALSE, 1000000, 0, 0
             FROM academy_cohorts c WHERE c.realm_id = {realm} AND c.id = 'coh_456'",
            realm = realm.0
        ),
        format!(
            "INSERT INTO academy_enrollments (realm_id, id, cohort_id, person_id, organization_id, kind, status, payment,
                 price_paid, enrolled_at, completed_at, expires_at, progress, last_activity_at, notes, metadata)
             WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {enrollments} - 1)
             SELECT {realm}, 'enr_b' || i, 'coh_b' || (i / {seats} + 1), 'usr_b' || (i % {people} + 1),
                    CASE WHEN (i % {people} + 1) % 5 = 0 THEN 'org_789' END, 'standard',
                    CASE WHEN i % 10 < 3 THEN 'completed' WHEN i % 10 = 3 THEN 'withdrawn' ELSE 'active' END, 'paid', 2500,
                    {now} - i % 300 * {day}, NULL, {now} + 60 * {day}, i % 101, {now} - i % 30 * {day}, '', '{{}}' FROM n",
            realm = realm.0
        ),
        format!(
            "INSERT INTO academy_accesses (realm_id, enrollment_id, material_id, times, was_downloaded, last_at)
             SELECT e.realm_id, e.id, m.id, 1, TRUE, {now} FROM academy_enrollments e
             JOIN academy_materials m ON m.realm_id = e.realm_id AND m.course_id = 'crs_ai_foundations'
             WHERE e.realm_id = {realm} AND e.id LIKE 'enr\\_b%' ESCAPE '\\' AND m.position < 3",
            realm = realm.0
        ),
    ] {
        let table = statement.split_whitespace().nth(2).unwrap_or_default();
        let looks = format!("ANALYZE {table}");
        sql!(tx, execute, AssertSqlSafe(statement.clone()))?;
        // Otherwise PostgreSQL checks foreign keys by the plan that it made for an empty table.
        sql!(tx, execute, AssertSqlSafe(looks))?;
    }
    Ok(())
}
