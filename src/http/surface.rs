//! How a request is refused of which nothing is known but its head: in the shape of the surface that it was for.
//! Decides nothing.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::ACCEPT;

use super::drf;
use super::mcp;
use super::pages;

/// Who reads the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    /// An MCP client.
    Mcp,
    /// A person.
    Page,
    /// Any other program.
    Rest,
}

impl Surface {
    /// The surface that a request is for.
    pub(super) fn of(request: &Request) -> Self {
        if request.uri().path().starts_with("/mcp/") {
            return Self::Mcp;
        }
        let mut accepted = request.headers().get_all(ACCEPT).iter();
        let is_browser = accepted.any(|types| {
            let types = types.to_str().unwrap_or_default();
            types.to_ascii_lowercase().contains("text/html")
        });
        if is_browser { Self::Page } else { Self::Rest }
    }

    /// The refusal, with one sentence.
    pub(super) fn refusal(self, status: StatusCode, text: &str) -> Response {
        match self {
            Self::Mcp => mcp::refusal(status, text),
            Self::Page => pages::notice(status, text).into_response(),
            Self::Rest => drf::error::detail(status, text),
        }
    }
}
