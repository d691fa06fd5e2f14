//! The resolution against a plain oracle, over all combinations of connections.

use proptest::prelude::*;

use super::*;
use crate::registry::Transport;
use crate::registry::server::ServerId;
use tenancy::tenant::user::Role;

const HERE: TenantId = TenantId(42);
const OWNER: TenantId = TenantId(43);
const ORIGIN: &str = "https://a.example";
const NOW: UnixMs = UnixMs(1_000_000);

fn server(
    tenant_id: TenantId,
    auth_type: AuthType,
    auth_scope: Scope,
    credentials: &str,
) -> Server {
    Server {
        id: ServerId(9),
        tenant_id,
        mentor_id: None,
        owner: "alice".into(),
        name: "Drive".into(),
        description: String::new(),
        url: format!("{ORIGIN}/mcp"),
        origin: ORIGIN.into(),
        image: None,
        transport: Transport::StreamableHttp,
        credentials_sealed: credentials.into(),
        extra_headers_sealed: String::new(),
        auth_type,
        auth_scope,
        oauth_service_id: None,
        is_featured: true,
        is_enabled: true,
        clean_output: true,
        tool_prefix: "drive".into(),
        native: String::new(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn any_grant() -> impl Strategy<Value = Option<Grant>> {
    prop_oneof![
        Just(None),
        (
            1..3_i64,
            any::<bool>(),
            any::<bool>(),
            prop_oneof![Just(HERE), Just(OWNER)],
            prop_oneof![Just(Role::Admin), Just(Role::Learner)],
            prop_oneof![
                4 => Just(""),
                3 => Just("https://a.example/mcp"),
                1 => Just("https://a.example/other")
            ],
            prop::option::of(1..3_i64)
        )
            .prop_map(
                |(user, expired, reauth, tenant_id, role, resource, service_id)| Some(Grant {
                    id: GrantId(7),
                    tenant_id,
                    user_id: UserId(user),
                    role,
                    provider: "provider".into(),
                    service: "service".into(),
                    service_id,
                    token_type: "bearer".into(),
                    access_token_sealed: "sealed".into(),
                    refresh_token_sealed: "sealed".into(),
                    scope: String::new(),
                    refused_scope: String::new(),
                    expires_at: expired.then_some(UnixMs(NOW.0 - 1)),
                    version: 1,
                    issuer: String::new(),
                    token_url: "https://provider.example/token".into(),
                    client_id: "client".into(),
                    resource: resource.into(),
                    lease_holder: String::new(),
                    retry_at: UnixMs(0),
                    refresh_failures: 0,
                    refresh_failure: String::new(),
                    last_used_at: None,
                    created_at: UnixMs(0),
                    updated_at: UnixMs(0),
                    needs_reauth: reauth.then(|| "revoked".into()),
                })
            )
    ]
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let tenants = prop_oneof![Just(HERE), Just(OWNER)];
    let scopes = prop_oneof![
        Just(Scope::User),
        Just(Scope::Mentor),
        Just(Scope::Platform)
    ];
    let types = prop_oneof![
        Just(AuthType::None),
        Just(AuthType::Token),
        Just(AuthType::Oauth2)
    ];
    (
        tenants,
        scopes,
        types,
        any_grant(),
        1..3_i64,
        any::<[bool; 4]>(),
    )
        .prop_map(
            |(
                tenant_id,
                scope,
                auth_type,
                grant,
                who,
                [is_active, is_shared, same_origin, has_secret],
            )| Candidate {
                connection: Connection {
                    id: ConnectionId(0),
                    tenant_id,
                    server_id: ServerId(9),
                    scope,
                    auth_type,
                    user_id: (scope == Scope::User).then_some(UserId(who)),
                    mentor_id: (scope == Scope::Mentor).then_some(MentorId(who)),
                    connected_service_id: grant.as_ref().map(|g| g.id),
                    origin: if same_origin {
                        ORIGIN.into()
                    } else {
                        "https://b.example".into()
                    },
                    credentials_sealed: if has_secret {
                        "sealed".into()
                    } else {
                        String::new()
                    },
                    authorization_scheme: "Bearer".into(),
                    extra_headers_sealed: String::new(),
                    is_active,
                    off_by: String::new(),
                    is_shared,
                    created_at: NOW,
                    updated_at: NOW,
                },
                grant,
            },
        )
}

/// The rules as docs/inside/contract.md#resolution and
/// docs/inside/decisions.md#auth_scope-user tell them, without a thought for order of evaluation or reports.
fn oracle(
    server: &Server,
    subject: Subject,
    world: &World,
) -> Option<(Option<Step>, Option<ConnectionId>)> {
    let usable = |c: &&Candidate| {
        let row = &c.connection;
        let grant_is_good = c.grant.as_ref().is_some_and(|g| {
            g.tenant_id == row.tenant_id
                && (row.scope != Scope::User || Some(g.user_id) == row.user_id)
                && (row.scope == Scope::User || g.role == Role::Admin)
                && match g.resource.as_str() {
                    "" => {
                        server.oauth_service_id.is_none() || server.oauth_service_id == g.service_id
                    }
                    resource => resource == server.url,
                }
                && g.needs_reauth.is_none()
                && g.expires_at.is_none_or(|end| end > world.now)
        });
        let holds = match row.auth_type {
            AuthType::None => server.auth_type == AuthType::None,
            AuthType::Token => !row.credentials_sealed.is_empty(),
            AuthType::Oauth2 => grant_is_good,
        };
        row.is_active && row.origin == server.origin && holds
    };
    let of = |test: &dyn Fn(&Connection) -> bool| {
        world
            .candidates
            .iter()
            .filter(usable)
            .find(|c| test(&c.connection))
            .map(|c| c.connection.id)
    };
    let own = |row: &Connection| row.tenant_id == subject.tenant;
    if let Some(id) =
        of(&|row| own(row) && row.scope == Scope::User && row.user_id == Some(subject.user))
    {
        return Some((Some(Step::User), Some(id)));
    }
    if server.auth_scope != Scope::User {
        let mentors =
            |row: &Connection| row.scope == Scope::Mentor && row.mentor_id == subject.mentor;
        if let Some(id) = subject
            .mentor
            .and_then(|_| of(&|row| own(row) && mentors(row)))
        {
            return Some((Some(Step::Mentor), Some(id)));
        }
        if let Some(id) = of(&|row| own(row) && row.scope == Scope::Platform) {
            return Some((Some(Step::Platform), Some(id)));
        }
        let owners =
            |row: &Connection| row.tenant_id == server.tenant_id && row.scope == Scope::Platform;
        if server.tenant_id != subject.tenant
            && let Some(id) = of(&|row| owners(row) && row.is_shared)
        {
            return Some((Some(Step::Featured), Some(id)));
        }
        if !server.credentials_sealed.is_empty() {
            let of_record = match server.tenant_id == subject.tenant {
                true => Step::Record,
                false => Step::Featured,
            };
            return Some((Some(of_record), None));
        }
    }
    (server.auth_type == AuthType::None).then_some((None, None))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn resolution_agrees_with_a_plain_oracle(
        mut candidates in prop::collection::vec(any_candidate(), 0..7),
        foreign in any::<bool>(),
        user_scoped in any::<bool>(),
        needs_auth in any::<bool>(),
        has_own in any::<bool>(),
        mentor in prop::option::of(1..3_i64),
        service in prop::option::of(1..3_i64),
    ) {
        for (i, candidate) in candidates.iter_mut().enumerate() {
            candidate.connection.id = ConnectionId(i64::try_from(i).unwrap());
        }
        let mut server = server(
            if foreign { OWNER } else { HERE },
            if needs_auth { AuthType::Token } else { AuthType::None },
            if user_scoped { Scope::User } else { Scope::Platform },
            if has_own { "sealed" } else { "" },
        );
        server.oauth_service_id = service;
        let subject = Subject { tenant: HERE, user: UserId(1), mentor: mentor.map(MentorId) };
        let world = World { candidates, now: NOW };
        let resolution = choose(&server, subject, &world);
        let used = resolution.used.as_ref().map(|(step, source)| (*step, match source {
            Source::Connection(row, _) => Some(row.id),
            Source::ServerRecord | Source::Anonymous => None,
        }));
        prop_assert_eq!(used, oracle(&server, subject, &world));

        let matched: Vec<Step> =
            resolution.steps.iter().filter(|s| s.outcome == Outcome::Matched).map(|s| s.step).collect();
        let used_step: Vec<Step> = resolution.used.iter().filter_map(|(step, _)| *step).collect();
        prop_assert_eq!(matched, used_step);
    }
}
