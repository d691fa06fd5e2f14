//! The value of an integration credential: what may be in it, what is shown of it, and what stands for what is not shown.
//! Knows no row and no transaction.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::client::CLIENT_SECRET;
use super::parameters::is_ours;
use super::provider::Provider;
use super::template;
use crate::registry::sealed::mask_complaint;
use base::error::{Error, FieldErrors, Result};
use base::secret::{looks_masked, mask};

/// What is said of a value that is no object.
pub const NO_OBJECT: &str = "Value must be a valid JSON object.";
/// Largest value, in bytes of JSON.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;

/// The field of what is stored.
pub(super) const VALUE: &str = "value";

/// What the name of a credential for a provider begins with.
pub(super) const PREFIX: &str = "auth_";
pub(super) const CLIENT_ID: &str = "client_id";
pub(super) const REDIRECT_URI: &str = "redirect_uri";
/// Further parameters of the authorization request, such as `audience`: an object of texts.
pub(super) const AUTH_PARAMETERS: &str = "auth_parameters";

/// Fields that an administrator must be able to compare with what the provider shows, and that no secret is in. All
/// others may be one.
pub(super) fn is_open(key: &str) -> bool {
    const OPEN: [&str; 10] = [
        CLIENT_ID,
        REDIRECT_URI,
        "redirect_uris",
        "tenant_id",
        "domain",
        "issuer",
        "base_url",
        "region",
        "scope",
        "scopes",
    ];
    OPEN.contains(&key)
}

pub(super) fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => mask(&text).into(),
        // A PIN is a secret too.
        Value::Number(number) => mask(&number.to_string()).into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, masked(value)));
            Value::Object(fields.collect())
        }
        Value::Null | Value::Bool(_) => value,
    }
}

/// The fields to store, with masks replaced by what they stand for.
pub(super) fn checked(
    (name, provider): (&str, Option<&Provider>),
    value: &Value,
    stored: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    let mut errors = FieldErrors::default();
    let Value::Object(fields) = value else {
        return Err(Error::field(VALUE, NO_OBJECT));
    };
    if value.to_string().len() > VALUE_BYTES_MAX {
        return Err(Error::field(VALUE, "This value is too large."));
    }
    let mut fields = fields.clone();
    for (key, value) in &mut fields {
        if let Err(message) = unmask(value, stored.get(key)) {
            errors.add(VALUE, format!("Enter {key} again: {message}."));
        }
    }
    if name.starts_with(PREFIX) {
        check_client(provider, &mut fields, &mut errors);
    }
    errors.into_result()?;
    Ok(fields)
}

/// Complains of what could not work at a provider, and takes texts without the spaces around them.
fn check_client(
    provider: Option<&Provider>,
    fields: &mut Map<String, Value>,
    errors: &mut FieldErrors,
) {
    let places = provider.into_iter().flat_map(|provider| {
        let urls = [
            &provider.auth_url,
            &provider.token_url,
            &provider.revocation_url,
        ];
        urls.into_iter().flat_map(|url| template::places(url))
    });
    let places: BTreeMap<&str, Option<&str>> = places.collect();
    for key in [CLIENT_ID, CLIENT_SECRET, REDIRECT_URI]
        .iter()
        .chain(places.keys())
    {
        let Some(value) = fields.get_mut(*key) else {
            continue;
        };
        match value {
            Value::Null => {}
            // An id or a secret of digits is still one.
            Value::Number(number) => *value = Value::String(number.to_string()),
            Value::String(text) => *value = Value::String(text.trim().to_owned()),
            _ => errors.add(VALUE, format!("{key} must be a text.")),
        }
    }
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_given = |key: &str| fields.get(key).is_some_and(|value| !value.is_null());
    let only_adds =
        provider.is_some_and(|known| !known.is_of_catalog()) && is_given(AUTH_PARAMETERS);
    if text(CLIENT_ID).is_empty() && !only_adds {
        errors.add(VALUE, "client_id is required.");
    }
    for key in [CLIENT_ID, CLIENT_SECRET] {
        if text(key).contains(char::is_control) {
            errors.add(VALUE, format!("{key} must be one line."));
        }
    }
    for (place, default) in places {
        let value = text(place);
        if value.is_empty() && default.is_none() {
            errors.add(VALUE, format!("{place} is required."));
        }
        if !value.is_empty() && !template::is_value(value) {
            let message = "must be a host name or a word, without https:// and slashes.";
            errors.add(VALUE, format!("{place} {message}"));
        }
    }
    let further = fields.get(AUTH_PARAMETERS).filter(|value| !value.is_null());
    let further =
        further.map(|value| serde_json::from_value::<BTreeMap<String, String>>(value.clone()));
    match further {
        Some(Err(_)) => errors.add(VALUE, "auth_parameters must be an object of texts."),
        Some(Ok(further)) => {
            for name in further.keys().filter(|name| is_ours(name)) {
                errors.add(VALUE, format!("auth_parameters must not have {name}."));
            }
        }
        None => {}
    }
}

