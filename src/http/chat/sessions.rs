//! `…/sessions/`: making, reading, changing and deleting chat sessions (docs/inside/contract.md#chat-sessions).
//! One is made without a key, so that nothing is said here of who exists; the key is shown when it is connected to.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::answer::Answer;
use super::super::drf::page;
use super::super::endpoint::{Call, Endpoint, Incoming, Shape, query, schema_of};
use super::super::tenant::tools::{ToolAnswer, tool};
use base::error::{Error, Result};
use base::fields::kind::{Bool, Texts};
use base::fields::{Body, Given, Request, Text, optional, request, required};
use base::storage::Tx;
use relay::chat::message::{self, Message};
use relay::chat::session::{self, NewSession, Session, TITLE_CHARACTERS_MAX};
use tenancy::audit;
use tenancy::auth::Caller;
use tenancy::tenant;
use tenancy::tenant::mentor::{self, Mentor, NAME_CHARACTERS_MAX};

/// Slugs in one request.
const TOOLS_MAX: usize = 1000;

request! {
    /// A session to be made.
    struct SessionRequest {
        /// The mentor: UUID, name or slug.
        mentor: Option<String> = required(Text::filled(NAME_CHARACTERS_MAX)) => "help-desk";
        /// The slugs of the tools to use; null for all, an empty list for none.
        tools: Given<Vec<String>> = optional(Texts::up_to(TOOLS_MAX)) => ["mcp"];
        /// Kept and given back; the gateway makes no artifacts.
        enable_artifacts: Given<bool> = optional(Bool) => false;
    } ignored {
        /// Not used: the gateway has no share links.
        shareable_link_token = "";
    }
}

/// A session as it was made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatSessionResponse")]
struct SessionAnswer {
    session_id: String,
    tools: Vec<ToolAnswer>,
    enable_artifacts: bool,
    artifacts: Vec<Value>,
}

request! {
    /// What may be changed.
    struct ChangeRequest {
        /// What the session is called.
        title: Given<String> = optional(Text::blank(TITLE_CHARACTERS_MAX)) => "My essay";
        /// The slugs of the tools to use; null for all, an empty list for none.
        tools: Given<Vec<String>> = optional(Texts::up_to(TOOLS_MAX)) => [];
        /// Kept and given back.
        enable_artifacts: Given<bool> = optional(Bool) => false;
        /// Whether others of the tenant may read it.
        is_shared: Given<bool> = optional(Bool) => true;
    }
}

/// That it was changed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MessageViewUpdateResponse")]
struct Changed {
    detail: &'static str,
}

/// A session with a page of what was said, the newest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MessageView")]
struct SessionView {
    count: i64,
    title: String,
    is_shared: bool,
    proactive_prompt: String,
    mentor_unique_id: String,
    platform_key: String,
    /// The page before; empty if there is none.
    previous: String,
    /// The page after; empty if there is none.
    next: String,
    results: Vec<MessageAnswer>,
}

/// Something that was said.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChatMessage")]
struct MessageAnswer {
    id: i64,
    /// `human` or `ai`.
    #[serde(rename = "type")]
    kind: &'static str,
    content: String,
    created_at: String,
}

pub(crate) const CREATE: Endpoint = Endpoint::open(
    "Makes a chat session. It becomes the person's when they connect to it with their key.",
    |incoming| Box::pin(create(incoming)),
)
.reads(Body::whole("ChatSessionRequest", &[SessionRequest::TABLE]))
.answers(200, Shape::One(schema_of::<SessionAnswer>));

pub(crate) const READ: Endpoint = Endpoint::closed(
    "Reads a chat session and what was said in it, the newest first.",
    |call| Box::pin(read(call)),
)
.query(&[
    query("page", "integer", "the number of the page, from 1"),
    query(
        "page_size",
        "integer",
        "messages in a page: 100 unless given",
    ),
    query("share", "boolean", "read somebody else's shared session"),
])
.answers(200, Shape::One(schema_of::<SessionView>));

pub(crate) const CHANGE: Endpoint =
    Endpoint::closed("Changes the given fields of a chat session.", |call| {
        Box::pin(change(call))
    })
    .reads(Body::partial("MessageViewRequest", &[ChangeRequest::TABLE]))
    .answers(200, Shape::One(schema_of::<Changed>));

pub(crate) const DELETE: Endpoint = Endpoint::closed(
    "Deletes a chat session and everything that was said in it.",
    |call| Box::pin(delete(call)),
);

