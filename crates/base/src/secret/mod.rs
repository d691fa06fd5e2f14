//! Secrets: a type that cannot be printed, masks, and encryption at rest.
//! Never logs; a plain text leaves only through [`Secret::expose`].

mod error;
mod file;
mod keys;
mod vault;

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use error::VaultError;
pub use file::{KeyFile, KeyFileLock, write_private};
pub use vault::{Binding, Vault};

/// Secrets shorter than this many characters show nothing of themselves (docs/inside/threats.md#masks).
const MASK_SHOWS_FROM: usize = 20;
/// What a mask consists of; a short secret is this and nothing else.
pub const STARS: &str = "****";

/// A text that is wiped on drop and has neither `Debug` output nor `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text in the clear. Callers: `credentials`, `oauth`, `auth` (docs/inside/threats.md#secrets-in-the-clear).
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

/// Masks a full header value but keeps the scheme word: `Bearer sk-****123` (docs/inside/contract.md#servers).
pub fn mask_header_value(text: &str) -> String {
    match text.split_once(' ') {
        Some((scheme, secret)) => format!("{scheme} {}", mask(secret)),
        None => mask(text),
    }
}

/// Whether a text that came in looks like a mask that we or a client made.
pub fn looks_masked(text: &str) -> bool {
    text.contains(STARS) || is_blank_mask(text.trim())
}

/// Whether a text is a mask that shows nothing, as clients put it in place of a secret that they do not know.
pub fn is_blank_mask(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, '•' | '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
