//! A connection as it is asked for, on any wire, and the plan that it comes to: everything that it names looked up, and
//! everything that is wrong with it so far. Who may ask for it is decided here too.

use serde_json::Value;

use super::Connection;
use super::rights::{own_grant_only, require_change};
use super::rules::{Draft, SERVER_UNAVAILABLE};
use crate::registry::grant::{self, GrantId};
use crate::registry::header::{
    CREDENTIAL_BYTES_MAX, NO_HEADERS, SCHEME_CHARACTERS_MAX, check_credentials, check_extra,
    check_scheme,
};
use crate::registry::sealed::{Change, Record};
use crate::registry::server::{self, ServerId};
use crate::registry::{AuthType, Scope};
use base::error::{FieldErrors, Result};
use base::fields::kind::{Bool, Choice, Id, Json, Spelled, Uuid};
use base::fields::{Given, Text, no_such, optional, request, required};
use base::secret::Vault;
use base::storage::Tx;
use tenancy::auth::Caller;
use tenancy::tenant::user::USERNAME_CHARACTERS_MAX;
use tenancy::tenant::{mentor, user};

request! {
    /// A connection as it is written. Also as multipart and urlencoded form.
    pub struct Written {
        /// The number of the server.
        server: Option<i64> = required(Id) => 1;
        /// How calls are authenticated.
        auth_type: Option<AuthType> = required(Choice::<AuthType>::any()) => "token";
        /// For whom it is: `user` (the default), `mentor` (also `agent`) or `platform` (also `tenant`).
        scope: Option<Scope> = optional(Choice::<Scope>::any()) => "platform";
        /// A username of the tenant; for the user scope only.
        user: Given<String> = optional(Text::blank(USERNAME_CHARACTERS_MAX)), such as "alice";
        /// A mentor's UUID; for the mentor scope only. `agent` in the agent spelling.
        mentor: Given<uuid::Uuid> = optional(Uuid), such as "0d9f0c6e-36f5-4a5c-9d0c-1f0b7f5d3c11";
        /// The number of a grant; every `oauth2` connection needs one.
        connected_service: Given<i64> = optional(Id), such as 1;
        /// The token. Its mask keeps what is stored.
        credentials: Given<String> = optional(Text::verbatim(CREDENTIAL_BYTES_MAX)) => "a-token-of-the-server";
        /// The word before the token; empty sends the token as it is.
        authorization_scheme: Given<String> = optional(Text::blank(SCHEME_CHARACTERS_MAX)) => "Bearer";
        /// An object of header names and values.
        extra_headers: Given<Value> = optional(Json::object(NO_HEADERS)) => { "x-region": "eu" };
        /// Whether it may be used; true unless given.
        is_active: Option<bool> = optional(Bool) => true;
        /// Whether other tenants may fall back to it when the server is featured.
        is_shared: Option<bool> = optional(Bool) => false;
        /// The tenant, by number or key; must be the caller's.
        platform: Given<String> = optional(Spelled), such as "acme";
    }
}

/// A connection that the caller may ask for, with every complaint so far.
#[derive(Debug)]
pub struct Plan {
    pub(super) draft: Draft,
    /// Every complaint so far; rules of others add theirs, so that all are answered together.
    pub errors: FieldErrors,
}

impl Plan {
    /// The provider of the grant that it is to travel with.
    pub fn provider(&self) -> Option<&str> {
        let grant = self.draft.grant.as_ref();
        let grant = grant.filter(|_| self.draft.auth_type == AuthType::Oauth2);
        grant.map(|grant| grant.provider.as_str())
    }
}

/// What a request means for a new connection, or for `stored`.
///
/// # Errors
/// `Forbidden` for what the caller may not ask for, and if the database fails.
pub async fn plan(
    tx: &mut Tx,
    vault: &Vault,
    caller: &Caller,
    (written, mut errors): (Written, FieldErrors),
    stored: Option<&Connection>,
) -> Result<Plan> {
    if let Some(stored) = stored {
        require_change(caller, stored)?;
    }
    let mut draft = base(tx, caller, stored).await?;
    draft.scope = written.scope.unwrap_or(draft.scope);
    draft.auth_type = written.auth_type.unwrap_or(draft.auth_type);
    draft.is_active = written.is_active.unwrap_or(draft.is_active);
    draft.is_shared = written.is_shared.unwrap_or(draft.is_shared);
    check_platform(caller, &written, &mut errors);
    secrets(vault, stored, &written, (&mut draft, &mut errors));
    look_up_server(tx, caller, &written, (stored, &mut draft, &mut errors)).await?;
    look_up_people(tx, caller, written, (&mut draft, &mut errors)).await?;
    if !caller.is_admin() {
        own_grant_only(caller, &mut draft, &errors)?;
    }
    Ok(Plan { draft, errors })
}

