//! What a `requestState` of ours is bound to, so that it works on every replica and for nobody else.
//! Keeps nothing: the client carries the state, sealed.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::request::Request;
use base::secret::{Binding, Secret, Vault};
use mcp::RawObject;

/// Arguments up to here may be written differently on a retry; a tree of larger ones is not built.
const CANONICAL_BYTES_MAX: usize = 64 * 1024;

/// What a `requestState` of ours is bound to: it opens for nobody else and for nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Bond<'a> {
    /// The request that it belongs to.
    pub request: &'a Request,
    /// Its method.
    pub method: &'a str,
    /// Its parameters.
    pub params: &'a RawObject<'a>,
    /// The server that it goes to; 0 where the sealed text says it.
    pub server: i64,
}

impl Bond<'_> {
    fn field(&self) -> String {
        let mut digest = Sha256::new();
        for member in ["name", "uri", "arguments"] {
            let json = self.params.get(member).unwrap_or(b"null");
            // A client may write the same arguments differently on its retry.
            let value = if json.len() <= CANONICAL_BYTES_MAX {
                serde_json::from_slice(json).ok()
            } else {
                None
            };
            match value {
                Some(value) => digest.update(canonical(&value)),
                None => digest.update(json),
            }
            digest.update([0]);
        }
        let digest: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!(
            "{}:{:?}:{}:{}:{digest}",
            self.request.caller.user.id.0, self.request.target, self.server, self.method
        )
    }

    fn binding<'b>(&self, record: &'b str, field: &'b str) -> Binding<'b> {
        Binding {
            tenant: self.request.caller.tenant.id.0,
            record,
            field,
            origin: "",
        }
    }

    /// Seals a text that only a retry of this very request can open. The record says what kind of state it is.
    pub fn seal(&self, vault: &Vault, record: &str, text: &str) -> String {
        vault.seal(&self.binding(record, &self.field()), &Secret::new(text))
    }

    /// The text of a state; `None` if it is not ours or another request's.
    pub fn open(&self, vault: &Vault, record: &str, sealed: &str) -> Option<String> {
        let opened = vault.open(&self.binding(record, &self.field()), sealed);
        Some(opened.ok()?.expose().to_owned())
    }
}

/// JSON with sorted members.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(values) => format!(
            "[{}]",
            values.iter().map(canonical).collect::<Vec<_>>().join(",")
        ),
        other => other.to_string(),
    }
}
