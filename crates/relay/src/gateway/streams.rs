//! Streams of a session client that outlive a broken connection: messages are kept, numbered and within a
//! bound, until the client has taken them up again (2025-11-25, resumability and redelivery).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

/// Streams remembered in one session at most; the oldest finished one goes first.
const STREAMS_MAX: usize = 64;
/// Bytes kept for one stream at most; then the oldest messages go.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Messages kept for one stream at most.
const KEPT_MESSAGES_MAX: usize = 1024;
/// How long a call goes on without anybody reading its stream before it is cancelled.
const GRACE: Duration = Duration::from_secs(30);

/// Where in which stream: what an event id says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The stream's number in its session; 0 is the session's own stream.
    pub stream: u64,
    /// The message's number in its stream, from 1; 0 is before the first.
    pub message: u64,
}

impl Position {
    /// The event id.
    pub fn to_id(self) -> String {
        format!("{}-{}", self.stream, self.message)
    }

    /// The position that an event id of ours names.
    pub fn parse(id: &str) -> Option<Self> {
        let (stream, message) = id.split_once('-')?;
        Some(Self {
            stream: stream.parse().ok()?,
            message: message.parse().ok()?,
        })
    }
}

/// The streams of one session.
#[derive(Debug, Default)]
pub struct Streams {
    known: Mutex<BTreeMap<u64, Arc<Stream>>>,
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    /// Its number in the session.
    pub number: u64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<(u64, Bytes)>,
    kept_bytes: usize,
    last: u64,
    is_finished: bool,
    readers: u32,
}

impl Streams {
    /// A new stream. Number 0 is the session's own and lives as long as the session.
    pub fn begin(&self) -> Arc<Stream> {
        let mut known = lock(&self.known);
        let number = known.last_key_value().map_or(1, |(number, _)| number + 1);
        let finished = known
            .iter()
            .find(|(number, stream)| **number > 0 && stream.is_finished())
            .map(|(n, _)| *n);
        if known.len() >= STREAMS_MAX
            && let Some(finished) = finished
        {
            known.remove(&finished);
        }
        let stream = Arc::new(Stream::new(number));
        known.insert(number, stream.clone());
        stream
    }

    /// The session's own stream.
    pub fn own(&self) -> Arc<Stream> {
        lock(&self.known)
            .entry(0)
            .or_insert_with(|| Arc::new(Stream::new(0)))
            .clone()
    }

    /// The stream with this number.
    pub fn find(&self, number: u64) -> Option<Arc<Stream>> {
        lock(&self.known).get(&number).cloned()
    }
}

impl Stream {
    fn new(number: u64) -> Self {
        Self {
            number,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn is_finished(&self) -> bool {
        lock(&self.state).is_finished
    }

    /// Adds a message and returns its number.
    pub fn push(&self, text: Bytes) -> u64 {
        let mut state = lock(&self.state);
        state.last += 1;
        state.kept_bytes += text.len();
        let number = state.last;
        state.kept.push_back((number, text));
        while state.kept.len() > 1
            && (state.kept_bytes > KEPT_BYTES_MAX || state.kept.len() > KEPT_MESSAGES_MAX)
        {
            if let Some((_, old)) = state.kept.pop_front() {
                state.kept_bytes -= old.len();
            }
        }
        drop(state);
        self.changed.notify_waiters();
        number
    }

    /// Nothing more will come.
    pub fn finish(&self) {
        lock(&self.state).is_finished = true;
        self.changed.notify_waiters();
    }

    /// Whether every message after this number is still kept.
    pub fn has_all_after(&self, number: u64) -> bool {
        let state = lock(&self.state);
        number <= state.last
            && state
                .kept
                .front()
                .is_none_or(|(first, _)| *first <= number + 1)
    }

    /// What is kept after this number, without waiting.
    pub fn kept_after(&self, number: u64) -> Vec<(u64, Bytes)> {
        lock(&self.state)
            .kept
            .iter()
            .filter(|(n, _)| *n > number)
            .cloned()
            .collect()
    }

    /// Attaches a reader that has everything up to this number.
    pub fn read_after(self: &Arc<Self>, number: u64) -> Reader {
        lock(&self.state).readers += 1;
        self.changed.notify_waiters();
        Reader {
            stream: self.clone(),
            after: number,
        }
    }

    /// Returns once nobody has read for the time of grace.
    pub async fn abandoned(&self) {
        loop {
            let changed = self.changed.notified();
            if lock(&self.state).readers > 0 {
                changed.await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(GRACE) => return,
                () = self.until_read() => {}
            }
        }
    }

    async fn until_read(&self) {
        loop {
            let changed = self.changed.notified();
            if lock(&self.state).readers > 0 {
                return;
            }
            changed.await;
        }
    }
}

/// One connection's view of a stream.
#[derive(Debug)]
pub struct Reader {
    stream: Arc<Stream>,
    after: u64,
}

impl Reader {
    /// The number of the stream.
    pub fn stream(&self) -> u64 {
        self.stream.number
    }

    /// The next message and its number; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<(u64, Bytes)> {
        loop {
            let changed = self.stream.changed.notified();
            {
                let state = lock(&self.stream.state);
                let next = state.kept.iter().find(|(number, _)| *number > self.after);
                if let Some((number, text)) = next {
                    self.after = *number;
                    return Some((*number, text.clone()));
                }
                if state.is_finished {
                    return None;
                }
            }
            changed.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        lock(&self.stream.state).readers -= 1;
        self.stream.changed.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_comes_back_gets_what_it_missed_and_nothing_twice() {
        let stream = Streams::default().begin();
        let mut reader = stream.read_after(0);
        for text in ["a", "b", "c"] {
            stream.push(Bytes::from(text));
        }
        stream.finish();
        assert_eq!(reader.next().await, Some((1, Bytes::from("a"))));
        drop(reader);
        let mut again = stream.read_after(1);
        assert_eq!(again.next().await, Some((2, Bytes::from("b"))));
        assert_eq!(again.next().await, Some((3, Bytes::from("c"))));
        assert_eq!(again.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_abandoned_only_after_the_time_of_grace() {
        let stream = Streams::default().begin();
        let reader = stream.read_after(0);
        assert!(
            tokio::time::timeout(GRACE * 2, stream.abandoned())
                .await
                .is_err(),
            "somebody reads"
        );
        drop(reader);
        assert!(
            tokio::time::timeout(GRACE / 2, stream.abandoned())
                .await
                .is_err(),
            "within the grace"
        );
        assert!(
            tokio::time::timeout(GRACE * 2, stream.abandoned())
                .await
                .is_ok()
        );
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_gap_is_noticed() {
        let stream = Streams::default().begin();
        for _ in 0..=KEPT_MESSAGES_MAX {
            stream.push(Bytes::from("x"));
        }
        assert!(!stream.has_all_after(0), "the first message is gone");
        assert!(stream.has_all_after(1));
        assert_eq!(
            Position::parse("3-17"),
            Some(Position {
                stream: 3,
                message: 17
            })
        );
    }
}