async fn base(tx: &mut Tx, caller: &Caller, stored: Option<&Connection>) -> Result<Draft> {
    let tenant = caller.tenant.id;
    let server = match stored {
        Some(row) => server::find_visible(tx, tenant, row.server_id).await?,
        None => None,
    };
    let grant = match stored.and_then(|row| row.connected_service_id) {
        Some(id) => grant::find(tx, tenant, id).await?,
        None => None,
    };
    let scheme = stored.map(|row| row.authorization_scheme.clone());
    Ok(Draft {
        server,
        scope: stored.map_or(Scope::User, |row| row.scope),
        auth_type: stored.map_or(AuthType::None, |row| row.auth_type),
        user: stored.and_then(|row| row.user_id),
        mentor: stored.and_then(|row| row.mentor_id),
        grant,
        names_grant: false,
        credentials: Change::Keep,
        authorization_scheme: scheme.unwrap_or_default(),
        extra_headers: Change::Keep,
        is_active: stored.is_none_or(|row| row.is_active),
        is_shared: stored.is_none_or(|row| row.is_shared),
    })
}

fn check_platform(caller: &Caller, written: &Written, errors: &mut FieldErrors) {
    let Given::Value(word) = &written.platform else {
        return;
    };
    if *word != caller.tenant.key && word.parse() != Ok(caller.tenant.id.0) {
        let message = "Connections must be created for the current platform context.";
        errors.add("platform", message);
    }
}

/// What clients see of the stored token.
fn shown_credentials(vault: &Vault, stored: Option<&Connection>) -> String {
    stored.map_or_else(String::new, |row| {
        let name = Connection::record_name(row.id);
        let record = Record {
            tenant: row.tenant_id,
            name: &name,
            origin: &row.origin,
        };
        record.masked(vault, &row.credentials_sealed)
    })
}

fn secrets(
    vault: &Vault,
    stored: Option<&Connection>,
    written: &Written,
    (draft, errors): (&mut Draft, &mut FieldErrors),
) {
    match &written.credentials {
        Given::Absent => {}
        Given::Null => draft.credentials = Change::of_credentials(String::new(), "", errors),
        Given::Value(text) => {
            let shown = shown_credentials(vault, stored);
            check_credentials(text, errors);
            draft.credentials = Change::of_credentials(text.clone(), &shown, errors);
        }
    }
    match &written.authorization_scheme {
        Given::Absent => {}
        Given::Null => draft.authorization_scheme = String::new(),
        Given::Value(scheme) => {
            check_scheme(scheme, errors);
            draft.authorization_scheme.clone_from(scheme);
        }
    }
    match &written.extra_headers {
        Given::Absent => {}
        Given::Null => draft.extra_headers = Change::of_headers(None),
        Given::Value(headers) => {
            check_extra(headers, errors);
            draft.extra_headers = Change::of_headers(Some(headers));
        }
    }
}

async fn look_up_server(
    tx: &mut Tx,
    caller: &Caller,
    written: &Written,
    (stored, draft, errors): (Option<&Connection>, &mut Draft, &mut FieldErrors),
) -> Result<()> {
    if let Some(id) = written.server.map(ServerId) {
        draft.server = server::find_visible(tx, caller.tenant.id, id).await?;
        // Of one that its owner features no more, the rules say what may still be done.
        let is_stored = stored.is_some_and(|row| row.server_id == id);
        if draft.server.is_none() && !is_stored {
            // The same for a foreign server and for none at all (docs/inside/threats.md#tenants).
            errors.add("server", SERVER_UNAVAILABLE);
        }
    }
    Ok(())
}

async fn look_up_people(
    tx: &mut Tx,
    caller: &Caller,
    written: Written,
    (draft, errors): (&mut Draft, &mut FieldErrors),
) -> Result<()> {
    let tenant = caller.tenant.id;
    match written.user {
        Given::Absent => {}
        Given::Value(name) if !name.is_empty() => match user::find(tx, tenant, &name).await? {
            Some(found) => draft.user = Some(found.id),
            None => errors.add("user", no_such(name)),
        },
        Given::Null | Given::Value(_) => draft.user = None,
    }
    match written.mentor {
        Given::Absent => {}
        Given::Null => draft.mentor = None,
        Given::Value(uuid) => match mentor::find_by_uuid(tx, tenant, uuid).await? {
            Some(found) => draft.mentor = Some(found.id),
            None => errors.add("mentor", no_such(uuid)),
        },
    }
    match written.connected_service {
        Given::Absent => {}
        Given::Null => draft.grant = None,
        Given::Value(id) => {
            draft.grant = grant::find(tx, tenant, GrantId(id)).await?;
            draft.names_grant = draft.grant.is_some();
            if draft.grant.is_none() {
                errors.add("connected_service", no_such(id));
            }
        }
    }
    Ok(())
}
