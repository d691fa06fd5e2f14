//! Compressed bodies, unpacked slice by slice. We ask for none, and some servers and proxies send them all the same.
//! It must never unpack more than it was asked for, nor hold more than one slice's worth.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use bytes::{Buf, Bytes};
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, TRANSFER_ENCODING};

use super::failure::Failure;

/// What one body may unpack to, in bytes, beside [`RATIO_MAX`] times what came.
pub const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How much longer than what came a long body may become.
const RATIO_MAX: u64 = 100;
/// Codings that may lie over one another.
const CODINGS_MAX: usize = 3;
/// Packed bytes that are unpacked at once.
const SLICE_BYTES: usize = 1024;
/// What they may unpack to.
const SLICE_UNPACKED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What brotli writes at once.
const BROTLI_BUFFER_BYTES: usize = 16 * 1024;
/// Longest name of a coding that is repeated in an error, in characters.
const NAME_CHARACTERS_MAX: usize = 40;

/// What unpacks a body.
pub(super) struct Unpacker {
    /// The codings in the order in which they come off.
    layers: Vec<Layer>,
    came: u64,
    unpacked: u64,
}

/// How a body is encoded, as its headers say.
#[derive(Default)]
pub(super) struct Coding {
    /// What takes the codings off; `None` if there is none that we know.
    pub(super) unpacker: Option<Box<Unpacker>>,
    /// A coding that nobody knows. The official clients read such a body as it is, and often it is plain.
    pub(super) unknown: Option<Box<str>>,
}

impl Coding {
    /// What the headers of an answer say.
    ///
    /// # Errors
    /// For a transfer coding, which belongs to the connection, and for too many codings.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let transfer = headers.get_all(TRANSFER_ENCODING).iter();
        for value in transfer {
            if !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(encoding(&String::from_utf8_lossy(value.as_bytes())));
            }
        }
        if !headers.contains_key(CONTENT_ENCODING) {
            return Ok(Self::default());
        }
        let (mut layers, mut unknown) = (Vec::new(), None);
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        for name in values
            .iter()
            .flat_map(|value| value.split(','))
            .map(str::trim)
        {
            match name.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => layers.push(Layer::new(Kind::Gzip)),
                "deflate" => layers.push(Layer::new(Kind::Deflate)),
                "br" => layers.push(Layer::new(Kind::Brotli)),
                other => unknown = Some(named(other).into()),
            }
        }
        if layers.len() > CODINGS_MAX {
            return Err(encoding(&values.join(", ")));
        }
        layers.reverse();
        let unpacker = (!layers.is_empty() && unknown.is_none()).then(|| {
            Box::new(Unpacker {
                layers,
                came: 0,
                unpacked: 0,
            })
        });
        Ok(Self { unpacker, unknown })
    }
}

/// A name from outside as an error may repeat it.
fn named(text: &str) -> String {
    let shown = text.chars().map(|c| {
        if c.is_ascii_graphic() || c == ' ' {
            c
        } else {
            '?'
        }
    });
    shown.take(NAME_CHARACTERS_MAX).collect()
}

fn encoding(name: &str) -> Failure {
    Failure::Encoding {
        encoding: named(name),
    }
}

