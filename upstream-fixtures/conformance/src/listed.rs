//! What is listed, as data in `listed.json`.
//! Must never list what nobody answers.

use rmcp::model::{Prompt, Resource, ResourceTemplate, Tool};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Everything that the four lists hold.
pub(crate) struct Listed {
    pub(crate) tools: Vec<Tool>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) templates: Vec<ResourceTemplate>,
    pub(crate) prompts: Vec<Prompt>,
}

#[derive(Deserialize)]
struct File {
    tools: Vec<Value>,
    resources: Vec<Value>,
    templates: Vec<Value>,
    prompts: Vec<Value>,
}

impl Listed {
    /// Reads the lists; a tool without a schema takes no arguments.
    pub(crate) fn read() -> serde_json::Result<Listed> {
        let mut file: File = serde_json::from_str(include_str!("listed.json"))?;
        for tool in &mut file.tools {
            if tool["inputSchema"].is_null() {
                tool["inputSchema"] = json!({ "type": "object", "properties": {} });
            }
        }
        Ok(Listed {
            tools: all(file.tools)?,
            resources: all(file.resources)?,
            templates: all(file.templates)?,
            prompts: all(file.prompts)?,
        })
    }
}

fn all<T: DeserializeOwned>(items: Vec<Value>) -> serde_json::Result<Vec<T>> {
    items.into_iter().map(serde_json::from_value).collect()
}
