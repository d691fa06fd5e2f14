//! Master keys as they are written in the key file: lines `pepper BASE64` and `key ID BASE64`, 32 bytes each.
//! Never keeps the text.

use std::collections::HashMap;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::KeyInit;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use zeroize::Zeroizing;

use super::error::VaultError;
use crate::clock::random_bytes;

/// Longest id of a key, in bytes.
const ID_BYTES_MAX: usize = 32;

/// The master keys, and the pepper of key digests.
pub(super) struct Keys {
    pub(super) by_id: HashMap<String, Aes256Gcm>,
    /// In the order of the file; the first one seals.
    pub(super) ids: Vec<String>,
    pub(super) pepper: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Reads keys from text. The first key seals; all of them open.
    pub(super) fn parse(text: &str) -> Result<Self, VaultError> {
        let (mut by_id, mut ids, mut pepper) = (HashMap::new(), Vec::new(), None);
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["pepper", value] if pepper.is_none() => pepper = Some(decode(value)?),
                ["pepper", _] => return Err(VaultError::BadKeys("there are two peppers")),
                ["key", id, value] => {
                    check_id(id)?;
                    let key = Aes256Gcm::new((&*decode(value)?).into());
                    if by_id.insert(id.to_owned(), key).is_some() {
                        return Err(VaultError::BadKeys("two keys have the same id"));
                    }
                    ids.push(id.to_owned());
                }
                _ => {
                    return Err(VaultError::BadKeys(
                        "a line is neither `key ID BASE64` nor `pepper BASE64`",
                    ));
                }
            }
        }
        if ids.is_empty() {
            return Err(VaultError::BadKeys("there is no `key` line"));
        }
        let pepper = pepper.ok_or(VaultError::BadKeys("there is no `pepper` line"))?;
        Ok(Self { by_id, ids, pepper })
    }

    /// The id of the key that seals.
    pub(super) fn active(&self) -> &str {
        &self.ids[0]
    }
}

/// New random keys in the form that [`Keys::parse`] reads.
pub(super) fn generate_text() -> Zeroizing<String> {
    let (pepper, key) = (random_line_end(), random_line_end());
    Zeroizing::new(format!(
        "# mentor-gateway master keys. Keep a copy: without them every stored secret is lost.\n\
         # The first key seals, all of them open. `mentor-gateway keys rotate` adds one.\n\
         pepper {}\nkey k1 {}\n",
        *pepper, *key
    ))
}

/// The same text with a new key before the others, and its id.
pub(super) fn with_new_key(text: &str) -> Result<(String, Zeroizing<String>), VaultError> {
    let known = Keys::parse(text)?;
    let numbers = known
        .ids
        .iter()
        .filter_map(|id| id.strip_prefix('k')?.parse::<u32>().ok());
    let id = format!("k{}", numbers.max().unwrap_or(0).saturating_add(1));
    let mut lines = Zeroizing::new(String::with_capacity(text.len() + 128));
    let mut is_added = false;
    for line in text.lines() {
        if !is_added && line.trim_start().starts_with("key ") {
            let key = random_line_end();
            lines.push_str(&format!("key {id} {}\n", *key));
            is_added = true;
        }
        lines.push_str(line);
        lines.push('\n');
    }
    // What was written must be what is read.
    if Keys::parse(&lines)?.active() != id {
        return Err(VaultError::BadKeys("the new key would not be the first"));
    }
    Ok((id, lines))
}

fn random_line_end() -> Zeroizing<String> {
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(random_bytes());
    Zeroizing::new(BASE64.encode(*bytes))
}

/// Ids stand inside of sealed texts, between dots.
fn check_id(id: &str) -> Result<(), VaultError> {
    let is_word = id
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if id.len() > ID_BYTES_MAX || !is_word {
        return Err(VaultError::BadKeys(
            "an id is not 1 to 32 letters, digits, `-` or `_`",
        ));
    }
    Ok(())
}

fn decode(value: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let bytes = Zeroizing::new(
        BASE64
            .decode(value.trim_end_matches('='))
            .map_err(|_| VaultError::BadKeys("a key is not base64"))?,
    );
    let array: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| VaultError::BadKeys("a key is not 32 bytes"))?;
    Ok(Zeroizing::new(array))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_stands_first_and_the_others_stay() {
        let old = generate_text();
        let (id, new) = with_new_key(&old).unwrap();
        assert_eq!(id, "k2");
        let keys = Keys::parse(&new).unwrap();
        assert_eq!(keys.ids, ["k2", "k1"]);
        assert_eq!(*keys.pepper, *Keys::parse(&old).unwrap().pepper);
        assert_eq!(with_new_key(&new).unwrap().0, "k3");
    }

    #[test]
    fn keys_that_could_be_mistaken_are_refused() {
        let key = random_line_end();
        let pepper = format!("pepper {}\n", *key);
        for text in [
            format!("{pepper}key a {}\nkey a {}\n", *key, *key),
            format!("{pepper}{pepper}key a {}\n", *key),
            format!("{pepper}key a.b {}\n", *key),
            format!("{pepper}key a dG9vIHNob3J0\n"),
            format!("key a {}\n", *key),
            pepper.clone(),
        ] {
            assert!(Keys::parse(&text).is_err(), "{text}");
        }
    }
}
