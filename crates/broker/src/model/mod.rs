//! Language models of tenants: OpenAI-compatible Chat Completions endpoints, and how one is asked.
//! Decides neither who may ask nor what; never sends one tenant's question to another's model.

mod answer;
mod coming;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use serde_json::Value;
use tokio::time::timeout;

pub use answer::{Answer, ToolCall};
pub use coming::Coming;

use crate::credentials::headers::bearer;
use crate::registry::chat_model;
use base::error::{Error, Result, UpstreamFailure, UpstreamFailureKind};
use base::secret::{Secret, Vault};
use base::storage::Tx;
use egress::{Egress, Failure, Limits};
use tenancy::tenant::TenantId;

/// What a failure of a model is said of.
const NAME: &str = "language model";
/// Longest wait for the beginning of an answer, and for the next piece.
const LIMITS: Limits = Limits {
    headers: Duration::from_secs(120),
    idle: Duration::from_secs(60),
};
/// Longest wait for a whole answer. Clients of MCP commonly give up after 60 s.
const WHOLE_DEADLINE: Duration = Duration::from_secs(45);

/// The way to the language models of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Models {
    egress: Egress,
    vault: Arc<Vault>,
    patience: Duration,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").finish_non_exhaustive()
    }
}

impl Models {
    /// The way to them. `patience` bounds the wait for a whole answer, which is at most 45 s.
    pub fn new(egress: Egress, vault: Arc<Vault>, patience: Duration) -> Self {
        Self {
            egress,
            vault,
            patience: patience.min(WHOLE_DEADLINE),
        }
    }

    /// The model of a tenant, if it has one.
    ///
    /// # Errors
    /// If the database fails, or the key does not open.
    pub async fn of(&self, tx: &mut Tx, tenant: TenantId) -> Result<Option<Model>> {
        let Some(stored) = chat_model::find(tx, tenant).await? else {
            return Ok(None);
        };
        Ok(Some(Model {
            egress: self.egress.clone(),
            url: stored.url(),
            api_key: stored.api_key(&self.vault).map_err(Error::internal)?,
            name: stored.model,
            patience: self.patience,
        }))
    }
}

/// A model to be asked.
pub struct Model {
    egress: Egress,
    url: String,
    name: String,
    api_key: Secret,
    patience: Duration,
}

impl Model {
    /// Sends a conversation: the body of a request, but for the model's name.
    ///
    /// # Errors
    /// `Upstream` if the endpoint cannot be reached or refuses.
    pub async fn ask(&self, body: Value) -> Result<Coming> {
        let sent = self.egress.send(self.post(body)?, &LIMITS).await;
        let response = sent.map_err(|failure| failed(&failure))?;
        match response.status().as_u16() {
            200..300 => Ok(Coming::of(response)),
            401 | 403 => Err(failure_of(UpstreamFailureKind::Unauthorized)),
            status => Err(failure_of(UpstreamFailureKind::Http(status))),
        }
    }

    /// Sends a conversation and waits for the whole answer.
    ///
    /// # Errors
    /// `Upstream` as for [`Model::ask`], and if the answer is broken or does not come in time.
    pub async fn ask_whole(&self, body: Value) -> Result<Answer> {
        let whole = async {
            let mut coming = self.ask(body).await?;
            while coming.next().await?.is_some() {}
            Ok(coming.answer)
        };
        let late = |_| failure_of(UpstreamFailureKind::Timeout);
        timeout(self.patience, whole).await.map_err(late)?
    }

    fn post(&self, mut body: Value) -> Result<Request<Bytes>> {
        body["model"] = self.name.as_str().into();
        let refused = |_| failure_of(UpstreamFailureKind::Refused);
        let destination = self.egress.check_url(&self.url).map_err(refused)?;
        let mut request = Request::new(Bytes::from(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = destination.uri().clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("text/event-stream, application/json"),
        );
        if !self.api_key.is_empty() {
            headers.insert(AUTHORIZATION, bearer(&self.api_key)?);
        }
        Ok(request)
    }
}

/// A text, or its beginning if it is longer: whatever a model is given has a limit.
pub fn shorten(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes_max)])
}

fn failed(failure: &Failure) -> Error {
    tracing::debug!(%failure, "asking a language model failed");
    failure_of(failure.into())
}

fn failure_of(kind: UpstreamFailureKind) -> Error {
    Error::Upstream(UpstreamFailure {
        server: NAME.to_owned(),
        kind,
        // A conversation that may have been read does no harm: what is asked for in it is only ever done here.
        may_have_executed: false,
        broken: None,
        retry_after_s: None,
    })
}
