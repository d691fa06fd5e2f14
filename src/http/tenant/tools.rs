//! `…/available-tools/`, `…/mentor-tools/` and `…/tool-categories/` (docs/inside/contract.md#tools).
//! The gateway gives a mentor one tool, the MCP tool; other slugs are kept for clients and do nothing here.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::answer::Answer;
use super::super::endpoint::{Call, Endpoint, Shape, query, schema_of};
use base::error::Result;
use base::fields::Reader;
use tenancy::tenant::mentor::{self, MCP_TOOL_SLUGS};

/// Longest query text that is looked for.
const SEARCH_CHARACTERS_MAX: usize = 255;

/// A tool that a mentor can be given.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ToolResponse")]
pub(crate) struct ToolAnswer {
    id: i64,
    name: String,
    display_name: String,
    slug: String,
    category: CategoryAnswer,
    description: String,
    logo: Option<String>,
    metadata: Option<Value>,
    allow_base_agent: bool,
    allow_openai_agent: bool,
    allow_openai_assistant: bool,
    allow_google_agent: bool,
    /// `true` or `false`, as text.
    is_allowed: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ToolCategory")]
struct CategoryAnswer {
    id: i64,
    name: &'static str,
    description: &'static str,
}

const CATEGORY: CategoryAnswer = CategoryAnswer {
    id: 1,
    name: "Integrations",
    description: "Tools of other systems.",
};

const LIST: Shape = Shape::List(schema_of::<ToolAnswer>);

pub(crate) const AVAILABLE: Endpoint =
    Endpoint::closed("Lists the tools that a mentor can be given.", |call| {
        Box::pin(available(call))
    })
    .query(&[
        query("search", "string", "part of the name or the slug"),
        query("ordering", "string", "accepted; there is one tool"),
    ])
    .answers(200, LIST);

pub(crate) const OF_MENTOR: Endpoint =
    Endpoint::closed("Lists the tools that a mentor has.", |call| {
        Box::pin(of_mentor(call))
    })
    .answers(200, LIST);

pub(crate) const CATEGORIES: Endpoint =
    Endpoint::closed("Lists the categories of tools.", |call| {
        Box::pin(categories(call))
    })
    .answers(200, Shape::List(schema_of::<CategoryAnswer>));

pub(crate) const OF_PERSON: Endpoint = Endpoint::closed(
    "Lists the tools that a person's mentors can be given.",
    |call| Box::pin(of_person(call)),
)
.query(&[
    query("search", "string", "part of the name or the slug"),
    query("ordering", "string", "accepted; there is one tool"),
])
.answers(200, LIST);

pub(crate) const CATEGORIES_OF_PERSON: Endpoint = Endpoint::closed(
    "Lists the categories of the tools that a person's mentors can be given.",
    |_| Box::pin(async { Answer::ok(&[CATEGORY]) }),
)
.answers(200, Shape::List(schema_of::<CategoryAnswer>));

/// The tool of a slug, in the spelling that was set.
pub(crate) fn tool(slug: &str) -> ToolAnswer {
    let is_mcp = MCP_TOOL_SLUGS.contains(&slug);
    let name = if is_mcp { "MCP" } else { slug };
    ToolAnswer {
        id: i64::from(is_mcp),
        name: name.to_owned(),
        display_name: name.to_owned(),
        slug: slug.to_owned(),
        category: CATEGORY,
        description: match is_mcp {
            true => "Tools of the attached MCP servers.".to_owned(),
            false => String::new(),
        },
        logo: None,
        metadata: None,
        allow_base_agent: true,
        allow_openai_agent: true,
        allow_openai_assistant: false,
        allow_google_agent: true,
        is_allowed: if is_mcp { "true" } else { "false" },
    }
}

async fn available(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    mentor::get(&mut tx, call.caller.tenant.id, call.path.get("mentor")).await?;
    found(&call)
}

async fn of_person(call: Call) -> Result<Answer> {
    found(&call)
}

/// The tools that there are, as far as they are sought.
fn found(call: &Call) -> Result<Answer> {
    let mut reader = Reader::new(&call.query);
    let search = reader.filter("search", SEARCH_CHARACTERS_MAX);
    reader.finish()?;
    let mcp = tool(MCP_TOOL_SLUGS[0]);
    let is_found = search.is_none_or(|text| {
        let text = text.to_lowercase();
        mcp.slug.contains(&text) || mcp.name.to_lowercase().contains(&text)
    });
    Answer::ok(&Vec::from_iter(is_found.then_some(mcp)))
}

async fn categories(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    mentor::get(&mut tx, call.caller.tenant.id, call.path.get("mentor")).await?;
    Answer::ok(&[CATEGORY])
}

async fn of_mentor(call: Call) -> Result<Answer> {
    let mut tx = call.app.db.read().await?;
    let mentor = mentor::get(&mut tx, call.caller.tenant.id, call.path.get("mentor")).await?;
    let tools: Vec<_> = mentor.tool_slugs().iter().map(|slug| tool(slug)).collect();
    Answer::ok(&tools)
}
