//! Lines of standard input: bytes up to a line feed, each within a limit.
//! Judges no line; one that is too long, or no UTF-8, takes no other with it.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// Its beginning; the rest was passed over.
    TooLong(Vec<u8>),
}

/// Reads lines. Whoever stops waiting for one loses nothing of it.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    bytes_max: usize,
    is_too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Lines of this input, of which none is kept beyond so many bytes.
    pub(super) fn new(input: R, bytes_max: usize) -> Self {
        Self {
            input,
            line: Vec::new(),
            bytes_max,
            is_too_long: false,
        }
    }

    /// The next line; `None` at the end of input. A last line needs no line feed.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let piece = self.input.fill_buf().await?;
            if piece.is_empty() {
                let is_over = self.line.is_empty() && !self.is_too_long;
                return Ok((!is_over).then(|| self.take()));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let part = &piece[..end.unwrap_or(piece.len())];
            let room = self.bytes_max - self.line.len();
            self.is_too_long |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let taken = end.map_or(piece.len(), |end| end + 1);
            self.input.consume(taken);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        match std::mem::take(&mut self.is_too_long) {
            true => Line::TooLong(line),
            false => Line::Whole(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_takes_no_other_with_it() {
        let input = b"one\ntoo long\n\n123456\n\xff\r\nlast".as_slice();
        let mut lines = Lines::new(tokio::io::BufReader::with_capacity(2, input), 6);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        let whole = |text: &[u8]| Line::Whole(text.to_vec());
        let expected = [
            whole(b"one"),
            Line::TooLong(b"too lo".to_vec()),
            whole(b""),
            whole(b"123456"),
            whole(b"\xff\r"),
            whole(b"last"),
        ];
        assert_eq!(read, expected);
    }
}
