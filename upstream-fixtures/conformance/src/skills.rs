//! The one skill that the skills extension serves, from the files in `skill/`.
//! Must never list a file with a digest of other bytes than are read.

use rmcp::ErrorData;
use rmcp::model::{GetSkillResult, ListSkillsResult, ReadResourceDirectoryResult};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::server::complete;

/// Every file of the skill: its URI and its text.
const FILES: [(&str, &str); 2] = [
    ("skill://greeting/SKILL.md", include_str!("skill/SKILL.md")),
    (
        "skill://greeting/references/names.md",
        include_str!("skill/names.md"),
    ),
];

/// Finds the text of a file of the skill.
pub(crate) fn find(uri: &str) -> Option<&'static str> {
    FILES
        .iter()
        .find(|(known, _)| *known == uri)
        .map(|(_, text)| *text)
}

pub(crate) fn list() -> Result<ListSkillsResult, ErrorData> {
    complete(json!({ "skills": [entry()] }))
}

pub(crate) fn get(uri: &str) -> Result<GetSkillResult, ErrorData> {
    if uri != FILES[0].0 {
        let data = Some(json!({ "uri": uri }));
        return Err(ErrorData::invalid_params("No such skill", data));
    }
    complete(json!({ "skill": entry() }))
}

/// Answers what lies directly in a directory of the skill.
pub(crate) fn read_directory(uri: &str) -> Result<ReadResourceDirectoryResult, ErrorData> {
    let file = |(uri, _): (&str, &str)| {
        let name = uri.rsplit('/').next();
        json!({ "uri": uri, "name": name, "mimeType": "text/markdown" })
    };
    let children = match uri.trim_end_matches('/') {
        "skill://greeting" => {
            let references = json!({
                "uri": "skill://greeting/references",
                "name": "references",
                "mimeType": "inode/directory",
            });
            vec![file(FILES[0]), references]
        }
        "skill://greeting/references" => vec![file(FILES[1])],
        _ => {
            let data = Some(json!({ "uri": uri }));
            return Err(ErrorData::invalid_params("Not a directory", data));
        }
    };
    complete(json!({ "resources": children }))
}

/// The entry of the skill; its frontmatter is that of `SKILL.md`, word for word.
fn entry() -> Value {
    let files = FILES.map(|(uri, text)| {
        let digest: String = Sha256::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        json!({ "uri": uri, "digest": format!("sha256:{digest}"), "size": text.len() })
    });
    json!({
        "uri": FILES[0].0,
        "frontmatter": { "name": "greeting", "description": "Greets a learner by name." },
        "resources": files,
    })
}
