//! The engine that needs no model: it lists the mentor's tools and runs `/tool name {json}`.
//! Never pretends to understand anything else.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::Talk;
use crate::chat::tools::ServerState;
use base::error::Result;

/// What a message that runs a tool begins with.
const COMMAND: &str = "/tool";
/// Most characters of a tool's description in the list.
const DESCRIPTION_CHARACTERS_MAX: usize = 160;

/// Answers one turn.
///
/// # Errors
/// None of its own; the signature is every engine's.
pub(in crate::chat) async fn answer(talk: &mut Talk<'_>) -> Result<()> {
    let reply = match command(&talk.told.text) {
        Some(Ok((name, arguments))) => {
            let called = talk.call(name, &arguments).await;
            match (called.is_error, called.text.is_empty()) {
                (false, true) => format!("`{name}` has finished and said nothing."),
                (false, false) => called.text,
                (true, true) => format!("`{name}` failed and did not say why."),
                (true, false) => format!("`{name}` failed: {}", called.text),
            }
        }
        Some(Err(help)) => help,
        None if talk.told.is_proactive => talk.greeting().unwrap_or_else(|| overview(talk)),
        None => overview(talk),
    };
    talk.out.say(&reply).await;
    Ok(())
}

/// The tool and the arguments that a message asks for; what is wrong with it if it is meant to and does not.
fn command(text: &str) -> Option<Result<(&str, Box<RawValue>), String>> {
    let rest = text.trim().strip_prefix(COMMAND)?;
    if !(rest.is_empty() || rest.starts_with(char::is_whitespace)) {
        return None;
    }
    let rest = rest.trim();
    let (name, json) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if name.is_empty() {
        return Some(Err(
            "Say which tool: `/tool name {\"argument\": \"value\"}`.".into(),
        ));
    }
    let json = match json.trim() {
        "" => "{}",
        json => json,
    };
    let is_object = json.starts_with('{');
    let parsed = RawValue::from_string(json.to_owned());
    Some(match parsed {
        Ok(arguments) if is_object => Ok((name, arguments)),
        _ => Err(format!(
            "The arguments of `{name}` are not a JSON object. Write `/tool {name} {{\"argument\": \"value\"}}`."
        )),
    })
}

/// Everything that can be done here.
fn overview(talk: &Talk<'_>) -> String {
    let mentor = &talk.mentor.name;
    let mut text = format!("{mentor} has no language model, so it can run tools and nothing else.");
    if let Some(note) = talk.note {
        let _ = write!(text, "\n\n{note}");
    } else if talk.listed.tools.is_empty() {
        text.push_str("\n\nThere are no tools now.");
    } else {
        text.push_str("\n\nRun one with `/tool name {\"argument\": \"value\"}`:\n");
        for tool in &talk.listed.tools {
            let about = first_line(&tool.description);
            let colon = if about.is_empty() { "" } else { ": " };
            let _ = write!(text, "\n- `{}`{colon}{about}", tool.name);
        }
    }
    for sentence in talk.listed.servers.iter().filter_map(ServerState::sentence) {
        let _ = write!(text, "\n\n{sentence}");
    }
    text
}

fn first_line(description: &str) -> String {
    let line = description.trim().lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(DESCRIPTION_CHARACTERS_MAX).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Result<(String, String), String>> {
        let command = command(text)?;
        Some(command.map(|(name, arguments)| (name.to_owned(), arguments.get().to_owned())))
    }

    #[test]
    fn a_command_names_a_tool_and_its_arguments() {
        let run = |name: &str, json: &str| Some(Ok((name.to_owned(), json.to_owned())));
        assert_eq!(
            read(" /tool up__echo {\"a\": 1.0} "),
            run("up__echo", "{\"a\": 1.0}")
        );
        assert_eq!(read("/tool\tup__whoami"), run("up__whoami", "{}"));
        assert_eq!(read("/tooling is hard"), None);
        assert_eq!(read("use /tool x"), None);
    }

    #[test]
    fn a_broken_command_is_explained_and_not_run() {
        for text in ["/tool", "/tool x [1]", "/tool x {", "/tool x {} {}"] {
            assert!(matches!(read(text), Some(Err(_))), "{text}");
        }
    }
}
