//! What is read once and believed for a while, on the product's clock: a test moves time instead of waiting.
//! Knows nothing of what it keeps; never remembers a failure.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::OnceCell;

use crate::clock::Clock;

/// Values that are loaded when they are first asked for, by one of those who ask, and again when they are too old.
#[derive(Clone)]
pub struct Cached<K, V> {
    slots: Cache<K, Arc<Slot<V>>>,
    life: Duration,
    clock: Clock,
}

/// A value, or the place where it will be.
struct Slot<V> {
    value: OnceCell<V>,
    /// When it was asked for: a value is as old as its question, not as its answer.
    asked_at: Duration,
}

impl<K, V> Cached<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// At most `entries_max` values, each believed for `life`.
    pub fn new(entries_max: u64, life: Duration, clock: Clock) -> Self {
        let slots = Cache::builder().max_capacity(entries_max).build();
        Self { slots, life, clock }
    }

    /// The value under a key. Of all who ask for one that is not there, one loads it and the others wait for it; if
    /// that fails or is given up, the next of them loads.
    ///
    /// # Errors
    /// Those of `load`, which are not remembered.
    pub async fn get<E, F>(&self, key: &K, load: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let slot = match self.slots.get(key).await {
            Some(slot) if self.is_fresh(&slot) => slot,
            Some(_) | None => self.new_slot(key).await,
        };
        match slot.value.get() {
            Some(value) => Ok(value.clone()),
            // Boxed: whoever finds the value does not carry the future that would load it.
            None => Box::pin(slot.value.get_or_try_init(load)).await.cloned(),
        }
    }

    /// Loads the value anew, for those who ask from now on.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn renew<E, F>(&self, key: &K, load: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        self.slots.invalidate(key).await;
        self.get(key, load).await
    }

    /// Forgets every value: what is asked for from now on is loaded anew.
    pub fn forget_all(&self) {
        self.slots.invalidate_all();
    }

    async fn new_slot(&self, key: &K) -> Arc<Slot<V>> {
        let slot = async {
            Arc::new(Slot {
                value: OnceCell::new(),
                asked_at: self.clock.uptime(),
            })
        };
        let entry = self.slots.entry_by_ref(key);
        let entry = entry.or_insert_with_if(slot, |known| !self.is_fresh(known));
        entry.await.into_value()
    }

    fn is_fresh(&self, slot: &Slot<V>) -> bool {
        self.clock.uptime().saturating_sub(slot.asked_at) < self.life
    }
}

impl<K, V> fmt::Debug for Cached<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::clock::UnixMs;

    const LIFE: Duration = Duration::from_secs(1000);

    fn cached() -> (Cached<&'static str, u32>, Clock) {
        let clock = Clock::manual(UnixMs(0));
        (Cached::new(10, LIFE, clock.clone()), clock)
    }

    #[tokio::test]
    async fn of_a_hundred_who_ask_at_once_one_loads() {
        let (cached, _clock) = cached();
        let loads = AtomicU32::new(0);
        let load = async || {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(loads.fetch_add(1, Ordering::SeqCst))
        };
        let values = join_all((0..100).map(|_| cached.get(&"key", load))).await;
        assert_eq!(values, vec![Ok(0); 100]);
        assert_eq!(loads.into_inner(), 1);
    }

    #[tokio::test]
    async fn a_value_is_believed_for_its_life_and_not_longer() {
        let (cached, clock) = cached();
        let load = |value| move || async move { Ok::<_, Infallible>(value) };
        assert_eq!(cached.get(&"key", load(1)).await, Ok(1));
        clock.advance(LIFE - Duration::from_secs(500));
        assert_eq!(cached.get(&"key", load(2)).await, Ok(1));
        clock.advance(Duration::from_secs(500));
        assert_eq!(cached.get(&"key", load(3)).await, Ok(3));
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let (cached, _clock) = cached();
        assert_eq!(cached.get(&"key", async || Err("down")).await, Err("down"));
        assert_eq!(cached.get(&"key", async || Ok::<_, &str>(1)).await, Ok(1));
    }

    #[tokio::test]
    async fn what_is_forgotten_or_renewed_is_loaded_anew() {
        let (cached, _clock) = cached();
        let load = |value| move || async move { Ok::<_, Infallible>(value) };
        assert_eq!(cached.get(&"key", load(1)).await, Ok(1));
        cached.forget_all();
        assert_eq!(cached.get(&"key", load(2)).await, Ok(2));
        assert_eq!(cached.renew(&"key", load(3)).await, Ok(3));
        assert_eq!(cached.get(&"key", load(4)).await, Ok(3));
    }
}
