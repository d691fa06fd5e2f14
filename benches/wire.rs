//! HTTP/1.1 over one kept-alive connection: writes bytes that were made before, reads one answer.
//! Never pipelines, so that a latency is that of one request.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A connection with TCP_NODELAY: without it a request in two writes waits 40 ms for Nagle.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back; the body's place in the connection's buffer.
struct Answer {
    status: u16,
    session: Option<String>,
    body: Range<usize>,
}

/// How a body ends.
#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

struct Head {
    end: usize,
    status: u16,
    session: Option<String>,
    framing: Framing,
}

impl Wire {
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let buffer = Vec::new();
        Ok(Self { stream, buffer })
    }

    /// Sends a request and reads the whole answer: its status and body.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        let answer = self.answer(request).await?;
        Ok((answer.status, &self.buffer[answer.body]))
    }

    /// Sends `initialize` and returns the session that it opened.
    pub async fn open_session(&mut self, request: &[u8]) -> io::Result<String> {
        let answer = self.answer(request).await?;
        let text = String::from_utf8_lossy(&self.buffer[answer.body]);
        answer
            .session
            .ok_or_else(|| broken(&format!("{} and no session: {text}", answer.status)))
    }

    /// Sends a request whose answer never ends; reads its head alone.
    pub async fn open_stream(&mut self, request: &[u8]) -> io::Result<()> {
        match self.send(request).await?.status {
            200 => {
                // Thousands of these are held, and their memory is not what is measured.
                self.buffer = Vec::new();
                Ok(())
            }
            status => Err(broken(&format!("a stream answered {status}"))),
        }
    }

    async fn answer(&mut self, request: &[u8]) -> io::Result<Answer> {
        let head = self.send(request).await?;
        let body = match head.framing {
            Framing::Length(length) => {
                while self.buffer.len() < head.end + length {
                    self.read_more().await?;
                }
                head.end..head.end + length
            }
            Framing::Chunked => self.unchunk(head.end).await?,
        };
        Ok(Answer {
            status: head.status,
            session: head.session,
            body,
        })
    }

    async fn send(&mut self, request: &[u8]) -> io::Result<Head> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        loop {
            self.read_more().await?;
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                return head(&self.buffer[..end], end + 4);
            }
        }
    }

    /// Moves the chunks of a body together, in the buffer.
    async fn unchunk(&mut self, start: usize) -> io::Result<Range<usize>> {
        let (mut read, mut written) = (start, start);
        loop {
            let size_end = loop {
                match memchr::memmem::find(&self.buffer[read..], b"\r\n") {
                    Some(at) => break read + at,
                    None => self.read_more().await?,
                }
            };
            let size = std::str::from_utf8(&self.buffer[read..size_end]).unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(|_| broken("a chunk's size"))?;
            let chunk = size_end + 2;
            while self.buffer.len() < chunk + size + 2 {
                self.read_more().await?;
            }
            if size == 0 {
                return Ok(start..written);
            }
            self.buffer.copy_within(chunk..chunk + size, written);
            written += size;
            read = chunk + size + 2;
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(broken("the answer ended early")),
            _ => Ok(()),
        }
    }
}

fn head(text: &[u8], end: usize) -> io::Result<Head> {
    let text = std::str::from_utf8(text).map_err(|_| broken("a head that is not text"))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|status| status.parse().ok());
    let mut head = Head {
        end,
        status: status.ok_or_else(|| broken(text))?,
        session: None,
        framing: Framing::Length(0),
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.framing = Framing::Length(value.parse().map_err(|_| broken(text))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("mcp-session-id") {
            head.session = Some(value.to_owned());
        }
    }
    Ok(head)
}

/// An error that says what was not understood.
pub fn broken(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}
