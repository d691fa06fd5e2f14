//! What a connection of each scope needs and forbids (docs/inside/contract.md#connections).
//! Looks at the whole row as it would be stored, so that a change is held to the same rules as a new one.

use super::Connection;
use crate::registry::audience;
use crate::registry::grant::Grant;
use crate::registry::sealed::{CREDENTIALS, Change, EXTRA_HEADERS};
use crate::registry::server::Server;
use crate::registry::{AuthType, Scope};
use base::error::FieldErrors;
use tenancy::tenant::mentor::MentorId;
use tenancy::tenant::user::UserId;

/// Message for a mentor scope without a mentor; the agent spelling translates it.
pub const MENTOR_REQUIRED: &str = "Mentor scoped connections require a mentor.";

/// Message for a server that is neither the tenant's own nor featured, or no server at all.
pub(super) const SERVER_UNAVAILABLE: &str =
    "Selected MCP server is not available to the current tenant.";

/// A connection as it shall be, with everything that it names looked up.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// The server, if one was named that the tenant may use.
    pub(super) server: Option<Server>,
    /// For whom it is.
    pub(super) scope: Scope,
    /// What it holds.
    pub(super) auth_type: AuthType,
    /// The person it names.
    pub(super) user: Option<UserId>,
    /// The mentor it names.
    pub(super) mentor: Option<MentorId>,
    /// The grant it names.
    pub(super) grant: Option<Grant>,
    /// Whether the request itself names the grant.
    pub(super) names_grant: bool,
    /// The token.
    pub(super) credentials: Change,
    /// The word before the token.
    pub(super) authorization_scheme: String,
    /// Headers for every request.
    pub(super) extra_headers: Change,
    /// Whether it may be used.
    pub(super) is_active: bool,
    /// Whether other tenants may fall back to it.
    pub(super) is_shared: bool,
}

impl Draft {
    /// Whose connection it is in the end: of a user scope with a grant, the grant's person.
    pub(super) fn person(&self) -> Option<UserId> {
        let follows = self.scope == Scope::User;
        let of_grant = self.grant.as_ref().map(|grant| grant.user_id);
        self.user.or(of_grant.filter(|_| follows))
    }

    /// Drops what its kind of authentication does not use, so that no secret is kept for nothing.
    pub(super) fn trim(&mut self) {
        match self.auth_type {
            AuthType::Token => {}
            AuthType::Oauth2 | AuthType::None => {
                self.credentials = Change::Set(base::secret::Secret::new(""));
            }
        }
        if self.auth_type != AuthType::Oauth2 {
            self.user = self.person();
            self.grant = None;
        }
    }

    /// Complains about everything that the scope and the authentication need or forbid.
    pub(super) fn check(
        &self,
        stored: Option<&Connection>,
        actor: UserId,
        errors: &mut FieldErrors,
    ) {
        if stored.is_some_and(|stored| self.only_switches_off(stored)) {
            return;
        }
        self.check_scope(errors);
        self.check_grant(stored, actor, errors);
        self.check_type(stored, errors);
        if let Some(stored) = stored {
            self.check_person(stored, errors);
        }
        let stored_credentials = stored.map_or("", |row| row.credentials_sealed.as_str());
        let has_token = self.credentials.leaves_one(stored_credentials);
        if self.auth_type == AuthType::Token && !has_token && !errors.has(CREDENTIALS) {
            errors.add(
                CREDENTIALS,
                "Token based connections must include credentials.",
            );
        }
        match (stored, &self.server) {
            (Some(stored), Some(server)) => self.check_origin(stored, server, errors),
            // Its owner stopped featuring it.
            (Some(_), None) if !errors.has("server") => errors.add("server", SERVER_UNAVAILABLE),
            (_, _) => {}
        }
    }

    /// Whether nothing is asked but that the row be used no more: whatever it is, and whatever became of its server,
    /// that is always allowed.
    pub(super) fn only_switches_off(&self, stored: &Connection) -> bool {
        let is_same_server = match &self.server {
            Some(server) => server.id == stored.server_id,
            None => true,
        };
        !self.is_active
            && is_same_server
            && self.scope == stored.scope
            && self.auth_type == stored.auth_type
            && self.user == stored.user_id
            && self.mentor == stored.mentor_id
            && self.grant.as_ref().map(|grant| grant.id) == stored.connected_service_id
            && keeps(&self.credentials, &stored.credentials_sealed)
            && keeps(&self.extra_headers, &stored.extra_headers_sealed)
            && self.authorization_scheme == stored.authorization_scheme
            && self.is_shared == stored.is_shared
    }

