//! What a connection of each scope needs and forbids (seed 003, "Validation rules by scope"; contract.md section 6).
//! Looks at the whole row as it would be stored, so that a change is held to the same rules as a new one.

use super::Connection;
use crate::error::FieldErrors;
use crate::registry::connected_service::ConnectedService;
use crate::registry::sealed::{CREDENTIALS, Change, EXTRA_HEADERS};
use crate::registry::server::Server;
use crate::registry::{AuthType, Scope};
use crate::tenant::mentor::MentorId;
use crate::tenant::user::{Role, UserId};

/// Message for a mentor scope without a mentor; the agent spelling translates it.
pub const MENTOR_REQUIRED: &str = "Mentor scoped connections require a mentor.";

/// Message for a server that is neither the tenant's own nor featured, or no server at all.
pub const SERVER_UNAVAILABLE: &str = "Selected MCP server is not available to the current tenant.";

/// A connection as it shall be, with everything that it names looked up.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The server, if one was named that the tenant may use.
    pub server: Option<Server>,
    /// For whom it is.
    pub scope: Scope,
    /// What it holds.
    pub auth_type: AuthType,
    /// The person it names.
    pub user: Option<UserId>,
    /// The mentor it names.
    pub mentor: Option<MentorId>,
    /// The grant it names.
    pub grant: Option<ConnectedService>,
    /// Whether the request itself names the grant.
    pub names_grant: bool,
    /// The token.
    pub credentials: Change,
    /// The word before the token.
    pub authorization_scheme: String,
    /// Headers for every request.
    pub extra_headers: Change,
    /// Whether it may be used.
    pub is_active: bool,
    /// Whether other tenants may fall back to it.
    pub is_shared: bool,
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
                self.credentials = Change::Set(crate::secret::Secret::new(""));
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
        self.check_scope(errors);
        self.check_grant(stored, actor, errors);
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

    fn check_scope(&self, errors: &mut FieldErrors) {
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
        let is_stored = stored.is_some_and(|row| row.connected_service_id == Some(grant.id));
        let fits = match self.scope {
            Scope::User => self.person() == Some(grant.user_id),
            // A learner's own grant must not become everybody's identity.
            Scope::Platform | Scope::Mentor => {
                is_stored || grant.user_id == actor || grant.role == Role::Admin
            }
        };
        if !fits {
            errors.add(
                "connected_service",
                "Selected connected service belongs to another user.",
            );
        }
    }

    /// Secrets that were entered for another address are entered again before the row works again (design.md D10).
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
