//! The manners of an authorization server, each good unless a test says otherwise.

use std::time::Duration;

/// What becomes of a refresh token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays good, and no new one comes.
    Keep,
    /// A new one comes; whoever shows the old one again ends the whole grant.
    Strict,
    /// A new one comes; the old one is refused and the new one stays good.
    Once,
    /// A new one comes, and the old one is good for ever.
    Grace,
}

/// What stands in the `iss` parameter of the authorization answer (RFC 9207).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Iss {
    /// The issuer, as the metadata announces.
    Right,
    /// Nothing, though the metadata announces it.
    Missing,
    /// Nothing, and the metadata does not announce it.
    NotAnnounced,
    /// This instead.
    Wrong(String),
}

/// What the metadata says of PKCE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkce {
    /// `S256`.
    S256,
    /// `plain` alone.
    Plain,
    /// Nothing.
    Absent,
}

/// How the token endpoint fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Status 500 with a page.
    Status500,
    /// Status 200 with a page.
    Html,
    /// Status 200 without an access token.
    NoAccessToken,
    /// Status 400 with this error code.
    Error(String),
    /// Status 400 with everything that it was sent in the description.
    Echo,
    /// Status 200 with this error code, as some do.
    ErrorWith200(String),
    /// A redirect to another place.
    Redirect(String),
    /// The tokens are made, and the connection ends before the answer.
    LoseAnswer,
    /// This instead of any tokens.
    Instead {
        /// The status.
        status: u16,
        /// Further headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// The tokens are made, and told in these words, in which `AT` and `RT` stand for them.
    Words {
        /// The `Content-Type`.
        content_type: &'static str,
        /// The body.
        text: String,
    },
}

/// How an authorization server behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switches {
    /// The path of its issuer identifier; empty for none.
    pub path: String,
    /// What becomes of refresh tokens.
    pub rotation: Rotation,
    /// The `iss` parameter.
    pub iss: Iss,
    /// PKCE in the metadata.
    pub pkce: Pkce,
    /// How the token endpoint fails; `None`: not.
    pub fault: Option<Fault>,
    /// How many requests fail before it works again; `None`: all.
    pub fault_times: Option<usize>,
    /// How long the token endpoint thinks.
    pub delay: Duration,
    /// Whether the token endpoint thinks until this is switched off.
    pub holds: bool,
    /// The life of an access token in seconds; `None`: it is not said.
    pub expires_in: Option<i64>,
    /// Whether clients may register themselves (RFC 7591).
    pub registers: bool,
    /// Whether a client id may be the address of a document.
    pub takes_client_id_documents: bool,
    /// How clients prove themselves at the token endpoint, as the metadata lists it.
    pub auth_methods: Vec<&'static str>,
    /// Whether the metadata is OpenID's alone.
    pub is_openid_only: bool,
    /// Whether there is any metadata.
    pub has_metadata: bool,
    /// The issuer that the metadata claims; `None`: its own.
    pub claims_issuer: Option<String>,
    /// `scopes_supported` of the metadata.
    pub scopes: Vec<&'static str>,
    /// The status of every registration; `None`: clients are registered.
    pub registration_status: Option<u16>,
    /// Whether the person refuses at the authorization endpoint.
    pub denies: bool,
    /// The error that the authorization endpoint answers with; `None`: none of its own.
    pub answers_error: Option<String>,
    /// Whether a scope of `offline_access` is only kept where the person is asked for their consent anew.
    pub wants_consent: bool,
    /// What every token ends with, so that none can be mistaken; begins with a dot unless it is empty.
    pub token_tail: &'static str,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            path: String::new(),
            rotation: Rotation::Strict,
            iss: Iss::Right,
            pkce: Pkce::S256,
            fault: None,
            fault_times: None,
            delay: Duration::ZERO,
            holds: false,
            expires_in: Some(3600),
            registers: true,
            takes_client_id_documents: false,
            auth_methods: vec!["client_secret_basic", "client_secret_post", "none"],
            is_openid_only: false,
            has_metadata: true,
            claims_issuer: None,
            scopes: Vec::new(),
            registration_status: None,
            denies: false,
            answers_error: None,
            wants_consent: false,
            token_tail: "",
        }
    }
}