impl Unpacker {
    /// Takes a piece in; only after [`Unpacker::next`] has returned `None`.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.came += piece.len() as u64;
        self.layers[0].waiting.push_back(piece);
    }

    /// The next unpacked piece, or `None` if another packed one is needed.
    ///
    /// # Errors
    /// If the bytes are not of their coding, or become too many.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        // The last layer that has something to do comes first, so that little waits between two of them.
        while let Some(at) = self
            .layers
            .iter()
            .rposition(|layer| !layer.waiting.is_empty())
        {
            let piece = self.layers[at].step()?;
            if let Some(piece) = self.hand_on(at, piece)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// What was held back until the end of the body was known; `None` if there is nothing more.
    ///
    /// # Errors
    /// As [`Unpacker::next`], and if the body ended too early.
    pub(super) fn finish(&mut self) -> Result<Option<Bytes>, Failure> {
        for at in 0..self.layers.len() {
            let piece = self.layers[at].finish()?;
            if let Some(piece) = self.hand_on(at, piece)? {
                return Ok(Some(piece));
            }
            if let Some(piece) = self.next()? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    fn hand_on(&mut self, at: usize, piece: Bytes) -> Result<Option<Bytes>, Failure> {
        if piece.is_empty() {
            return Ok(None);
        }
        if let Some(next) = self.layers.get_mut(at + 1) {
            next.waiting.push_back(piece);
            return Ok(None);
        }
        self.unpacked += piece.len() as u64;
        let max_bytes = UNPACKED_BYTES_MAX + RATIO_MAX * self.came;
        if self.unpacked > max_bytes {
            return Err(Failure::TooLarge { max_bytes });
        }
        Ok(Some(piece))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Gzip,
    Deflate,
    Brotli,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        }
    }
}

/// One coding.
struct Layer {
    kind: Kind,
    waiting: VecDeque<Bytes>,
    /// Made at the first bytes, which say what sort of deflate it is.
    decoder: Option<Decoder>,
    is_over: bool,
}

enum Decoder {
    Gzip(Box<GzDecoder<Sink>>),
    Zlib(Box<ZlibDecoder<Sink>>),
    Raw(Box<DeflateDecoder<Sink>>),
    Brotli(Box<DecompressorWriter<Sink>>),
}

impl Layer {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            waiting: VecDeque::new(),
            decoder: None,
            is_over: false,
        }
    }

    /// Unpacks one slice of what waits.
    fn step(&mut self) -> Result<Bytes, Failure> {
        let Some(mut piece) = self.waiting.pop_front() else {
            return Ok(Bytes::new());
        };
        if self.is_over {
            // What stands after the end is nobody's.
            return Ok(Bytes::new());
        }
        let slice = piece.split_to(piece.len().min(SLICE_BYTES));
        if piece.has_remaining() {
            self.waiting.push_front(piece);
        }
        let kind = self.kind;
        let decoder = self
            .decoder
            .get_or_insert_with(|| Decoder::new(kind, &slice));
        let written = decoder.write(&slice);
        self.is_over = matches!(written, Ok(false));
        let unpacked = decoder.take();
        match written {
            Ok(_) => Ok(unpacked),
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(Bytes::new());
        };
        if std::mem::replace(&mut self.is_over, true) {
            return Ok(Bytes::new());
        }
        let finished = decoder.finish();
        let unpacked = decoder.take();
        match finished {
            Ok(()) => Ok(unpacked),
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::FileTooLarge {
            return Failure::TooLarge {
                max_bytes: SLICE_UNPACKED_BYTES_MAX as u64,
            };
        }
        encoding(self.kind.name())
    }
}

impl Decoder {
    fn new(kind: Kind, first: &[u8]) -> Self {
        let sink = Sink::default();
        match kind {
            Kind::Gzip => Self::Gzip(Box::new(GzDecoder::new(sink))),
            Kind::Deflate if is_zlib(first) => Self::Zlib(Box::new(ZlibDecoder::new(sink))),
            Kind::Deflate => Self::Raw(Box::new(DeflateDecoder::new(sink))),
            Kind::Brotli => {
                Self::Brotli(Box::new(DecompressorWriter::new(sink, BROTLI_BUFFER_BYTES)))
            }
        }
    }

    /// Unpacks. `false` once the end of the packed stream has come.
    fn write(&mut self, mut slice: &[u8]) -> io::Result<bool> {
        while !slice.is_empty() {
            let taken = match self {
                Self::Gzip(decoder) => decoder.write(slice)?,
                Self::Zlib(decoder) => decoder.write(slice)?,
                Self::Raw(decoder) => decoder.write(slice)?,
                Self::Brotli(decoder) => decoder.write(slice)?,
            };
            if taken == 0 {
                return Ok(false);
            }
            slice = &slice[taken..];
        }
        match self {
            Self::Gzip(decoder) => decoder.flush()?,
            Self::Zlib(decoder) => decoder.flush()?,
            Self::Raw(decoder) => decoder.flush()?,
            Self::Brotli(decoder) => decoder.flush()?,
        }
        Ok(true)
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Zlib(decoder) => decoder.try_finish(),
            Self::Raw(decoder) => decoder.try_finish(),
            Self::Brotli(decoder) => decoder.close(),
        }
    }

    fn take(&mut self) -> Bytes {
        let sink = match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut(),
            Self::Raw(decoder) => decoder.get_mut(),
            Self::Brotli(decoder) => decoder.get_mut(),
        };
        Bytes::from(std::mem::take(&mut sink.0))
    }
}

/// Whether deflate comes in zlib's wrapping, as RFC 9110 wants it; some servers send it without.
fn is_zlib(first: &[u8]) -> bool {
    match first {
        [method, flags, ..] => {
            method & 0x0F == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => true,
    }
}

/// Takes what one slice unpacks to, within its bound.
#[derive(Default)]
struct Sink(Vec<u8>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > SLICE_UNPACKED_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.layers.iter().map(|layer| layer.kind.name());
        f.debug_list().entries(names).finish()
    }
}
