//! WebP: a RIFF file of chunks, each with a name and a length.

use super::{Flaw, Rest, exif, require_size};

/// Flags of the first chunk of an extended file: it has Exif, it has XMP, it moves.
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;
const MOVES: u8 = 0x02;
/// Bytes of the name and the length before each chunk, and of the file's own with its kind.
const HEAD_BYTES: usize = 8;
const FILE_HEAD_BYTES: usize = 12;

/// The picture alone: its chunks, its colours, and which way is up.
pub(super) fn clean(content: &[u8]) -> Result<Vec<u8>, Flaw> {
    let mut rest = Rest(content);
    rest.expect(b"RIFF")?;
    let size = usize::try_from(u32::from_le_bytes(rest.array()?)).map_err(|_| Flaw::Broken)?;
    let mut rest = Rest(rest.take(size)?);
    rest.expect(b"WEBP")?;
    let mut out = vec![0; FILE_HEAD_BYTES];
    let (mut turned, mut has_pixels) = (None, false);
    while !rest.0.is_empty() {
        let name: [u8; 4] = rest.array()?;
        let length =
            usize::try_from(u32::from_le_bytes(rest.array()?)).map_err(|_| Flaw::Broken)?;
        let chunk = rest.take(length)?;
        // Some programs leave out what fills up the last one.
        rest.take((length % 2).min(rest.0.len()))?;
        let is_first = out.len() == FILE_HEAD_BYTES;
        match &name {
            b"VP8X" if is_first => {
                require_size_of_canvas(chunk)?;
                let mut flags = chunk.to_vec();
                flags[0] &= !(HAS_EXIF | HAS_XMP);
                add(&mut out, &name, &flags);
            }
            b"VP8 " | b"VP8L" if !has_pixels => {
                match &name {
                    b"VP8L" => require_size_without_loss(chunk)?,
                    _ => require_size_with_loss(chunk)?,
                }
                has_pixels = true;
                add(&mut out, &name, chunk);
            }
            b"ALPH" | b"ICCP" if !is_first => add(&mut out, &name, chunk),
            b"ANIM" | b"ANMF" => return Err(Flaw::Moving),
            b"EXIF" => turned = turned.or_else(|| exif::orientation(chunk)),
            b"VP8X" | b"VP8 " | b"VP8L" | b"ALPH" | b"ICCP" => return Err(Flaw::Broken),
            _ => {}
        }
    }
    if !has_pixels {
        return Err(Flaw::Broken);
    }
    let is_extended = out[FILE_HEAD_BYTES..].starts_with(b"VP8X");
    if let Some(turned) = turned.filter(|_| is_extended) {
        out[FILE_HEAD_BYTES + HEAD_BYTES] |= HAS_EXIF;
        add(&mut out, b"EXIF", &exif::only(turned));
    }
    let size = u32::try_from(out.len() - HEAD_BYTES).map_err(|_| Flaw::Broken)?;
    out[..4].copy_from_slice(b"RIFF");
    out[4..8].copy_from_slice(&size.to_le_bytes());
    out[8..12].copy_from_slice(b"WEBP");
    Ok(out)
}

fn add(out: &mut Vec<u8>, name: &[u8; 4], chunk: &[u8]) {
    let length = u32::try_from(chunk.len()).expect("a chunk was read under its length");
    out.extend_from_slice(name);
    out.extend(length.to_le_bytes());
    out.extend_from_slice(chunk);
    out.resize(out.len() + chunk.len() % 2, 0);
}

/// Flags, and the size less one in three bytes each.
fn require_size_of_canvas(chunk: &[u8]) -> Result<(), Flaw> {
    let [flags, _, _, _, w0, w1, w2, h0, h1, h2]: [u8; 10] =
        chunk.try_into().map_err(|_| Flaw::Broken)?;
    if flags & MOVES != 0 {
        return Err(Flaw::Moving);
    }
    let width = u32::from_le_bytes([w0, w1, w2, 0]) + 1;
    let height = u32::from_le_bytes([h0, h1, h2, 0]) + 1;
    require_size(width, height)
}

/// A frame's tag, the mark of a key frame, and the size in fourteen bits each (RFC 6386, 9.1).
fn require_size_with_loss(chunk: &[u8]) -> Result<(), Flaw> {
    let mut frame = Rest(chunk);
    frame.take(3)?;
    frame.expect(&[0x9d, 0x01, 0x2a])?;
    let width = u16::from_le_bytes(frame.array()?) & 0x3fff;
    let height = u16::from_le_bytes(frame.array()?) & 0x3fff;
    require_size(width.into(), height.into())
}

/// A mark, and the size less one in fourteen bits each.
fn require_size_without_loss(chunk: &[u8]) -> Result<(), Flaw> {
    let mut picture = Rest(chunk);
    picture.expect(&[0x2f])?;
    let sizes = u32::from_le_bytes(picture.array()?);
    require_size((sizes & 0x3fff) + 1, ((sizes >> 14) & 0x3fff) + 1)
}
