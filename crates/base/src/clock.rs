//! Now, and random bytes, passed in as values; a test sets the time.
//! The only module that reads the system clock.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

/// A point in time as milliseconds since the Unix epoch, as it is stored.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    sqlx::Type,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// This time plus a duration.
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Milliseconds from `earlier` to this time, at least 0.
    pub fn since_ms(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// ISO 8601 with `Z`, the form of the REST surface.
    pub fn to_iso(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or_else(|_| self.0.to_string(), |t| t.to_string())
    }

    /// The same with all three digits of the milliseconds, so that texts sort as times do.
    pub fn to_iso_ms(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or_else(|_| self.0.to_string(), |t| format!("{t:.3}"))
    }
}

/// A point in time that is written as [`UnixMs::to_iso`] writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Iso(pub UnixMs);

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_iso())
    }
}

impl JsonSchema for Iso {
    fn schema_name() -> Cow<'static, str> {
        "Iso".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// The source of time. Cheap to clone; all clones of a manual clock move together.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    now: AtomicI64,
    start: i64,
}

impl Clock {
    /// A clock that stands still until [`Clock::advance`] moves it.
    pub fn manual(start: UnixMs) -> Self {
        Self(Source::Manual(Arc::new(Manual {
            now: AtomicI64::new(start.0),
            start: start.0,
        })))
    }

    /// The current time.
    pub fn now(&self) -> UnixMs {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Source::System => {
                let elapsed = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                UnixMs(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Manual(manual) => UnixMs(manual.now.load(Ordering::SeqCst)),
        }
    }

    /// Time since the process started, for lives and idle times: a step of the system's clock does not change it. With
    /// a manual clock it passes as it does for everybody, and jumps ahead with [`Clock::advance`].
    pub fn uptime(&self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let passed = START.elapsed();
        match &self.0 {
            Source::System => passed,
            Source::Manual(manual) => {
                let advanced = manual.now.load(Ordering::SeqCst) - manual.start;
                passed + Duration::from_millis(u64::try_from(advanced).unwrap_or(0))
            }
        }
    }

    /// Moves a manual clock forward; a system clock moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            manual.now.fetch_add(
                i64::try_from(by.as_millis()).unwrap_or(i64::MAX),
                Ordering::SeqCst,
            );
        }
    }
}

/// A monotonic start point, for durations only.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Fills an array from the operating system's random source.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes
}

/// A random (version 4) UUID.
pub fn random_uuid() -> Uuid {
    uuid::Builder::from_random_bytes(random_bytes()).into_uuid()
}

/// A UUID that begins with the time (version 7): an index of them grows at its end.
pub fn ordered_uuid() -> Uuid {
    let now = u64::try_from(Clock::default().now().0).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(now, &random_bytes()).into_uuid()
}

/// `N` random bytes as lower-case hex, `2 * N` characters.
pub fn random_hex<const N: usize>() -> String {
    random_bytes::<N>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::UnixMs;

    #[test]
    fn texts_of_the_log_sort_as_times_do() {
        let times = [0, 100, 120, 999, 1_000, 1_796_000_000_920];
        let texts = times.map(|ms| UnixMs(ms).to_iso_ms());
        assert_eq!(texts[0], "1970-01-01T00:00:00.000Z");
        assert_eq!(texts[1], "1970-01-01T00:00:00.100Z");
        assert!(texts.is_sorted(), "{texts:?}");
    }
}
