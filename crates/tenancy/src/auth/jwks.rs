//! The public keys of the session issuer, fetched over the way out and kept for a while.
//! Never believes a key for longer than it says here, and never asks more often than once in a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use base::clock::{Clock, UnixMs};
use base::error::{Error, Result};
use egress::{Egress, Failure, Limits};

/// Longest wait for the keys.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Size of the whole set.
const SET_BYTES_MAX: u64 = 256 * 1024;
/// Keys of a set.
const KEYS_MAX: usize = 32;
/// After this the set is asked for again.
const FRESH_MS: u64 = 5 * 60 * 1000;
/// A set that cannot be asked for again is believed for this long.
const STALE_MS: u64 = 60 * 60 * 1000;
/// The issuer is asked at most this often, however many unknown keys are named.
const ASK_EVERY_MS: u64 = 30 * 1000;

/// The keys at one URL.
pub(super) struct Jwks {
    url: String,
    egress: Egress,
    clock: Clock,
    known: Mutex<Known>,
    /// Held by the caller that asks the issuer; those whose key is known do not wait for it.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<[Jwk]>,
    fetched_at: Option<UnixMs>,
    asked_at: Option<UnixMs>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Jwks {
    pub(super) fn new(url: String, egress: Egress, clock: Clock) -> Self {
        Self {
            url,
            egress,
            clock,
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// The key of this id; without an id the only key there is.
    ///
    /// # Errors
    /// `InvalidCredentials` if there is none, `Unavailable` if the issuer cannot be asked and nothing is known.
    pub(super) async fn key(&self, id: Option<&str>) -> Result<Jwk> {
        if let Some(key) = self.find(id, FRESH_MS) {
            return Ok(key);
        }
        let asking = self.asking.lock().await;
        if self.find(id, FRESH_MS).is_none() && self.may_ask() {
            match self.fetch().await {
                Ok(keys) => {
                    let mut known = self.known();
                    known.keys = keys;
                    known.fetched_at = Some(self.clock.now());
                }
                Err(reason) => tracing::error!(reason, "the keys of sessions cannot be fetched"),
            }
        }
        drop(asking);
        let age = self.age(self.known().fetched_at);
        if age >= STALE_MS {
            return Err(Error::Unavailable("session keys"));
        }
        self.find(id, STALE_MS).ok_or(Error::InvalidCredentials)
    }

    /// The key of this id among those that were fetched less than so long ago.
    fn find(&self, id: Option<&str>, younger_than_ms: u64) -> Option<Jwk> {
        let known = self.known().clone();
        let is_young = self.age(known.fetched_at) < younger_than_ms;
        find(&known.keys, id).filter(|_| is_young).cloned()
    }

    /// Whether it is time to ask again, and from now on it is not.
    fn may_ask(&self) -> bool {
        let mut known = self.known();
        let may = self.age(known.asked_at) >= ASK_EVERY_MS;
        if may {
            known.asked_at = Some(self.clock.now());
        }
        may
    }

    fn age(&self, at: Option<UnixMs>) -> u64 {
        at.map_or(u64::MAX, |at| self.clock.now().since_ms(at))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) -> Result<Arc<[Jwk]>, String> {
        let bytes = self.ask().await.map_err(|failure| failure.to_string())?;
        let set: Set = serde_json::from_slice(&bytes).map_err(|_| "no set of keys".to_owned())?;
        let keys = set.keys.into_iter().take(KEYS_MAX);
        // A key that we cannot use does not spoil the others.
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(keys.filter(is_usable).collect())
    }

    async fn ask(&self) -> Result<Bytes, Failure> {
        let destination = self.egress.check_url(&self.url)?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = destination.uri().clone();
        let limits = Limits {
            headers: ANSWER_TIMEOUT,
            idle: ANSWER_TIMEOUT,
        };
        let answer = self.egress.send(request, &limits).await?;
        if !answer.status().is_success() {
            return Err(Failure::Declined {
                status: answer.status(),
                headers: Arc::default(),
            });
        }
        let body = answer.into_body();
        body.read_to_end(SET_BYTES_MAX, ANSWER_TIMEOUT).await
    }
}

/// Whether a key is for signatures of a kind that we take. A secret key is in nobody's public set.
fn is_usable(key: &Jwk) -> bool {
    let common = &key.common;
    let is_for_signatures = !matches!(common.public_key_use, Some(PublicKeyUse::Encryption));
    let algorithms = [None, Some(KeyAlgorithm::RS256), Some(KeyAlgorithm::ES256)];
    let is_secret = matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
    is_for_signatures && algorithms.contains(&common.key_algorithm) && !is_secret
}

fn find<'a>(keys: &'a [Jwk], id: Option<&str>) -> Option<&'a Jwk> {
    match (id, keys) {
        (Some(id), keys) => keys
            .iter()
            .find(|key| key.common.key_id.as_deref() == Some(id)),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}
