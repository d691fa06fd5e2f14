//! Server-sent events, parsed as <https://html.spec.whatwg.org/multipage/server-sent-events.html> says.
//! It must never connect again by itself, nor let an event that was cut off pass for the end. An event whose blank line
//! is missing at the end of a stream counts if its data is a whole JSON object or array, which cannot have been cut off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;

use super::body::Body;
use super::failure::Failure;

/// Largest event that a caller should accept, in bytes.
pub const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// What a line of data begins with.
const DATA: &[u8] = b"data:";

/// One event. An event without data is yielded too: its id and retry count when a stream is resumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; none means `message`.
    pub event: Option<String>,
    /// The `data` fields, joined with LF. Not checked to be UTF-8: a JSON parser does that anyway.
    pub data: Bytes,
    /// The `id` field, to be sent as `Last-Event-ID`.
    pub id: Option<String>,
    /// The `retry` field: how long to wait before connecting again.
    pub retry: Option<Duration>,
    /// The beginning and the end of data that was larger than allowed, where that does not end the stream; `data` is
    /// empty then.
    pub ends: Option<[Bytes; 2]>,
}

/// Bytes kept of either end of an event that is too large.
const END_BYTES: usize = 1024;
/// How many times larger than allowed an event may be that is read past.
const SKIPPED_TIMES_MAX: usize = 8;

impl Body {
    /// Returns the server-sent events in the body, each of at most `event_bytes_max`; as many as come.
    pub fn events(self, event_bytes_max: usize) -> EventStream {
        EventStream::new(self, event_bytes_max)
    }
}

/// The events of a body; ends after the first failure.
#[derive(Debug)]
pub struct EventStream {
    body: Body,
    parser: Parser,
    is_done: bool,
}

impl EventStream {
    pub(super) fn new(body: Body, event_bytes_max: usize) -> Self {
        Self {
            body,
            parser: Parser::new(event_bytes_max),
            is_done: false,
        }
    }

    /// Reads past an event that is too large and yields its ends, instead of ending with it: others share the stream.
    /// What is no JSON object, or goes on and on, ends it all the same.
    #[must_use]
    pub fn skipping_large(mut self) -> Self {
        self.parser.skips_large = true;
        self
    }

    /// Sets the longest silence from now on.
    pub fn set_idle(&mut self, idle: Duration) {
        self.body.set_idle(idle);
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        loop {
            let end = match self.parser.next_event() {
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Ok(None) => match ready!(self.body.poll_piece(cx)) {
                    Some(Ok(piece)) => {
                        self.parser.push(piece);
                        continue;
                    }
                    Some(Err(failure)) => Some(Err(failure)),
                    None => self.parser.end().transpose(),
                },
                Err(failure) => Some(Err(failure)),
            };
            self.is_done = true;
            return Poll::Ready(end);
        }
    }
}

/// The format, without the network.
#[derive(Debug)]
struct Parser {
    /// What has come and is not parsed yet.
    piece: Bytes,
    /// The beginning of a line whose end has not come.
    partial: BytesMut,
    /// The last piece ended with CR, so an LF at the start of the next one belongs to it.
    is_after_cr: bool,
    is_first_line: bool,
    draft: Event,
    /// More data lines than one; the first alone stays in `draft` and is never copied.
    lines: Option<BytesMut>,
    has_data: bool,
    /// Bytes of the lines in the draft.
    draft_bytes: usize,
    event_bytes_max: usize,
    skips_large: bool,
    /// Bytes that came since the event was found to be too large.
    skipped: usize,
}

impl Parser {
    fn new(event_bytes_max: usize) -> Self {
        Self {
            piece: Bytes::new(),
            partial: BytesMut::new(),
            is_after_cr: false,
            is_first_line: true,
            draft: Event::default(),
            lines: None,
            has_data: false,
            draft_bytes: 0,
            event_bytes_max,
            skips_large: false,
            skipped: 0,
        }
    }

    /// Takes the next piece; only after `next_event` has returned `None`.
    fn push(&mut self, piece: Bytes) {
        if self.draft.ends.is_some() {
            self.skipped += piece.len();
        }
        self.piece = piece;
    }

