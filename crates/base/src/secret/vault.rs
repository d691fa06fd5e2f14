//! Encryption at rest: AES-256-GCM under a master key with an id (docs/inside/decisions.md#secrets-at-rest), and the
//! digests of API keys.
//! Never returns anything of a text that does not open.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Secret;
use super::error::VaultError;
use super::file::{KeyFile, Stamp};
use super::keys::{self, Keys};
use crate::clock::random_bytes;

/// Bytes of an AES-GCM nonce.
const NONCE_BYTES: usize = 12;

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

/// The master keys of this process. Those from a file are read again when the file was changed and a secret needs
/// it: once for each change, however many unknown ids arrive.
pub struct Vault {
    keys: RwLock<Arc<Keys>>,
    source: Option<Source>,
}

/// The key file, and the state of it that was read last.
struct Source {
    file: KeyFile,
    read: Mutex<Option<Stamp>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("ids", &self.keys().ids)
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
        let keys = RwLock::new(Arc::new(Keys::parse(text)?));
        Ok(Self { keys, source: None })
    }

    /// Reads keys from a file, now and whenever it was changed.
    ///
    /// # Errors
    /// `Unreadable` or `BadKeys`.
    pub fn of_file(file: KeyFile) -> Result<Self, VaultError> {
        // Before the text, so that a change in between is seen later.
        let read = Mutex::new(file.stamp());
        let keys = RwLock::new(Arc::new(Keys::parse(&file.read()?)?));
        let source = Some(Source { file, read });
        Ok(Self { keys, source })
    }

    /// New random keys in the form that [`Vault::parse`] reads.
    pub fn generate_text() -> Zeroizing<String> {
        keys::generate_text()
    }

    /// The ids of the keys; the first one seals.
    pub fn key_ids(&self) -> Vec<String> {
        self.keys().ids.clone()
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
        // A key that was added for good must seal from the first secret on.
        self.refresh();
        let keys = self.keys();
        let id = keys.active();
        seal_with(&keys.by_id[id], id, binding, plain)
    }

    /// The same under a key that is not the first; `None` if there is no such key.
    pub fn seal_under(&self, id: &str, binding: &Binding<'_>, plain: &Secret) -> Option<String> {
        Some(seal_with(self.keys().by_id.get(id)?, id, binding, plain))
    }

    /// Decrypts what [`Vault::seal`] made for the same place.
    ///
    /// # Errors
    /// `UnknownKey` or `NotAuthentic`; nothing of the plain text is returned in either case.
    pub fn open(&self, binding: &Binding<'_>, sealed: &str) -> Result<Secret, VaultError> {
        let id = Self::key_of(sealed).ok_or(VaultError::NotAuthentic)?;
        let mut keys = self.keys();
        if !keys.by_id.contains_key(id) && self.refresh() {
            keys = self.keys();
        }
        let unknown = || VaultError::UnknownKey(id.to_owned());
        let cipher = keys.by_id.get(id).ok_or_else(unknown)?;
        open_with(cipher, id, binding, sealed)
    }

    /// HMAC-SHA256 of an API key with the pepper, as hex: what is stored and looked up (docs/inside/decisions.md#keys).
    pub fn digest(&self, key: &Secret) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*self.keys().pepper)
            .expect("HMAC takes a key of any length");
        mac.update(key.expose().as_bytes());
        mac.finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the file again if it was changed. Whether there are other keys now. One that cannot be read, or has
    /// another pepper, changes nothing: the keys at hand still work.
    fn refresh(&self) -> bool {
        let Some(source) = &self.source else {
            return false;
        };
        let mut read = source.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = source.file.stamp();
        if stamp.is_none() || *read == stamp {
            return false;
        }
        *read = stamp;
        let path = source.file.path().display();
        match source.file.read().and_then(|text| Keys::parse(&text)) {
            Ok(new) if *new.pepper == *self.keys().pepper => {
                tracing::info!(%path, ids = ?new.ids, "read the master keys again");
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                true
            }
            Ok(_) => {
                tracing::error!(%path, "the pepper was changed; the keys in use stay");
                false
            }
            Err(error) => {
                tracing::error!(%path, %error, "the master keys cannot be read again; those in use stay");
                false
            }
        }
    }
}

fn seal_with(cipher: &Aes256Gcm, id: &str, binding: &Binding<'_>, plain: &Secret) -> String {
    let nonce: [u8; NONCE_BYTES] = random_bytes();
    let payload = Payload {
        msg: plain.expose().as_bytes(),
        aad: &binding.associated_data(id),
    };
    let sealed = cipher
        .encrypt(&Nonce::from(nonce), payload)
        .expect("AES-GCM encrypts any text below 64 GiB");
    let mut bytes = nonce.to_vec();
    bytes.extend_from_slice(&sealed);
    format!("v1.{id}.{}", BASE64.encode(bytes))
}

fn open_with(
    cipher: &Aes256Gcm,
    id: &str,
    binding: &Binding<'_>,
    sealed: &str,
) -> Result<Secret, VaultError> {
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

    #[test]
    fn a_changed_file_is_read_when_a_secret_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("keys"));
        file.make().unwrap();
        let running = Vault::of_file(file.clone()).unwrap();
        let old = running.seal(&HERE, &Secret::new("old"));
        let lock = file.lock().unwrap().unwrap();
        assert!(file.lock().unwrap().is_none(), "one at a time");
        assert_eq!(file.add_key(&lock).unwrap(), "k2");

        let other = Vault::of_file(file.clone()).unwrap();
        let new = other.seal(&HERE, &Secret::new("new"));
        assert_eq!(Vault::key_of(&new), Some("k2"));
        assert_eq!(running.open(&HERE, &new).unwrap().expose(), "new");
        assert_eq!(running.open(&HERE, &old).unwrap().expose(), "old");

        file.add_key(&lock).unwrap();
        assert_eq!(
            Vault::key_of(&running.seal(&HERE, &Secret::new(""))),
            Some("k3")
        );
    }

    #[test]
    fn a_broken_or_foreign_file_leaves_the_keys_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let file = KeyFile::new(path.clone());
        file.make().unwrap();
        let running = Vault::of_file(file).unwrap();
        let sealed = running.seal(&HERE, &Secret::new("s3cret"));
        for text in ["", "nonsense", &Vault::generate_text()] {
            std::fs::write(&path, text).unwrap();
            assert!(running.open(&HERE, "v1.k9.AAAA").is_err());
            assert_eq!(running.open(&HERE, &sealed).unwrap().expose(), "s3cret");
            assert_eq!(
                Vault::key_of(&running.seal(&HERE, &Secret::new(""))),
                Some("k1")
            );
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(running.open(&HERE, &sealed).unwrap().expose(), "s3cret");
    }
}
