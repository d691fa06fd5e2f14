//! Tasks of upstreams (extension `io.modelcontextprotocol/tasks`): ids are bound to the caller who was given
//! them, without any state of ours, so they work on every replica and for nobody else
//! (docs/inside/threats.md#endpoints).

use bytes::Bytes;

use super::Gateway;
use super::request::Request;
use super::view::View;
use serde_json::json;

use base::secret::{Secret, Vault};
use mcp::error::{INVALID_PARAMS, MISSING_CLIENT_CAPABILITY, RpcError};
use mcp::raw::string;
use mcp::{RawObject, message};

/// What a client declares that can handle tasks.
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Characters of the digest in an id of ours: 128 bits.
const DIGEST_CHARACTERS: usize = 32;
/// The member that names a task in parameters, results and notifications.
const TASK_ID: &str = "taskId";
/// The member of a subscription's filter that names tasks.
const TASK_IDS: &str = "taskIds";

/// Whether a method is about one task.
pub(crate) fn is_task_method(method: &str) -> bool {
    matches!(method, "tasks/get" | "tasks/update" | "tasks/cancel")
}

/// Whose tasks, at which server.
#[derive(Debug, Clone)]
pub struct Owner {
    who: String,
    server: i64,
}

impl Owner {
    /// The caller of a request, at a server.
    pub fn new(request: &Request, server: i64) -> Self {
        let caller = &request.caller;
        Self {
            who: format!("{}:{}", caller.tenant.id.0, caller.user.id.0),
            server,
        }
    }

    /// The id that the caller is given: the server's number, a digest, the upstream's own id.
    fn expose(&self, vault: &Vault, own: &str) -> String {
        format!("{}.{}.{own}", self.server, self.digest(vault, own))
    }

    fn digest(&self, vault: &Vault, own: &str) -> String {
        let bound = Secret::new(format!("task:{}:{}:{own}", self.who, self.server));
        vault.digest(&bound)[..DIGEST_CHARACTERS].to_owned()
    }

    /// The upstream's own id in an id that this caller was given.
    fn own(&self, vault: &Vault, exposed: &str) -> Option<String> {
        let (server, rest) = exposed.split_once('.')?;
        let (digest, own) = rest.split_once('.')?;
        let is_theirs = server.parse() == Ok(self.server) && digest == self.digest(vault, own);
        is_theirs.then(|| own.to_owned())
    }

    /// A result or notification with the ids that the caller knows.
    fn expose_in(&self, vault: &Vault, json: &[u8]) -> Option<Vec<u8>> {
        let mut object = RawObject::parse(json).ok()?;
        let own = object.get_str(TASK_ID)?;
        object.set(TASK_ID, string(&self.expose(vault, &own)));
        Some(object.to_json())
    }
}

/// The server that a task's id names.
///
/// # Errors
/// -32602 if the id is not one of ours.
pub fn server_of(params: &RawObject<'_>) -> Result<i64, RpcError> {
    let id = params.get_str(TASK_ID).unwrap_or_default();
    id.split_once('.')
        .and_then(|(server, _)| server.parse().ok())
        .ok_or_else(unknown)
}

fn unknown() -> RpcError {
    RpcError::new(INVALID_PARAMS, "Unknown task")
}

/// Puts the upstream's own id into the parameters of a task method.
///
/// # Errors
/// -32021 for a client that did not declare the extension, -32602 for another caller's id, as for one that
/// never was.
pub fn enter(
    gateway: &Gateway,
    request: &Request,
    owner: &Owner,
    params: &mut RawObject<'_>,
) -> Result<(), RpcError> {
    if !may_come(request) {
        let required = json!({ "requiredCapabilities": { "extensions": { EXTENSION: {} } } });
        let error = RpcError::new(
            MISSING_CLIENT_CAPABILITY,
            "Missing required client capability",
        );
        return Err(error.with_data(required).with_status(400));
    }
    let exposed = params.get_str(TASK_ID).ok_or_else(unknown)?;
    let own = owner.own(&gateway.vault, &exposed).ok_or_else(unknown)?;
    params.set(TASK_ID, string(&own));
    Ok(())
}

/// Puts the upstream's own ids into a subscription's filter; ids of others are left out.
pub(crate) fn enter_filter(gateway: &Gateway, owner: &Owner, params: &mut RawObject<'_>) {
    let Some(filter) = params.get("notifications").map(<[u8]>::to_vec) else {
        return;
    };
    let Ok(mut filter) = RawObject::parse(&filter) else {
        return;
    };
    let Some(ids) = filter
        .get(TASK_IDS)
        .and_then(|ids| serde_json::from_slice::<Vec<String>>(ids).ok())
    else {
        return;
    };
    let own: Vec<String> = ids
        .iter()
        .filter_map(|id| owner.own(&gateway.vault, id))
        .collect();
    filter.set(TASK_IDS, serde_json::json!(own).to_string().into_bytes());
    let filter = filter.to_json();
    params.set("notifications", filter);
}

/// Whether answers to this request may be tasks: the client declared the extension.
pub fn may_come(request: &Request) -> bool {
    let declared = &request.client.capabilities;
    request.version.is_modern() && memchr::memmem::find(declared, EXTENSION.as_bytes()).is_some()
}

/// A result with the ids that the caller knows; `None` if it is about no task.
pub fn leave(gateway: &Gateway, owner: &Owner, result: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(result, b"\"taskId\"")?;
    owner.expose_in(&gateway.vault, result)
}

/// A notification with the ids that the caller knows.
pub(crate) fn leave_notification(
    gateway: &Gateway,
    owner: &Owner,
    method: &str,
    params: &[u8],
) -> Option<Bytes> {
    let params = match method {
        "notifications/tasks" => owner.expose_in(&gateway.vault, params)?,
        "notifications/subscriptions/acknowledged" => {
            let mut params = RawObject::parse(params).ok()?;
            let filter = params.get("notifications")?.to_vec();
            let mut filter = RawObject::parse(&filter).ok()?;
            let ids: Vec<String> = serde_json::from_slice(filter.get(TASK_IDS)?).ok()?;
            let exposed: Vec<String> = ids
                .iter()
                .map(|own| owner.expose(&gateway.vault, own))
                .collect();
            filter.set(
                TASK_IDS,
                serde_json::json!(exposed).to_string().into_bytes(),
            );
            let filter = filter.to_json();
            params.set("notifications", filter);
            params.to_json()
        }
        _ => return None,
    };
    Some(message::notification(method, &params).into())
}

/// The member of a view that a task belongs to.
///
/// # Errors
/// -32602 if no member has that server.
pub(crate) fn member_of<'a>(
    view: &'a View,
    params: &RawObject<'_>,
) -> Result<&'a super::view::Member, RpcError> {
    let server = server_of(params)?;
    view.members
        .iter()
        .find(|member| member.server.id.0 == server)
        .ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_means_something_only_to_the_caller_who_was_given_it() {
        let vault = Vault::parse(&Vault::generate_text()).unwrap();
        let alice = Owner {
            who: "1:1".into(),
            server: 9,
        };
        let bob = Owner {
            who: "1:2".into(),
            server: 9,
        };
        let elsewhere = Owner {
            who: "1:1".into(),
            server: 10,
        };
        let id = alice.expose(&vault, "job.7");
        assert_eq!(alice.own(&vault, &id).as_deref(), Some("job.7"));
        assert_eq!(bob.own(&vault, &id), None);
        assert_eq!(elsewhere.own(&vault, &id), None);
        assert_eq!(alice.own(&vault, "job.7"), None);
    }
}
