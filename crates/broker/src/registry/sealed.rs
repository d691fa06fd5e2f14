//! Sealing what a record keeps secret, and showing it: masked, or the extra headers to who administers it.
//! Never returns a credential in the clear.

use serde_json::{Map, Value};

use base::error::{Error, FieldErrors, Result};
use base::secret::{
    Binding, Secret, Vault, VaultError, is_blank_mask, looks_masked, mask, mask_header_value,
};
use tenancy::tenant::TenantId;

/// The column of a token or header value.
pub const CREDENTIALS: &str = "credentials";
/// The column of headers.
pub(crate) const EXTRA_HEADERS: &str = "extra_headers";
/// The column of a grant's access token.
pub const ACCESS_TOKEN: &str = "access_token";
/// The column of a grant's refresh token.
pub const REFRESH_TOKEN: &str = "refresh_token";

/// A table with sealed columns, as its noun declares it. Rotation walks over those that `app::SEALED` collects; a test over
/// the schema finds a column that is in none.
#[derive(Debug, Clone, Copy)]
pub struct SealedTable {
    /// Its name.
    pub table: &'static str,
    /// The kind of its records: `server` for `server:7`.
    pub kind: &'static str,
    /// Whether its secrets are for the origin in its column `origin`; else they are for none.
    pub has_origin: bool,
    /// The names of its sealed columns, each with the field that its secrets are sealed for.
    pub columns: &'static [(&'static str, &'static str)],
}

impl SealedTable {
    /// The name of a record, for [`Binding`] and the audit.
    pub fn record_name(&self, id: i64) -> String {
        format!("{}:{id}", self.kind)
    }
}

/// What a request says about a stored secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change {
    /// Nothing, or the mask that we showed.
    #[default]
    Keep,
    /// It is entered (again), or cleared if empty.
    Set(Secret),
}

impl Change {
    /// Whether there is a secret after this.
    pub(crate) fn leaves_one(&self, stored_sealed: &str) -> bool {
        match self {
            Self::Keep => !stored_sealed.is_empty(),
            Self::Set(secret) => !secret.is_empty(),
        }
    }

    /// The change that a credential text means, where `shown` is what clients see of the stored one, if any is. Its mask
    /// keeps it, and so do nothing but stars; the mask of another one means nothing.
    pub fn of_credentials(text: String, shown: &str, errors: &mut FieldErrors) -> Self {
        if !looks_masked(&text) {
            return Self::Set(Secret::new(text));
        }
        if let Some(message) = mask_complaint(&text, shown) {
            errors.add(
                CREDENTIALS,
                format!("Enter the credential again: {message}."),
            );
        }
        Self::Keep
    }

    /// Whether the secret itself begins with a scheme, and the scheme would stand there twice.
    pub(crate) fn begins_with_scheme(&self, scheme: &str) -> bool {
        match self {
            Self::Keep => false,
            Self::Set(secret) => begins_with_scheme(secret, scheme),
        }
    }

    /// The change that a JSON object of headers means; null and an empty object clear.
    pub fn of_headers(headers: Option<&Value>) -> Self {
        match headers {
            Some(Value::Object(members)) if !members.is_empty() => {
                Self::Set(Secret::new(Value::Object(members.clone()).to_string()))
            }
            _ => Self::Set(Secret::new("")),
        }
    }
}

/// Why a mask that came in does not stand for the stored secret, of which clients see `shown`; empty if there is none.
pub(crate) fn mask_complaint(text: &str, shown: &str) -> Option<&'static str> {
    let text = text.trim();
    if shown.is_empty() {
        return Some("this is only its mask");
    }
    (text != shown && !is_blank_mask(text)).then_some("this is the mask of another one")
}

/// Whether a secret begins with a scheme word and a space.
pub(crate) fn begins_with_scheme(secret: &Secret, scheme: &str) -> bool {
    let beginning = secret.expose().split_once(' ').map(|(word, _)| word);
    !scheme.is_empty() && beginning.is_some_and(|word| word.eq_ignore_ascii_case(scheme))
}

