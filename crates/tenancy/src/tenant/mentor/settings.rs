//! Everything a client may set on a mentor beside its name, tools and servers: one line each.
//! The gateway stores these and gives them back in the types that the published models insist on; only chats act on some.

use base::fields::{Need, Published};
use serde_json::{Map, Value, json};

/// The values a setting may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A text of at most so many characters.
    Text(usize),
    /// The same, or null.
    TextOrNull(usize),
    /// True or false.
    Bool,
    /// True, false or null.
    BoolOrNull,
    /// A truth value that is answered as the text `true` or `false`.
    BoolAsText,
    /// The number of something, answered as text; empty if unset.
    IdAsText,
    /// A number from 0 to 1.
    Fraction,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or null.
    WordOrNull(&'static [&'static str]),
    /// Any JSON value.
    Json,
}

impl Published for Kind {
    fn schema(&self) -> Value {
        match self {
            Self::Text(max) | Self::TextOrNull(max) => {
                json!({ "type": "string", "maxLength": max })
            }
            Self::Bool | Self::BoolAsText | Self::BoolOrNull => json!({ "type": "boolean" }),
            Self::IdAsText => json!({ "type": "integer" }),
            Self::Fraction => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
            Self::Word(words) | Self::WordOrNull(words) => {
                json!({ "type": "string", "enum": words })
            }
            Self::Json => json!({}),
        }
    }

    fn need(&self) -> Need {
        Need::Optional
    }
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in requests and answers.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Its value until it is set, as JSON text.
    pub default: &'static str,
    /// Whether somebody without a key may read it.
    pub is_public: bool,
}

const fn public(name: &'static str, kind: Kind, default: &'static str) -> Setting {
    Setting {
        name,
        kind,
        default,
        is_public: true,
    }
}

const fn private(name: &'static str, kind: Kind, default: &'static str) -> Setting {
    Setting {
        is_public: false,
        ..public(name, kind, default)
    }
}

/// Longest prompt or script, in characters.
const LONG: usize = 50_000;
/// Longest name, in characters.
const SHORT: usize = 255;
/// Longest colour, `#rrggbb`.
const COLOUR: usize = 7;

use Kind::{
    Bool, BoolAsText, BoolOrNull, Fraction, IdAsText, Json, Text, TextOrNull, Word, WordOrNull,
};

/// Every setting (docs/inside/contract.md#mentor-settings).
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    public("display_name", TextOrNull(SHORT), "null"),
    public("profile_image", TextOrNull(LONG), "null"),
    public("initial_message", TextOrNull(LONG), "null"),
    public("suggested_message", TextOrNull(LONG), "null"),
    public("theme", WordOrNull(&["dark", "light"]), "null"),
    public("user_message_color", TextOrNull(COLOUR), "null"),
    public("mentor_bubble_color", TextOrNull(COLOUR), "null"),
    public("align_mentor_bubble", WordOrNull(&["left", "right"]), "null"),
    public("metadata", Json, "{}"),
    public("mentor_visibility", Word(&[
        "viewable_by_tenant_students", "viewable_by_tenant_admins", "viewable_by_anyone", "",
    ]), "\"viewable_by_tenant_students\""),
    public("enable_image_generation", BoolOrNull, "null"),
    public("enable_web_browsing", BoolOrNull, "null"),
    public("enable_code_interpreter", BoolOrNull, "null"),
    public("enable_memory_component", Bool, "false"),
    public("custom_css", TextOrNull(LONG), "null"),
    public("custom_javascript", TextOrNull(LONG), "null"),
    public("enable_custom_javascript", Bool, "false"),
    public("allow_anonymous", Bool, "false"),
    public("enable_offline_mode", Bool, "false"),
    public("suggested_prompts", Json, "null"),
    public("proactive_response", Text(LONG), "\"\""),
    public("greeting_method", Word(&["proactive_prompt", "proactive_response"]), "\"proactive_response\""),
    public("llm_name", Text(SHORT), "\"\""),
    public("llm_provider", Text(SHORT), "\"\""),
    public("proactive_prompt", Text(LONG), "\"\""),
    public("study_mode_prompt", Text(LONG), "\"\""),
    public("disclaimer", Text(LONG), "\"\""),
    public("enable_disclaimer", Bool, "false"),
    public("show_attachment", Bool, "false"),
    public("show_voice_call", Bool, "false"),
    public("show_voice_record", Bool, "false"),
    public("show_rag_images", Bool, "false"),
    public("starter_prompts", Word(&["guided_prompt", "suggested_prompt"]), "\"guided_prompt\""),
    public("embed_is_context_aware", Bool, "false"),
    public("embed_open_by_default", Bool, "false"),
    public("embed_show_attachment", Bool, "false"),
    public("embed_show_voice_call", Bool, "false"),
    public("embed_show_voice_record", Bool, "false"),
    public("show_explore_mentors", Bool, "false"),
    public("embed_icon_selection_data", Json, "null"),
    public("embed_custom_image", TextOrNull(LONG), "null"),
    public("placeholder_prompt", Text(LONG), "\"\""),
    public("enable_email_chat", Bool, "false"),
    public("enable_spaced_repetition", Bool, "false"),
    public("enable_instruction_mode", Bool, "false"),
    public("enable_socratic_mode", Bool, "false"),
    public("is_guided_mentor", Bool, "false"),
    public("is_featured", Bool, "false"),
    public("enable_guided_prompts", Bool, "false"),
    public("save_flagged_prompts", Bool, "true"),
    public("enable_moderation", Bool, "false"),
    public("enable_multi_query_rag", Bool, "false"),
    public("enable_prompt_caching", Bool, "false"),
    public("enable_post_processing_system", Bool, "false"),
    public("enable_safety_system", Bool, "false"),
    public("forkable", Bool, "false"),
    public("forkable_with_training_data", Bool, "false"),
    public("llm_config", Json, "null"),
    private("system_prompt", Text(LONG), "\"\""),
    private("llm_temperature", Fraction, "0"),
    private("safety_system_prompt", Text(LONG), "\"\""),
    private("safety_response", Text(LONG), "\"\""),
    private("moderation_system_prompt", Text(LONG), "\"\""),
    private("post_processing_prompt", Text(LONG), "\"\""),
    private("moderation_response", Text(LONG), "\"\""),
    private("guided_prompt_instructions", Text(LONG), "\"\""),
    private("department_id", IdAsText, "\"\""),
    private("disable_chathistory", BoolAsText, "\"false\""),
    private("google_voice", IdAsText, "\"\""),
    private("openai_voice", IdAsText, "\"\""),
    private("seo_tags", Json, "null"),
    private("marketing_conversations", Json, "null"),
    private("template_mentor", Json, "null"),
    private("enable_openai_assistant", Bool, "false"),
    private("enable_total_grounding", Bool, "false"),
    private("enable_suggested_prompts", Bool, "false"),
    private("is_lti_accessible", BoolOrNull, "null"),
];

/// The value of a setting: what was stored, else its default.
pub fn value_of(stored: &Map<String, Value>, setting: &Setting) -> Value {
    match stored.get(setting.name) {
        Some(value) => value.clone(),
        None => serde_json::from_str(setting.default).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_json_and_every_name_stands_once() {
        let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        for setting in SETTINGS {
            assert!(
                serde_json::from_str::<Value>(setting.default).is_ok(),
                "{}",
                setting.name
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
    }
}
