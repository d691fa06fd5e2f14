//! The one parser of `Authorization` (docs/inside/threats.md#one-parser).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use base::error::{Error, Result};
use base::secret::Secret;

/// Longest accepted credential, in bytes. A session token is signed, and so longer than any key.
pub const CREDENTIAL_BYTES_MAX: usize = 4 * 1024;

/// Words before the key. All mean the same: the key itself says what it is.
const SCHEMES: [&str; 4] = ["Token", "Api-Token", "Api-Key", "Bearer"];

/// The key in the `Authorization` header.
///
/// # Errors
/// `NoCredentials` without the header, `Malformed` if it is repeated, `InvalidCredentials` for another form.
pub fn credential_of(headers: &HeaderMap) -> Result<Secret> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Error::NoCredentials)?;
    if values.next().is_some() {
        return Err(Error::Malformed("two Authorization headers".into()));
    }
    let text = value.to_str().map_err(|_| Error::InvalidCredentials)?;
    let (scheme, key) = text.split_once(' ').ok_or(Error::InvalidCredentials)?;
    let known = SCHEMES.iter().any(|word| word.eq_ignore_ascii_case(scheme));
    let plausible = !key.is_empty()
        && key.len() <= CREDENTIAL_BYTES_MAX
        && key.bytes().all(|b| b.is_ascii_graphic());
    if known && plausible {
        Ok(Secret::new(key))
    } else {
        Err(Error::InvalidCredentials)
    }
}
