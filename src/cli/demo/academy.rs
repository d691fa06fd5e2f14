//! The demo's academy: the people and courses of both specifications, moved to today, a learner with a career and a past,
//! an instructor, and keys for them.

use std::path::Path;

use super::super::Failure;
use crate::app::App;
use base::secret::write_private;
use base::storage::Tx;
use learning::academy::{RealmId, person, sample};
use learning::career;
use learning::learner::Learner;
use tenancy::auth::token::{self, Environment, NewToken, TokenKind};
use tenancy::tenant::user::User;

/// Who the learner is in the academy.
const LEARNER_IS: &str = "usr_456";
/// Who the instructor is there: the one of `coh_xyz789`.
const INSTRUCTOR_IS: &str = "usr_sarah_chen";

/// Loads the academy once, and makes a key of each face for the admin and the learner, and one for the instructor.
pub(super) async fn prepare(
    app: &App,
    tx: &mut Tx,
    data_dir: &Path,
    (admin, learner, instructor): (&User, &User, &User),
) -> Result<(), Failure> {
    let now = app.clock.now();
    let realm = RealmId::of(tx, admin.tenant_id, Environment::Live)
        .await
        .map_err(Failure::new)?;
    if realm != RealmId::NOWHERE {
        return Ok(());
    }
    let realm = RealmId::make(tx, admin.tenant_id, Environment::Live, now).await;
    let realm = realm.map_err(Failure::new)?;
    let loaded = sample::load_today(tx, realm, now).await;
    loaded.map_err(Failure::new)?;
    for (profile, user) in [(LEARNER_IS, learner), (INSTRUCTOR_IS, instructor)] {
        let bound = person::bind(tx, realm, profile, user.id).await;
        bound.map_err(Failure::new)?;
    }
    let profile = Learner::of(tx, learner, &learner.username).await;
    let loaded = career::sample::load(tx, &profile.map_err(Failure::new)?, now).await;
    loaded.map_err(Failure::new)?;
    for (user, kind, scopes) in [
        (learner, TokenKind::Platform, &[][..]),
        (admin, TokenKind::Platform, &[][..]),
        (learner, TokenKind::Aea, &["learner"][..]),
        (instructor, TokenKind::Aea, &["instructor"][..]),
        (learner, TokenKind::Mcp, &LEARNER_SCOPES[..]),
        (admin, TokenKind::Aea, &["admin"][..]),
        (admin, TokenKind::Mcp, &["all"][..]),
    ] {
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let new = NewToken {
            user,
            kind,
            environment: Environment::Live,
            scopes: &scopes,
            allow_ips: &[],
            expires_at: None,
        };
        let (_, secret) = token::create(tx, &app.vault, &new, now).await?;
        let file = data_dir.join(format!("{}.{kind}.key", user.username));
        write_private(&file, secret.expose())?;
    }
    Ok(())
}

/// Every scope of a learner (docs/inside/academy.md#841-scopes-of-v2).
const LEARNER_SCOPES: [&str; 6] = [
    "enrollments:read",
    "materials:read",
    "chat:write",
    "bookings:read",
    "bookings:write",
    "certificates:read",
];