    /// Returns the next whole event, or `None` if another piece is needed.
    fn next_event(&mut self) -> Result<Option<Event>, Failure> {
        while let Some(line) = self.next_line() {
            if !line.is_empty() {
                self.field(line);
            } else if self.draft_bytes > 0 {
                return Ok(Some(self.take()));
            }
            self.check_size()?;
        }
        self.check_size()?;
        Ok(None)
    }

    /// The event that lacks its blank line, if the stream ends with one that is whole all the same.
    fn end(&mut self) -> Result<Option<Event>, Failure> {
        if self.draft_bytes == 0 && self.partial.is_empty() {
            return Ok(None);
        }
        let line = self.partial.split().freeze();
        if !line.is_empty() {
            self.field(line);
        }
        let event = self.take();
        if is_whole(&event.data) {
            return Ok(Some(event));
        }
        Err(Failure::Closed(Arc::new(io::Error::from(
            io::ErrorKind::UnexpectedEof,
        ))))
    }

    fn check_size(&mut self) -> Result<(), Failure> {
        let is_large = self.draft_bytes + self.partial.len() > self.event_bytes_max;
        if self.skips_large && (is_large || self.draft.ends.is_some()) && self.shorten() {
            return Ok(());
        }
        if !is_large && self.draft.ends.is_none() {
            return Ok(());
        }
        Err(Failure::TooLarge {
            max_bytes: self.event_bytes_max as u64,
        })
    }

    /// Keeps the ends of an event that is too large, and nothing between them. Says whether it is to be read past.
    fn shorten(&mut self) -> bool {
        let lines = self.lines.take().map(BytesMut::freeze);
        let data = lines.unwrap_or_else(|| std::mem::take(&mut self.draft.data));
        let is_open = self.partial.starts_with(DATA);
        let open = if is_open {
            self.partial.split_off(DATA.len()).freeze()
        } else {
            self.partial.truncate(END_BYTES);
            Bytes::new()
        };
        let first = if data.is_empty() { &open } else { &data };
        let head = &first[..first.len().min(END_BYTES)];
        let ends = &mut self.draft.ends;
        ends.get_or_insert_with(|| [Bytes::copy_from_slice(head), Bytes::new()]);
        if is_open {
            self.partial.extend_from_slice(end_of(&open));
        } else {
            self.draft.data = Bytes::copy_from_slice(end_of(&data));
        }
        self.has_data = !self.draft.data.is_empty();
        self.draft_bytes = self.draft.data.len();
        let ends = self.draft.ends.as_ref();
        let is_object = ends.is_some_and(|[head, _]| head.trim_ascii_start().starts_with(b"{"));
        is_object && self.skipped <= SKIPPED_TIMES_MAX * self.event_bytes_max
    }

    /// Returns the next line without its end: LF, CR, or CRLF.
    fn next_line(&mut self) -> Option<Bytes> {
        if self.is_after_cr && !self.piece.is_empty() {
            self.is_after_cr = false;
            if self.piece[0] == b'\n' {
                self.piece.advance(1);
            }
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', &self.piece) else {
            self.partial
                .extend_from_slice(&std::mem::take(&mut self.piece));
            return None;
        };
        let mut line = self.piece.split_to(end);
        self.is_after_cr = self.piece[0] == b'\r';
        self.piece.advance(1);
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(&line);
            line = self.partial.split().freeze();
        }
        if std::mem::take(&mut self.is_first_line) && line.starts_with(BYTE_ORDER_MARK) {
            line.advance(BYTE_ORDER_MARK.len());
        }
        Some(line)
    }

    /// Adds a field to the draft; comments and unknown fields are dropped.
    fn field(&mut self, mut line: Bytes) {
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        if colon == 0 {
            return;
        }
        self.draft_bytes += line.len();
        let name = line.split_to(colon);
        let mut value = line;
        let colon_and_space = if value.starts_with(b": ") {
            2
        } else {
            value.len().min(1)
        };
        value.advance(colon_and_space);
        match &name[..] {
            b"data" => self.data(value),
            b"event" => self.draft.event = Some(text(&value)),
            b"id" if !value.contains(&0) => self.draft.id = Some(text(&value)),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let ms = str::from_utf8(&value)
                    .ok()
                    .and_then(|digits| digits.parse().ok());
                self.draft.retry = ms.map(Duration::from_millis).or(self.draft.retry);
            }
            _ => {}
        }
    }

    fn data(&mut self, value: Bytes) {
        if !self.has_data {
            self.has_data = true;
            self.draft.data = value;
            return;
        }
        let first = &self.draft.data;
        let lines = self.lines.get_or_insert_with(|| BytesMut::from(&first[..]));
        lines.extend_from_slice(b"\n");
        lines.extend_from_slice(&value);
    }

    fn take(&mut self) -> Event {
        self.draft_bytes = 0;
        self.skipped = 0;
        self.has_data = false;
        let mut event = std::mem::take(&mut self.draft);
        if let Some(lines) = self.lines.take() {
            event.data = lines.freeze();
        }
        if let Some([_, tail]) = &mut event.ends {
            let data = std::mem::take(&mut event.data);
            *tail = Bytes::copy_from_slice(end_of(&data));
        }
        event
    }
}