    fn check_scope(&self, errors: &mut FieldErrors) {
        // What the scope needs is not known of one that is none.
        if errors.has("scope") {
            return;
        }
        let forbids = |field: &str, scope: &str| {
            format!("{scope} scoped connections must not name a {field}.")
        };
        match self.scope {
            Scope::Platform => {
                if self.user.is_some() {
                    errors.add("user", forbids("user", "Platform"));
                }
                if self.mentor.is_some() {
                    errors.add("mentor", forbids("mentor", "Platform"));
                }
            }
            Scope::Mentor => {
                if self.mentor.is_none() && !errors.has("mentor") {
                    errors.add("mentor", MENTOR_REQUIRED);
                }
                if self.user.is_some() {
                    errors.add("user", forbids("user", "Mentor"));
                }
            }
            Scope::User => {
                if self.mentor.is_some() {
                    errors.add("mentor", forbids("mentor", "User"));
                }
                if self.person().is_none()
                    && !errors.has("user")
                    && !errors.has("connected_service")
                {
                    errors.add(
                        "user",
                        "User scoped connections require a user or a connected service.",
                    );
                }
            }
        }
    }

    fn check_grant(&self, stored: Option<&Connection>, actor: UserId, errors: &mut FieldErrors) {
        if errors.has("connected_service") {
            return;
        }
        let Some(grant) = &self.grant else {
            if self.auth_type == AuthType::Oauth2 {
                errors.add(
                    "connected_service",
                    "OAuth2 connections require a connected service.",
                );
            }
            return;
        };
        // Nobody's own grant becomes everybody's identity but by themself: a row that holds it for one person is no
        // leave to share it.
        let was_shared = stored.is_some_and(|row| {
            row.connected_service_id == Some(grant.id) && row.scope != Scope::User
        });
        let is_given = self.scope == Scope::User || grant.user_id == actor || was_shared;
        let owner = (grant.user_id, grant.role);
        if !(is_given && audience::may_hold(self.scope, self.person(), owner)) {
            errors.add(
                "connected_service",
                "Selected connected service belongs to another user.",
            );
        } else if let Some(server) = &self.server
            && let Some(misfit) = grant.audience().misfit(server)
        {
            errors.add("connected_service", misfit.complaint());
        }
    }

    /// A connection without a credential must not stand in the way of those that have one.
    fn check_type(&self, stored: Option<&Connection>, errors: &mut FieldErrors) {
        let stored_headers = stored.map_or("", |row| row.extra_headers_sealed.as_str());
        let has_headers = self.extra_headers.leaves_one(stored_headers);
        let wants = |server: &Server| server.auth_type != AuthType::None;
        if self.auth_type == AuthType::None
            && !has_headers
            && self.server.as_ref().is_some_and(wants)
            && !errors.has("auth_type")
        {
            errors.add(
                "auth_type",
                "The server wants a credential, and this connection would have none.",
            );
        }
    }

    /// A secret that was entered for one person is entered again before it serves anybody else.
    fn check_person(&self, stored: &Connection, errors: &mut FieldErrors) {
        let stays = self.scope == Scope::User && self.person() == stored.user_id;
        if stored.scope != Scope::User || stays {
            return;
        }
        let has = |sealed: &str, change: &Change| !sealed.is_empty() && *change == Change::Keep;
        if has(&stored.credentials_sealed, &self.credentials) && !errors.has(CREDENTIALS) {
            let message = "Enter the credential again: it was entered for one person.";
            errors.add(CREDENTIALS, message);
        }
        if has(&stored.extra_headers_sealed, &self.extra_headers) && !errors.has(EXTRA_HEADERS) {
            let message = "Enter the headers again: they were entered for one person.";
            errors.add(EXTRA_HEADERS, message);
        }
    }

    /// Secrets that were entered for another address are entered again before the row works again
    /// (docs/inside/decisions.md#featured-servers).
    fn check_origin(&self, stored: &Connection, server: &Server, errors: &mut FieldErrors) {
        let is_same = stored.origin == server.origin && stored.server_id == server.id;
        if is_same || !(self.is_active || self.enters_something()) {
            return;
        }
        let keeps_token = !stored.credentials_sealed.is_empty() && self.credentials == Change::Keep;
        if keeps_token && !errors.has(CREDENTIALS) {
            errors.add(
                CREDENTIALS,
                "Enter the credential again: the server or its address changed.",
            );
        }
        if !stored.extra_headers_sealed.is_empty() && self.extra_headers == Change::Keep {
            errors.add(
                EXTRA_HEADERS,
                "Enter the headers again: the server or its address changed.",
            );
        }
        if self.grant.is_some() && !self.names_grant && !errors.has("connected_service") {
            let message = "Select the connected service again: the server or its address changed.";
            errors.add("connected_service", message);
        }
    }

    /// Whether the row is bound to the server's present origin by this change.
    pub(super) fn enters_something(&self) -> bool {
        let enters = |change: &Change| matches!(change, Change::Set(secret) if !secret.is_empty());
        enters(&self.credentials) || enters(&self.extra_headers) || self.names_grant
    }
}

/// Whether a change leaves a stored secret as it is.
fn keeps(change: &Change, stored_sealed: &str) -> bool {
    match change {
        Change::Keep => true,
        Change::Set(secret) => secret.is_empty() && stored_sealed.is_empty(),
    }
}