async fn create(incoming: Incoming) -> Result<Answer> {
    let (asked, errors) = SessionRequest::whole(&incoming.fields);
    errors.into_result()?;
    let mentor = asked.mentor.unwrap_or_default();
    let enable_artifacts = asked.enable_artifacts.value() == Some(true);
    let mut tx = incoming.app.db.write().await?;
    let tenant = tenant::get(&mut tx, incoming.path.get("org")).await?;
    let mentor = mentor::get(&mut tx, tenant.id, &mentor).await?;
    // A path that was put together without a user names nobody.
    let username = incoming.path.find("user_id").unwrap_or_default();
    let username = if username == "undefined" {
        ""
    } else {
        username
    };
    let new = NewSession {
        tenant: &tenant,
        mentor: &mentor,
        username,
        tools: asked.tools.value(),
        enable_artifacts,
    };
    let made = session::create(&mut tx, new, incoming.now()).await?;
    tx.commit().await?;
    let slugs = made.tool_slugs().unwrap_or_else(|| mentor.tool_slugs());
    Answer::ok(&SessionAnswer {
        session_id: made.unique_id,
        tools: slugs.iter().map(|slug| tool(slug)).collect(),
        enable_artifacts,
        artifacts: Vec::new(),
    })
}

async fn read(call: Call) -> Result<Answer> {
    let wants_shared = call.query.has("share");
    let asked = page::request(&call.query)?;
    let mut tx = call.app.db.read().await?;
    let session = of_path(&mut tx, &call).await?;
    let is_shared = session.is_shared && wants_shared;
    if !(may_touch(&session, &call.caller) || is_shared) {
        return Err(Error::NotFound("chat session"));
    }
    let mentor = mentor::get_by_id(&mut tx, session.tenant_id, session.mentor_id).await?;
    let page = message::list(&mut tx, session.id, asked).await?;
    let (previous, next) = page::neighbours(&call, asked, page.total)?;
    Answer::ok(&SessionView {
        count: page.total,
        title: session.title,
        is_shared: session.is_shared,
        proactive_prompt: proactive_prompt(&mentor),
        mentor_unique_id: mentor.unique_id,
        platform_key: call.caller.tenant.key.clone(),
        previous: previous.unwrap_or_default(),
        next: next.unwrap_or_default(),
        results: page.rows.into_iter().map(shown).collect(),
    })
}

fn proactive_prompt(mentor: &Mentor) -> String {
    let settings = mentor.stored_settings();
    let prompt = settings.get("proactive_prompt").and_then(Value::as_str);
    prompt.unwrap_or_default().to_owned()
}

fn shown(message: Message) -> MessageAnswer {
    MessageAnswer {
        id: message.id,
        kind: message.kind.as_str(),
        content: message.content,
        created_at: message.created_at.to_iso(),
    }
}

async fn change(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let mut session = own(&mut tx, &call).await?;
    let mentor = mentor::get_by_id(&mut tx, session.tenant_id, session.mentor_id).await?;
    let (asked, mut errors) = ChangeRequest::partial(&call.fields);
    if let Given::Value(title) = asked.title {
        session.title = title;
    }
    match asked.tools {
        Given::Absent => {}
        Given::Null => session.tools = None,
        Given::Value(slugs) => {
            session::check_tools(&mentor, Some(&slugs), &mut errors);
            session.tools = Some(serde_json::json!(slugs).to_string());
        }
    }
    if let Given::Value(flag) = asked.enable_artifacts {
        session.enable_artifacts = flag;
    }
    if let Given::Value(flag) = asked.is_shared {
        session.is_shared = flag;
    }
    errors.into_result()?;
    session.updated_at = call.now();
    session::store(&mut tx, &session).await?;
    record(&call, &mut tx, "chat_session.update", &session).await?;
    tx.commit().await?;
    Answer::ok(&Changed {
        detail: "Chat session updated.",
    })
}

async fn delete(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.write().await?;
    let session = own(&mut tx, &call).await?;
    session::delete(&mut tx, session.id).await?;
    record(&call, &mut tx, "chat_session.delete", &session).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

/// The session of the path. Clients leave out the user, so the path's is not looked at; the session knows whose it is.
async fn of_path(tx: &mut Tx, call: &Call) -> Result<Session> {
    let id = call.path.get("session_id").to_lowercase();
    session::get(tx, call.caller.tenant.id, &id).await
}

async fn own(tx: &mut Tx, call: &Call) -> Result<Session> {
    let session = of_path(tx, call).await?;
    match may_touch(&session, &call.caller) {
        true => Ok(session),
        false => Err(Error::NotFound("chat session")),
    }
}

fn may_touch(session: &Session, caller: &Caller) -> bool {
    session.belongs_to(caller) || caller.is_admin()
}

async fn record(call: &Call, tx: &mut Tx, action: &str, session: &Session) -> Result<()> {
    let entry = call.entry(action, format!("chat_session:{}", session.unique_id));
    audit::record(tx, &entry).await
}
