//! Secrets: a type that cannot be printed, masks, and encryption at rest.
//! Never logs; a plain text leaves only through [`Secret::expose`].

use std::collections::HashMap;
use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::random_bytes;

/// Secrets shorter than this many characters show nothing of themselves (threats.md T7).
const MASK_SHOWS_FROM: usize = 20;
/// What a mask consists of; a short secret is this and nothing else.
const STARS: &str = "****";
/// Bytes of an AES-GCM nonce.
const NONCE_BYTES: usize = 12;

/// A text that is wiped on drop and has neither `Debug` output nor `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text in the clear. Callers: `credentials`, `oauth`, `auth` (threats.md, design rule 3).
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to protect.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A short digest that tells two secrets apart without revealing either.
    pub fn fingerprint(&self) -> [u8; 16] {
        let digest = Sha256::digest(self.0.as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        short
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `abc****xyz` for 20 characters or more, `****` for less, empty for nothing.
pub fn mask(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let characters: Vec<char> = text.chars().collect();
    if characters.len() < MASK_SHOWS_FROM {
        return STARS.to_owned();
    }
    let head: String = characters[..3].iter().collect();
    let tail: String = characters[characters.len() - 3..].iter().collect();
    format!("{head}{STARS}{tail}")
}

/// Masks a full header value but keeps the scheme word: `Bearer sk-****123` (contract.md section 4).
pub fn mask_header_value(text: &str) -> String {
    match text.split_once(' ') {
        Some((scheme, secret)) => format!("{scheme} {}", mask(secret)),
        None => mask(text),
    }
}

/// Whether a text that came in looks like a mask that we or a client made.
pub fn looks_masked(text: &str) -> bool {
    let text = text.trim();
    text.contains(STARS) || (!text.is_empty() && text.chars().all(|c| matches!(c, '•' | '*')))
}

/// What an encrypted value belongs to. A row that is moved or a changed origin cannot decrypt it.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The tenant that owns the record.
    pub tenant: i64,
    /// The kind of record and its number, such as `connection:21`.
    pub record: &'a str,
    /// The column.
    pub field: &'a str,
    /// Scheme, host and port that the secret may be sent to; empty if it goes nowhere.
    pub origin: &'a str,
}

impl Binding<'_> {
    fn associated_data(&self, key_id: &str) -> Vec<u8> {
        let parts = [
            &self.tenant.to_string(),
            self.record,
            self.field,
            self.origin,
            key_id,
        ];
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// Why a stored secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key that sealed it is not among the configured ones.
    #[error("the master key {0:?} is not configured")]
    UnknownKey(String),
    /// It was altered, moved to another record, or is for another origin.
    #[error("a stored secret does not belong where it was found")]
    NotAuthentic,
    /// The key file or variable is not in the documented form.
    #[error("the master keys cannot be read: {0}")]
    BadKeys(&'static str),
}

/// The master keys, and the pepper of key digests. AES-256-GCM with a key id (design.md D7).
pub struct Vault {
    keys: HashMap<String, Aes256Gcm>,
    active: String,
    pepper: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Reads keys from text: a line `pepper <base64>` and lines `key <id> <base64>`, 32 bytes each.
    /// The first key seals; all of them open.
    ///
    /// # Errors
    /// `BadKeys` if a line has another form, or the pepper or every key is missing.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let (mut keys, mut active, mut pepper) = (HashMap::new(), None, None);
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["pepper", value] => pepper = Some(decode_key(value)?),
                ["key", id, value] => {
                    keys.insert(id.to_owned(), Aes256Gcm::new((&*decode_key(value)?).into()));
                    active.get_or_insert_with(|| id.to_owned());
                }
                _ => {
                    return Err(VaultError::BadKeys(
                        "a line is neither `key ID BASE64` nor `pepper BASE64`",
                    ));
                }
            }
        }
        let active = active.ok_or(VaultError::BadKeys("there is no `key` line"))?;
        let pepper = pepper.ok_or(VaultError::BadKeys("there is no `pepper` line"))?;
        Ok(Self {
            keys,
            active,
            pepper,
        })
    }

    /// New random keys in the form that [`Vault::parse`] reads.
    pub fn generate_text() -> Zeroizing<String> {
        let line = |bytes: [u8; 32]| BASE64.encode(bytes);
        Zeroizing::new(format!(
            "# mentor-gateway master keys. Keep a copy: without them every stored secret is lost.\n\
             pepper {}\nkey k1 {}\n",
            line(random_bytes()),
            line(random_bytes())
        ))
    }

    /// The id of the key that seals.
    pub fn active_key(&self) -> &str {
        &self.active
    }

    /// The key id that sealed a stored text.
    pub fn key_of(sealed: &str) -> Option<&str> {
        sealed
            .strip_prefix("v1.")?
            .split_once('.')
            .map(|(id, _)| id)
    }

    /// Encrypts for one place: `v1.<key id>.<base64 of nonce and ciphertext>`.
    pub fn seal(&self, binding: &Binding<'_>, plain: &Secret) -> String {
        let nonce: [u8; NONCE_BYTES] = random_bytes();
        let payload = Payload {
            msg: plain.expose().as_bytes(),
            aad: &binding.associated_data(&self.active),
        };
        let sealed = self.keys[&self.active]
            .encrypt(&Nonce::from(nonce), payload)
            .expect("AES-GCM encrypts any text below 64 GiB");
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        format!("v1.{}.{}", self.active, BASE64.encode(bytes))
    }

    /// Decrypts what [`Vault::seal`] made for the same place.
    ///
    /// # Errors
    /// `UnknownKey` or `NotAuthentic`; nothing of the plain text is returned in either case.
    pub fn open(&self, binding: &Binding<'_>, sealed: &str) -> Result<Secret, VaultError> {
        let id = Self::key_of(sealed).ok_or(VaultError::NotAuthentic)?;
        let cipher = self
            .keys
            .get(id)
            .ok_or_else(|| VaultError::UnknownKey(id.to_owned()))?;
        let encoded = &sealed["v1.".len() + id.len() + 1..];
        let bytes = BASE64
            .decode(encoded)
            .map_err(|_| VaultError::NotAuthentic)?;
        let (nonce, ciphertext) = bytes
            .split_at_checked(NONCE_BYTES)
            .ok_or(VaultError::NotAuthentic)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| VaultError::NotAuthentic)?;
        let payload = Payload {
            msg: ciphertext,
            aad: &binding.associated_data(id),
        };
        let plain = cipher
            .decrypt(&Nonce::from(nonce), payload)
            .map_err(|_| VaultError::NotAuthentic)?;
        String::from_utf8(plain)
            .map(Secret::new)
            .map_err(|_| VaultError::NotAuthentic)
    }

    /// HMAC-SHA256 of an API key with the pepper, as hex: what is stored and looked up (design.md D8).
    pub fn digest(&self, key: &Secret) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*self.pepper)
            .expect("HMAC takes a key of any length");
        mac.update(key.expose().as_bytes());
        mac.finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn decode_key(value: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
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

    const HERE: Binding<'static> = Binding {
        tenant: 42,
        record: "connection:21",
        field: "credentials",
        origin: "https://a.example",
    };

    fn vault() -> Vault {
        Vault::parse(&Vault::generate_text()).unwrap()
    }

    #[test]
    fn a_mask_shows_three_and_three_from_twenty_characters_on() {
        assert_eq!(mask("super-secret-api-key"), "sup****key");
        assert_eq!(mask("nineteen-characters"), "****");
        assert_eq!(mask("ä"), "****");
        assert_eq!(mask(""), "");
        assert_eq!(
            mask_header_value("Bearer super-secret-api-key"),
            "Bearer sup****key"
        );
    }

    #[test]
    fn every_mask_is_recognised_when_it_comes_back() {
        for text in ["sup****key", "****", "••••", "Bearer ****", "********90"] {
            assert!(looks_masked(text), "{text}");
        }
        assert!(!looks_masked("") && !looks_masked("sk-live-abcd1234"));
    }

    #[test]
    fn a_sealed_secret_opens_only_where_it_belongs() {
        let vault = vault();
        let sealed = vault.seal(&HERE, &Secret::new("s3cret"));
        assert_eq!(vault.open(&HERE, &sealed).unwrap().expose(), "s3cret");
        for other in [
            Binding { tenant: 43, ..HERE },
            Binding {
                record: "connection:22",
                ..HERE
            },
            Binding {
                field: "extra_headers",
                ..HERE
            },
            Binding {
                origin: "https://b.example",
                ..HERE
            },
        ] {
            assert!(
                matches!(vault.open(&other, &sealed), Err(VaultError::NotAuthentic)),
                "{other:?}"
            );
        }
    }

    #[test]
    fn an_altered_or_truncated_secret_is_refused() {
        let vault = vault();
        let sealed = vault.seal(&HERE, &Secret::new("s3cret"));
        let mut altered = sealed.clone().into_bytes();
        let at = altered.len() - 3;
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        for bad in [
            String::from_utf8(altered).unwrap(),
            sealed[..sealed.len() - 4].into(),
            "v1.k1.".into(),
            String::new(),
        ] {
            assert!(vault.open(&HERE, &bad).is_err(), "{bad}");
        }
        assert!(matches!(
            Vault::open(&self::vault(), &HERE, &sealed),
            Err(VaultError::NotAuthentic)
        ));
    }
}