/// The record that sealed columns belong to.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// Its kind and number.
    pub name: &'a str,
    /// The origin that its secrets are for.
    pub origin: &'a str,
}

impl Record<'_> {
    fn binding<'a>(&'a self, field: &'a str) -> Binding<'a> {
        Binding {
            tenant: self.tenant.0,
            record: self.name,
            field,
            origin: self.origin,
        }
    }

    /// The column after a change. Only a new secret is sealed, for this record and origin.
    pub fn seal(&self, vault: &Vault, field: &str, change: &Change, stored: &str) -> String {
        match change {
            Change::Keep => stored.to_owned(),
            Change::Set(secret) if secret.is_empty() => String::new(),
            Change::Set(secret) => vault.seal(&self.binding(field), secret),
        }
    }

    /// The secret in a column, empty if there is none.
    ///
    /// # Errors
    /// If it was not sealed for this record and origin, or its key is not there.
    pub fn open(&self, vault: &Vault, field: &str, sealed: &str) -> Result<Secret, VaultError> {
        if sealed.is_empty() {
            return Ok(Secret::new(""));
        }
        vault.open(&self.binding(field), sealed)
    }

    /// The column sealed anew with the key that seals now; empty stays empty.
    ///
    /// # Errors
    /// As [`Record::open`].
    pub(crate) fn reseal(
        &self,
        vault: &Vault,
        field: &str,
        sealed: &str,
    ) -> Result<String, VaultError> {
        let secret = self.open(vault, field, sealed)?;
        Ok(self.seal(vault, field, &Change::Set(secret), sealed))
    }

    /// Whether the stored credential begins with a scheme; not if it does not open.
    pub(crate) fn begins_with_scheme(&self, vault: &Vault, sealed: &str, scheme: &str) -> bool {
        let opened = self.open(vault, CREDENTIALS, sealed);
        opened.is_ok_and(|secret| begins_with_scheme(&secret, scheme))
    }

    /// A token as `abc****xyz`.
    pub fn masked(&self, vault: &Vault, sealed: &str) -> String {
        self.shown(vault, CREDENTIALS, sealed, mask)
    }

    /// A full header value as `Bearer abc****xyz`.
    pub fn masked_header_value(&self, vault: &Vault, sealed: &str) -> String {
        self.shown(vault, CREDENTIALS, sealed, mask_header_value)
    }

    /// A row whose secret cannot be opened must not take a whole list with it.
    fn shown(&self, vault: &Vault, field: &str, sealed: &str, show: fn(&str) -> String) -> String {
        if sealed.is_empty() {
            return String::new();
        }
        match self.open(vault, field, sealed) {
            Ok(secret) => show(secret.expose()),
            Err(error) => {
                tracing::error!(record = self.name, field, error = %error, "a stored secret cannot be opened");
                show("****")
            }
        }
    }

    /// The extra headers, `None` if there are none; with their values masked unless `in_clear`.
    ///
    /// # Errors
    /// `Internal` if they do not open.
    pub fn headers(&self, vault: &Vault, sealed: &str, view: HeaderView) -> Result<Option<Value>> {
        if sealed.is_empty() || view == HeaderView::Hidden {
            return Ok(None);
        }
        let text = self
            .open(vault, EXTRA_HEADERS, sealed)
            .map_err(Error::internal)?;
        let headers: Map<String, Value> =
            serde_json::from_str(text.expose()).map_err(Error::internal)?;
        let show = |(name, value): (String, Value)| match (view, value.as_str()) {
            (HeaderView::Masked, Some(text)) => (name, mask(text).into()),
            _ => (name, value),
        };
        Ok(Some(headers.into_iter().map(show).collect()))
    }
}

/// How much of a record's extra headers a viewer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderView {
    /// Names and values (docs/inside/contract.md#where-sources-disagree).
    Clear,
    /// Names, and masks for values.
    Masked,
    /// Nothing.
    Hidden,
}
