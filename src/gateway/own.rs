//! Native servers among a mentor's: called in this process, as the person who calls the mentor, with no right more.
//! Says who is meant, so that no model can mean somebody else; an admin may mean anybody of the tenant.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::item::{Item, List};
use super::mend::Notes;
use super::outcome::Outcome;
use super::refusal::Refusal;
use super::request::Request;
use super::snapshot::Snapshot;
use super::view::{self, View};
use super::{Gateway, fetch};
use crate::auth::{Caller, scope};
use crate::error::Error;
use crate::mcp::raw::string;
use crate::mcp::{Message, RawObject, message};
use crate::native::{self, FACES, Face};
use crate::registry::server::ServerId;

/// The argument that says whom a call is about.
const WHO: &str = "username";

/// Our own servers as a mentor's.
#[derive(Debug)]
pub(crate) struct OwnServers {
    native: Arc<native::Server>,
    /// What each offers, by its name and by whether its caller is the only one who may be meant.
    snapshots: HashMap<(&'static str, bool), Arc<Snapshot>>,
}

impl OwnServers {
    pub(super) fn new(native: Arc<native::Server>) -> Self {
        let kinds = FACES
            .iter()
            .flat_map(|face| [(*face, true), (*face, false)]);
        let snapshots = kinds.map(|(face, is_locked)| {
            let snapshot = offer(&native, face, is_locked);
            ((face.name, is_locked), Arc::new(snapshot))
        });
        Self {
            snapshots: snapshots.collect(),
            native,
        }
    }

    /// The server with this name as a caller may use it.
    pub(super) fn of(&self, name: &str, caller: &Caller) -> Option<view::Own> {
        let face = native::find(name)?;
        let snapshot = self.snapshots.get(&(face.name, is_locked(caller)))?;
        Some(view::Own {
            face,
            snapshot: snapshot.clone(),
        })
    }

    /// Carries a request out.
    pub(super) async fn call(
        &self,
        gateway: &Gateway,
        (server, own): (ServerId, &view::Own),
        request: &Request,
        (view, message, mut params): (&View, &Message, RawObject<'_>),
    ) -> Result<Outcome, Refusal> {
        gateway.audit.admit()?;
        let caller = &request.caller;
        let method = message.method.as_deref().unwrap_or_default();
        if method == "tools/call" && is_locked(caller) {
            name_caller(own.face, caller, &mut params)?;
        }
        request
            .guard
            .depend(|through| through.server = Some(server));
        let mentor = view.mentor.as_ref().map(|mentor| mentor.unique_id.clone());
        let asked = native::Request {
            guard: request.guard.clone(),
            caller: Arc::new(as_holder(own.face, caller)),
            face: own.face,
            version: Some(request.version),
            request_id: request.request_id.clone(),
            base_url: gateway.base_url.as_str().into(),
            mentor: mentor.unwrap_or_default(),
            progress: native::Progress::default(),
        };
        let id = message.id.as_deref().unwrap_or(b"null");
        let text = message::request(id, method, &params.to_json());
        let message = Message::parse(text.into()).map_err(Error::internal)?;
        if let Some((telling, _)) = self.native.tell(&gateway.tasks, &asked, &message).await {
            return Ok(Outcome::Told(telling));
        }
        let answer = self.native.handle(&asked, &message).await;
        Ok(Outcome::Answer(answer.text, answer.status))
    }
}

/// A learner is meant by their own calls; whoever administers the tenant says whom they mean.
fn is_locked(caller: &Caller) -> bool {
    !caller.is_admin()
}

/// The caller as the holder of a key of this server's kind, with what their role allows.
fn as_holder(face: &Face, caller: &Caller) -> Caller {
    Caller {
        kind: face.key,
        scopes: scope::of_role(face.key, caller.user.role).into(),
        ..caller.clone()
    }
}

/// Puts the caller where a tool is told whom it is about, whatever stands there.
fn name_caller(face: &Face, caller: &Caller, params: &mut RawObject<'_>) -> Result<(), Error> {
    let name = params.get_str("name").unwrap_or_default();
    let takes_who = |tool: &native::ToolEntry| (tool.input)()["properties"].get(WHO).is_some();
    if !face.tool(&name).is_some_and(takes_who) {
        return Ok(());
    }
    let arguments = params.get("arguments").unwrap_or(b"{}").to_vec();
    let mut arguments = RawObject::parse(&arguments)
        .map_err(|_| Error::Malformed("params.arguments must be an object".into()))?;
    arguments.set(WHO, string(&caller.user.username));
    let arguments = arguments.to_json();
    params.set("arguments", arguments);
    Ok(())
}

fn offer(native: &native::Server, face: &'static Face, is_locked: bool) -> Snapshot {
    let mut tools = native.tools(face);
    if is_locked {
        tools.iter_mut().for_each(hide_who);
    }
    let items = |list, values: Vec<Value>| -> Arc<[Item]> {
        let items = values.iter();
        let items = items.map(|value| {
            let mut notes = Notes::default();
            let item = fetch::item(list, &value.to_string(), &mut notes)?;
            debug_assert!(notes.is_empty(), "{notes:?}");
            Ok::<_, String>(item)
        });
        items
            .map(|item| item.expect("our own lists are well formed"))
            .collect()
    };
    let lists = [
        items(List::Tools, tools),
        Arc::default(),
        items(List::Resources, native::resources(face, false)),
        items(List::Templates, native::resources(face, true)),
    ];
    Snapshot::fixed(lists, face.instructions)
}

/// Whom a tool is about is not for a model to say, nor to know of.
fn hide_who(tool: &mut Value) {
    let schema = &mut tool["inputSchema"];
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.remove(WHO);
    }
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|name| name != WHO);
    }
}
