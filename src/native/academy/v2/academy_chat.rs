//! `academy_chat`: a question to the materials of a course (specification 8.2.3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor;
use super::view::hundredths;
use crate::academy::course_chat::{self, Source};
use crate::academy::enrollment;
use crate::native::failure::Refusal;
use crate::native::tool::{Access, Call, Tool};

pub(super) struct Chat;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Args {
    /// Enrollment ID for context
    enrollment_id: String,
    /// User question or message
    #[schemars(length(min = 1, max = 4000))]
    message: String,
    /// Optional conversation ID to continue existing chat
    conversation_id: Option<String>,
    /// Include retrieved context chunks in response (default: false)
    include_context: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    conversation_id: String,
    message_id: String,
    response: Response,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Vec<Chunk>>,
    metadata: Metadata,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Response {
    text: String,
    confidence: f64,
    sources: Vec<SourceItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct SourceItem {
    material_id: String,
    material_name: String,
    page: i64,
    relevance_score: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Chunk {
    text: String,
    source: String,
    page: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Metadata {
    /// Of a language model; none is asked for an answer that is drawn from the materials.
    tokens_used: i64,
    /// In milliseconds.
    processing_time: i64,
}

impl From<&Source> for SourceItem {
    fn from(source: &Source) -> Self {
        Self {
            material_id: source.page.material_id.clone(),
            material_name: source.page.title.clone(),
            page: source.page.page,
            relevance_score: hundredths(source.relevance),
        }
    }
}

impl Tool for Chat {
    const NAME: &'static str = "academy_chat";
    const TITLE: &'static str = "Ask the course materials";
    const DESCRIPTION: &'static str =
        "Ask questions about course content using RAG-powered chatbot";
    const SCOPES: &'static [&'static str] = &["chat:write"];
    const ACCESS: Access = Access::Write;
    type Args = Args;
    type Output = Output;

    async fn call(call: &mut Call<'_>, args: Args) -> Result<Output, Refusal> {
        let actor = actor(call, "admin:enrollments").await?;
        let enrollment = enrollment::get(call.tx, &actor, &args.enrollment_id).await?;
        enrollment.require_access("the course chat", call.now)?;
        let asked = (args.message.as_str(), args.conversation_id.as_deref());
        let answer = course_chat::ask(call.tx, actor.realm, &enrollment, asked, call.now).await?;
        let chunk = |source: &Source| Chunk {
            text: source.page.body.clone(),
            source: source.page.material_id.clone(),
            page: source.page.page,
        };
        let wants_context = args.include_context.unwrap_or(false);
        Ok(Output {
            context: wants_context.then(|| answer.sources.iter().map(chunk).collect()),
            response: Response {
                text: answer.text,
                confidence: hundredths(answer.confidence),
                sources: answer.sources.iter().map(Into::into).collect(),
            },
            conversation_id: answer.conversation,
            message_id: answer.message,
            metadata: Metadata {
                tokens_used: 0,
                processing_time: answer.duration_ms,
            },
        })
    }
}
