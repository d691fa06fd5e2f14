//! What a resource is: a URI or a template of URIs, its scope, and the function that reads it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::call::{Call, Running};
use super::failure::Refusal;
use super::schema;

/// Completions of one value at most (MCP, completion: 100).
pub(super) const COMPLETIONS_MAX: usize = 100;
/// Completions that are looked for: one more, so that it can be told whether there are others.
pub(super) const COMPLETIONS_SOUGHT: i64 = COMPLETIONS_MAX as i64 + 1;

/// A resource, or a family of them. Its file is named after it.
pub trait Resource: 'static {
    /// Its URI; one `{name}` stands for a value.
    const URI: &'static str;
    /// Its name.
    const NAME: &'static str;
    /// What it holds.
    const DESCRIPTION: &'static str;
    /// Scopes of which any one suffices; the first is the one that a refusal names.
    const SCOPES: &'static [&'static str];
    /// What it holds, as a type.
    type Output: Serialize + JsonSchema + Send;

    /// Reads it; `id` is the value in the URI, empty where there is none.
    fn read(
        call: &mut Call<'_>,
        id: &str,
    ) -> impl Future<Output = Result<Self::Output, Refusal>> + Send;

    /// Values of `{name}` that match a `LIKE` pattern and that the caller may read, at most [`COMPLETIONS_SOUGHT`].
    fn complete(
        call: &mut Call<'_>,
        pattern: &str,
    ) -> impl Future<Output = Result<Vec<String>, Refusal>> + Send {
        let _ = (call, pattern);
        async { Ok(Vec::new()) }
    }
}

/// A row of a face's table: a [`Resource`] as a value.
#[derive(Debug)]
pub struct ResourceEntry {
    /// See [`Resource::URI`].
    pub uri: &'static str,
    /// See [`Resource::NAME`].
    pub name: &'static str,
    /// See [`Resource::DESCRIPTION`].
    pub description: &'static str,
    /// See [`Resource::SCOPES`].
    pub scopes: &'static [&'static str],
    /// The schema of what it holds.
    pub output: fn() -> Value,
    pub(super) read: for<'a> fn(&'a mut Call<'_>, &'a str) -> Running<'a, Value>,
    pub(super) complete: for<'a> fn(&'a mut Call<'_>, &'a str) -> Running<'a, Vec<String>>,
}

/// The row of a resource.
pub const fn resource<R: Resource>() -> ResourceEntry {
    ResourceEntry {
        uri: R::URI,
        name: R::NAME,
        description: R::DESCRIPTION,
        scopes: R::SCOPES,
        output: schema::of_output::<R::Output>,
        read: read::<R>,
        complete: complete::<R>,
    }
}

fn read<'a, R: Resource>(call: &'a mut Call<'_>, id: &'a str) -> Running<'a, Value> {
    Box::pin(async move {
        let output = R::read(call, id).await?;
        serde_json::to_value(output).map_err(Refusal::internal)
    })
}

fn complete<'a, R: Resource>(call: &'a mut Call<'_>, pattern: &'a str) -> Running<'a, Vec<String>> {
    Box::pin(R::complete(call, pattern))
}

impl ResourceEntry {
    /// Whether the URI has a place for a value.
    pub(crate) fn is_template(&self) -> bool {
        self.uri.contains('{')
    }

    /// The name of the value in the URI.
    pub fn variable(&self) -> Option<&'static str> {
        let (_, rest) = self.uri.split_once('{')?;
        Some(rest.split_once('}')?.0)
    }

    /// The value in a URI of this family; empty for a plain resource's own URI.
    pub fn id_in<'a>(&self, uri: &'a str) -> Option<&'a str> {
        let Some((before, rest)) = self.uri.split_once('{') else {
            return (uri == self.uri).then_some("");
        };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let id = uri.strip_prefix(before)?.strip_suffix(after)?;
        let is_id = !id.is_empty() && !id.contains(['/', '?', '#']);
        is_id.then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_of(uri: &'static str) -> ResourceEntry {
        ResourceEntry {
            uri,
            name: "",
            description: "",
            scopes: &[],
            output: || Value::Null,
            read: |_, _| Box::pin(async { Ok(Value::Null) }),
            complete: |_, _| Box::pin(async { Ok(Vec::new()) }),
        }
    }

    #[test]
    fn a_uri_belongs_to_one_family_at_most() {
        let (all, one) = (
            entry_of("academy://courses"),
            entry_of("academy://courses/{courseId}"),
        );
        let roster = entry_of("academy://cohorts/{cohortId}/roster");
        assert_eq!(all.id_in("academy://courses"), Some(""));
        assert_eq!(all.id_in("academy://courses/crs_1"), None);
        assert_eq!(one.id_in("academy://courses/crs_1"), Some("crs_1"));
        assert_eq!(one.id_in("academy://courses/"), None);
        assert_eq!(one.id_in("academy://courses/a/b"), None);
        assert_eq!(
            roster.id_in("academy://cohorts/coh_1/roster"),
            Some("coh_1")
        );
        assert_eq!(roster.id_in("academy://cohorts/coh_1"), None);
        assert_eq!(roster.variable(), Some("cohortId"));
    }
}
