//! Session tokens for the academy's second face: JWTs of one configured issuer, by RS256 or ES256 (8.1).
//! Never believes what is not signed, and never grants more than the user's role.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::jwks::Jwks;
use super::scope;
use super::token::{Environment, TokenKind};
use crate::tenant::user::Role;
use base::clock::{Clock, UnixMs};
use base::error::{Error, FieldErrors, Result};
use base::secret::Secret;
use egress::Egress;

/// How far the issuer's clock may be from ours.
const LEEWAY: Duration = Duration::from_secs(60);
/// Longest life of a session from now on, whatever the token says.
const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How a signed token begins: `{"` in base64.
const BEGINNING: &str = "eyJ";

/// Who issues session tokens.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must name.
    pub audience: String,
    /// Where the issuer's keys are.
    pub jwks_url: String,
}

/// Reads session tokens.
pub struct Sessions {
    settings: SessionSettings,
    keys: Jwks,
    clock: Clock,
}

/// What a session token says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The key of the tenant.
    pub(super) tenant: String,
    /// The name of the user.
    pub(super) username: String,
    /// Live or sandbox.
    pub(super) environment: Environment,
    /// When it ends.
    pub(super) expires_at: UnixMs,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    tenant: String,
    // Numbers that may have a fraction (RFC 7519 section 2).
    exp: f64,
    nbf: Option<f64>,
    #[serde(default)]
    scope: String,
    environment: Option<String>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// A reader of this issuer's tokens.
    pub fn new(settings: SessionSettings, egress: Egress, clock: Clock) -> Self {
        let keys = Jwks::new(settings.jwks_url.clone(), egress, clock.clone());
        Self {
            settings,
            keys,
            clock,
        }
    }

    /// Whether a credential looks like a session token; no key of ours does.
    pub(super) fn is_one(credential: &Secret) -> bool {
        let text = credential.expose();
        text.starts_with(BEGINNING) && text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// What a token says, if it is signed, meant for us, and neither over nor yet to come.
    ///
    /// # Errors
    /// `InvalidCredentials` for any other, `Unavailable` if the issuer's keys cannot be had.
    pub(super) async fn read(&self, credential: &Secret) -> Result<Session> {
        let text = credential.expose();
        let header = decode_header(text).map_err(|_| Error::InvalidCredentials)?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
            return Err(Error::InvalidCredentials);
        }
        let key = self.keys.key(header.kid.as_deref()).await?;
        let key = DecodingKey::from_jwk(&key).map_err(|_| Error::InvalidCredentials)?;
        let mut rules = Validation::new(header.alg);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(&[&self.settings.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The times are checked below, by our clock.
        rules.validate_exp = false;
        let claims = decode::<Claims>(text, &key, &rules);
        self.check(claims.map_err(|_| Error::InvalidCredentials)?.claims)
    }

    fn check(&self, claims: Claims) -> Result<Session> {
        let now = self.clock.now();
        let at = |seconds: f64| {
            let since_epoch = Duration::try_from_secs_f64(seconds.max(0.0));
            UnixMs(0).plus(since_epoch.unwrap_or(Duration::MAX))
        };
        let expires_at = at(claims.exp);
        let is_over = expires_at.plus(LEEWAY) <= now;
        let is_too_long = expires_at > now.plus(LIFE_MAX + LEEWAY);
        let is_to_come = claims.nbf.is_some_and(|from| at(from) > now.plus(LEEWAY));
        if is_over || is_too_long || is_to_come {
            return Err(Error::InvalidCredentials);
        }
        let environment = claims.environment.as_deref().unwrap_or("live");
        Ok(Session {
            tenant: claims.tenant,
            username: claims.sub,
            environment: environment.parse().map_err(|_| Error::InvalidCredentials)?,
            expires_at: expires_at.plus(LEEWAY),
            scopes: claims.scope.split_whitespace().map(str::to_owned).collect(),
        })
    }
}

impl Session {
    /// The scopes that the second face knows and the role allows; what is more is not granted.
    pub(super) fn scopes_within(self, role: Role) -> Vec<String> {
        let is_granted = |scope: &String| {
            let mut errors = FieldErrors::default();
            scope::check(
                TokenKind::Mcp,
                role,
                std::slice::from_ref(scope),
                &mut errors,
            );
            errors.into_result().is_ok()
        };
        self.scopes.into_iter().filter(is_granted).collect()
    }
}
