//! Path spellings: prefixes, twins and the closing slash, brought to the one form that the table routes.
//! Never looks at what a segment names.

use axum::extract::Request;
use http::Uri;

use broker::registry::Scope;
use broker::registry::connection::MENTOR_REQUIRED;

/// Which words a client uses: the older `mentor` or the newer `agent` spelling (docs/inside/contract.md#paths).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Words {
    /// `mentor`, the canonical one.
    #[default]
    Mentor,
    /// `agent`, in paths, field names, scope values and error messages.
    Agent,
}

/// What the agent twin says for [`MENTOR_REQUIRED`] (docs/inside/contract.md#exact-texts).
const NEEDS_AGENT: &str = "Agent scoped connections require an agent.";

impl Words {
    /// The client's name of a field.
    pub fn field(self, name: &str) -> &str {
        match (self, name) {
            (Self::Agent, "mentor") => "agent",
            _ => name,
        }
    }

    /// The client's spelling of a message.
    pub fn message(self, message: &str) -> &str {
        match (self, message) {
            (Self::Agent, MENTOR_REQUIRED) => NEEDS_AGENT,
            _ => message,
        }
    }

    /// The client's word for a scope.
    pub fn scope(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Self::Agent, Scope::Mentor) => "agent",
            _ => scope.as_str(),
        }
    }
}

/// The path as the client spelled it, for links in answers.
#[derive(Debug, Clone)]
pub struct AskedPath(pub String);

/// Gateway prefixes under which clients reach the same paths.
const PREFIXES: [&str; 2] = ["dm", "axd"];

/// A segment at a place, and what it stands for there. Places count from `api`.
struct Twin {
    place: usize,
    twin: &'static str,
    canonical: &'static str,
    words: Words,
}

const fn twin(place: usize, twin: &'static str, canonical: &'static str, words: Words) -> Twin {
    Twin {
        place,
        twin,
        canonical,
        words,
    }
}

/// Places: `api(0)/ai-mentor(1)/orgs(2)/{org}(3)/users(4)/{user}(5)/mentors(6)/…`, without users `mentors(4)`.
const TWINS: [Twin; 5] = [
    twin(1, "ai-agent", "ai-mentor", Words::Agent),
    twin(1, "ai-account", "accounts", Words::Mentor),
    twin(4, "agents", "mentors", Words::Agent),
    twin(6, "agents", "mentors", Words::Agent),
    twin(
        6,
        "agent-with-settings",
        "mentor-with-settings",
        Words::Agent,
    ),
];

/// Rewrites the request's path to its canonical spelling and notes the words and the path as asked.
pub(crate) fn canonicalize(mut request: Request) -> Request {
    let (path, words) = canonical(request.uri().path());
    let asked = AskedPath(request.uri().path().to_owned());
    if path != asked.0 {
        let text = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        *request.uri_mut() = Uri::try_from(text).expect("parts of a URI make a URI");
    }
    request.extensions_mut().insert(words);
    request.extensions_mut().insert(asked);
    request
}

fn canonical(path: &str) -> (String, Words) {
    let mut segments: Vec<&str> = path.split('/').skip(1).collect();
    if segments.len() > 1 && segments.last() == Some(&"") {
        segments.pop();
    }
    if segments.len() > 1 && PREFIXES.contains(&segments[0]) && segments[1] == "api" {
        segments.remove(0);
    }
    let mut words = Words::Mentor;
    if segments.first() == Some(&"api") {
        for twin in &TWINS {
            if segments.get(twin.place) == Some(&twin.twin) {
                segments[twin.place] = twin.canonical;
                if twin.words == Words::Agent {
                    words = Words::Agent;
                }
            }
        }
    }
    (format!("/{}", segments.join("/")), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_leads_to_the_canonical_path() {
        let servers = "/api/ai-mentor/orgs/acme/users/a%40b/mcp-servers";
        for (asked, expected, words) in [
            (
                "/api/ai-mentor/orgs/acme/users/a%40b/mcp-servers/",
                servers,
                Words::Mentor,
            ),
            (
                "/dm/api/ai-mentor/orgs/acme/users/a%40b/mcp-servers",
                servers,
                Words::Mentor,
            ),
            (
                "/axd/api/ai-agent/orgs/acme/users/a%40b/mcp-servers/",
                servers,
                Words::Agent,
            ),
            (
                "/api/ai-mentor/orgs/acme/users/a/agents/m/settings/",
                "/api/ai-mentor/orgs/acme/users/a/mentors/m/settings",
                Words::Agent,
            ),
            (
                "/api/ai-agent/orgs/agents/users/agents/agents/agents/",
                "/api/ai-mentor/orgs/agents/users/agents/mentors/agents",
                Words::Agent,
            ),
            (
                "/api/ai-account/orgs/acme",
                "/api/accounts/orgs/acme",
                Words::Mentor,
            ),
            ("/dm/health/live", "/dm/health/live", Words::Mentor),
            ("/", "/", Words::Mentor),
            ("//", "/", Words::Mentor),
            ("/api//", "/api/", Words::Mentor),
        ] {
            assert_eq!(canonical(asked), (expected.to_owned(), words), "{asked}");
        }
    }
}