/// Puts what is stored in the place of its masks, at any depth.
fn unmask(value: &mut Value, stored: Option<&Value>) -> Result<(), &'static str> {
    match value {
        Value::String(text) if looks_masked(text) => {
            let shown = match stored {
                Some(Value::String(known)) => mask(known),
                Some(Value::Number(known)) => mask(&known.to_string()),
                Some(_) | None => String::new(),
            };
            if let Some(message) = mask_complaint(text, &shown) {
                return Err(message);
            }
            *value = stored.cloned().unwrap_or_default();
            Ok(())
        }
        Value::Array(items) => {
            let stored = stored.and_then(Value::as_array);
            for (at, item) in items.iter_mut().enumerate() {
                unmask(item, stored.and_then(|items| items.get(at)))?;
            }
            Ok(())
        }
        Value::Object(members) => {
            let stored = stored.and_then(Value::as_object);
            for (key, member) in members {
                unmask(member, stored.and_then(|members| members.get(key)))?;
            }
            Ok(())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// What the credential of a provider consists of: field names and their types.
pub fn schema(provider: &Provider) -> Map<String, Value> {
    let urls = [&provider.auth_url, &provider.token_url];
    let places = urls.into_iter().flat_map(|url| template::places(url));
    let places = places.map(|(name, _)| name);
    let fields = [CLIENT_ID, CLIENT_SECRET, REDIRECT_URI]
        .into_iter()
        .chain(places);
    fields
        .map(|field| (field.to_owned(), "string".into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mask_keeps_what_is_stored_and_says_so_where_nothing_is() {
        let stored = json!({"client_id": "id", "client_secret": "super-secret-api-key"});
        let sent = json!({"client_id": "new", "client_secret": "sup****key"});
        let fields = checked(("auth_x", None), &sent, stored.as_object().unwrap()).unwrap();
        assert_eq!(
            Value::Object(fields),
            json!({"client_id": "new", "client_secret": "super-secret-api-key"})
        );
        let refused = checked(("auth_x", None), &sent, &Map::new())
            .unwrap_err()
            .to_string();
        assert_eq!(
            refused,
            "invalid input: value: Enter client_secret again: this is only its mask."
        );
    }

    #[test]
    fn every_text_and_number_is_masked_at_any_depth_and_taken_back() {
        assert_eq!(
            masked(json!({"a": "super-secret-api-key", "b": ["short"], "c": {"d": 1, "e": null}})),
            json!({"a": "sup****key", "b": ["****"], "c": {"d": "****", "e": null}})
        );
        let stored = json!({"a": "super-secret-api-key", "b": ["short"], "c": {"d": 1, "e": null}});
        let mut back = masked(stored.clone());
        assert_eq!(unmask(&mut back, Some(&stored)), Ok(()));
        assert_eq!(back, stored);
        for edited in [json!({"a": "sup****kez"}), json!({"b": ["x****"]})] {
            let complaint = Err("this is the mask of another one");
            assert_eq!(
                unmask(&mut edited.clone(), Some(&stored)),
                complaint,
                "{edited}"
            );
        }
    }
}
