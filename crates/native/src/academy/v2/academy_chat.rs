//! `academy_chat`: a question to the materials of a course (docs/inside/academy.md#823-academy_chat).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor;
use super::view::hundredths;
use crate::failure::Refusal;
use crate::long::{LongCall, LongTool};
use learning::academy::course_chat::{self, Page, Source};
use learning::academy::enrollment;

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
    /// Why the answer is not written by the language model that the tenant has.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
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
    /// As the language model's endpoint counts them; 0 if none was asked, or it does not say.
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

impl From<&Page> for Chunk {
    fn from(page: &Page) -> Self {
        Self {
            text: page.body.clone(),
            source: page.material_id.clone(),
            page: page.page,
        }
    }
}

impl LongTool for Chat {
    const NAME: &'static str = "academy_chat";
    const TITLE: &'static str = "Ask the course materials";
    const DESCRIPTION: &'static str =
        "Ask questions about course content using RAG-powered chatbot";
    const SCOPES: &'static [&'static str] = &["chat:write"];
    type Args = Args;
    type Output = Output;

    async fn call(call: &LongCall<'_>, args: Args) -> Result<Output, Refusal> {
        let mut tx = call.write().await?;
        let mut within = call.within(&mut tx);
        let actor = actor(&mut within, "admin:enrollments").await?;
        let enrollment = enrollment::get(within.tx, &actor, &args.enrollment_id).await?;
        enrollment.require_access("the course chat", within.now)?;
        let message = (args.message.as_str(), args.conversation_id.as_deref());
        let asked = course_chat::ask(within.tx, &actor, &enrollment, message, within.now).await?;
        let model = call.model(&mut tx).await?;
        let (mut tx, answer) = match model.filter(|_| asked.found_something()) {
            // The question and its audit row stay, whatever comes of the answer; the row then says it.
            Some(model) => {
                call.spans_transactions();
                call.commit(tx).await?;
                let answer = asked.written_by(&model).await;
                (call.write().await?, answer)
            }
            None => (tx, asked.drawn()),
        };
        let within = call.within(&mut tx);
        course_chat::answered(within.tx, actor.realm, &answer, within.now).await?;
        call.commit(tx).await?;
        let wants_context = args.include_context.unwrap_or(false);
        Ok(Output {
            context: wants_context.then(|| answer.retrieved.iter().map(Into::into).collect()),
            response: Response {
                text: answer.text,
                confidence: hundredths(answer.confidence),
                sources: answer.sources.iter().map(Into::into).collect(),
            },
            conversation_id: answer.conversation,
            message_id: answer.message,
            metadata: Metadata {
                tokens_used: answer.tokens,
                processing_time: answer.duration_ms,
            },
            notice: answer.notice,
        })
    }
}