fn end_of(data: &[u8]) -> &[u8] {
    &data[data.len().saturating_sub(END_BYTES)..]
}

/// Whether data is a JSON object or array from its first to its last bracket.
fn is_whole(data: &[u8]) -> bool {
    matches!(data.trim_ascii().last(), Some(b'}' | b']'))
        && serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1024;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Event>, Failure> {
        let mut parser = Parser::new(MAX);
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(Bytes::copy_from_slice(piece));
            while let Some(event) = parser.next_event()? {
                events.push(event);
            }
        }
        events.extend(parser.end()?);
        Ok(events)
    }

    fn data_of(text: &str) -> Vec<String> {
        let events = parse([text.as_bytes()]).unwrap();
        events
            .iter()
            .map(|event| String::from_utf8(event.data.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn all_fields_are_read() {
        let events =
            parse([b": hi\nevent: message\nid: 7/0\nretry: 1500\ndata: {\"a\":1}\n\n".as_slice()]);
        let expected = Event {
            event: Some("message".into()),
            data: Bytes::from_static(b"{\"a\":1}"),
            id: Some("7/0".into()),
            retry: Some(Duration::from_millis(1500)),
            ends: None,
        };
        assert_eq!(events.unwrap(), [expected]);
    }

    #[test]
    fn the_rules_of_the_specification_hold() {
        assert_eq!(
            data_of("data: YHOO\ndata: +2\ndata: 10\n\n"),
            ["YHOO\n+2\n10"]
        );
        assert_eq!(data_of("data\n\ndata\ndata\n\ndata:\n\n"), ["", "\n", ""]);
        assert_eq!(
            data_of("data:test\n\ndata: test\n\ndata:  test\n\n"),
            ["test", "test", " test"]
        );
        assert_eq!(data_of("\u{feff}data: x\n\n"), ["x"]);
        assert_eq!(
            data_of("foo: bar\ncolonless\ndata: x\nevent: a\nevent: b\n\n"),
            ["x"]
        );
        assert_eq!(
            data_of(": a comment\n\n: another\n\n\n\ndata: x\n\n"),
            ["x"]
        );
        assert_eq!(
            data_of("data: a\r\ndata: b\rdata: c\r\rdata: d\n\r\n"),
            ["a\nb\nc", "d"]
        );
    }

    #[test]
    fn bad_ids_and_retries_are_ignored() {
        let events =
            parse([b"id: a\0b\nretry: -1\nretry: 99999999999999999999\ndata: x\n\n".as_slice()]);
        assert_eq!(
            (
                &events.as_ref().unwrap()[0].id,
                events.as_ref().unwrap()[0].retry
            ),
            (&None, None)
        );
    }

    #[test]
    fn an_event_without_data_keeps_its_id() {
        let events = parse([b"id: 0/0\nretry: 3000\n\n".as_slice()]).unwrap();
        assert_eq!((events.len(), events[0].id.as_deref()), (1, Some("0/0")));
    }

    #[test]
    fn an_event_that_was_cut_off_is_a_failure() {
        for text in [
            "data: x",
            "data: x\n",
            "data: 1\n",
            "data: {\"a\":[1]\n",
            "data: x\n\ndata",
            ": comment",
        ] {
            assert!(
                matches!(parse([text.as_bytes()]), Err(Failure::Closed(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn an_event_that_lacks_its_blank_line_and_is_whole_counts() {
        for end in ["", "\n", "\r", "\r\n"] {
            let text = format!("id: 1\ndata: {{\"a\":\ndata: [1]}}{end}");
            assert_eq!(data_of(&text), ["{\"a\":\n[1]}"], "{end:?}");
        }
    }

    #[test]
    fn an_event_is_capped_and_its_comments_do_not_count() {
        let line = format!("data: {}\n", "x".repeat(MAX / 2));
        assert!(matches!(
            parse([line.repeat(2).as_bytes()]),
            Err(Failure::TooLarge { max_bytes: 1024 })
        ));
        let endless = vec![b'x'; MAX / 4];
        assert!(matches!(
            parse([&endless[..]; 5]),
            Err(Failure::TooLarge { .. })
        ));
        assert!(
            matches!(parse([b": keep-alive\n".repeat(MAX).as_slice(), b"data: x\n\n"]), Ok(events) if events.len() == 1)
        );
        assert_eq!(
            parse([format!("{line}\n").repeat(9).as_bytes()])
                .unwrap()
                .len(),
            9
        );
    }

    #[test]
    fn a_data_line_in_one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"data: {\"a\":1}\n\n");
        let mut parser = Parser::new(MAX);
        parser.push(piece.clone());
        let event = parser.next_event().unwrap().unwrap();
        assert_eq!(event.data.as_ptr(), piece[6..].as_ptr());
    }

    proptest! {
        #[test]
        fn where_a_stream_is_split_does_not_matter(
            text in "(data|id|event|:|\u{e9}|: |x|\r|\n|\r\n){0,40}", cuts in prop::collection::vec(0usize..80, 0..6)
        ) {
            let text = format!("{text}\n\n");
            let whole = parse([text.as_bytes()]).unwrap();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]);
            prop_assert_eq!(parse(pieces).unwrap(), whole);
        }
    }

    #[test]
    fn of_an_event_that_is_too_large_the_ends_are_kept_where_others_share_the_stream() {
        let large = format!("{{{}}}", "x".repeat(2 * MAX));
        let lines = format!("{{{}\ndata: {}}}", "x".repeat(MAX), "y".repeat(MAX));
        for data in [&large, &lines] {
            let text = format!("id: 1\ndata: a\n\nid: 2\ndata: {data}\n\ndata: b\n\n");
            for size in [1, 7, 1000, usize::MAX] {
                let mut parser = Parser::new(MAX);
                parser.skips_large = true;
                let mut events = Vec::new();
                for piece in text.as_bytes().chunks(size.min(text.len())) {
                    parser.push(Bytes::copy_from_slice(piece));
                    assert!(parser.partial.len() <= MAX + 2 * END_BYTES + piece.len());
                    while let Some(event) = parser.next_event().unwrap() {
                        events.push(event);
                    }
                }
                let shown: Vec<&[u8]> = events.iter().map(|event| &event.data[..]).collect();
                assert_eq!(shown, [&b"a"[..], b"", b"b"], "{size}");
                let [head, tail] = events[1].ends.as_ref().unwrap();
                assert!(head.trim_ascii_start().starts_with(b"{x"), "{size}");
                assert!(tail.ends_with(b"}"), "{size}");
                assert!(head.len() <= END_BYTES && tail.len() <= END_BYTES);
                assert_eq!(events[0].ends, None);
            }
        }
        let endless = format!("data: {{{}", "x".repeat(100 * MAX));
        let other = format!("data: {}\n\n", "x".repeat(2 * MAX));
        for text in [endless, other] {
            let mut parser = Parser::new(MAX);
            parser.skips_large = true;
            let mut pieces = text.as_bytes().chunks(500);
            let is_refused = pieces.any(|piece| {
                parser.push(Bytes::copy_from_slice(piece));
                parser.next_event().is_err()
            });
            assert!(is_refused);
        }
    }
}
