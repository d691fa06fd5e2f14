//! Exif, of which one fact is kept: how a picture is to be turned to be shown upright.
//! Reads nothing else of it and writes nothing else.

use super::Rest;

/// The tag of the fact, its type and how many values it has.
const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;
const ONE: u32 = 1;
/// What JPEG, and some programs in other formats, put in front.
pub(super) const PREFIX: &[u8] = b"Exif\0\0";

/// How many bytes [`only`] makes.
const ONLY_BYTES: usize = 26;

/// How a picture is turned or mirrored, 2 to 8; `None` if it is not, or nobody can tell.
pub(super) fn orientation(block: &[u8]) -> Option<u8> {
    let tiff = block.strip_prefix(PREFIX).unwrap_or(block);
    let is_little = match tiff.first_chunk()? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |bytes: [u8; 2]| match is_little {
        true => u16::from_le_bytes(bytes),
        false => u16::from_be_bytes(bytes),
    };
    let long = |bytes: [u8; 4]| match is_little {
        true => u32::from_le_bytes(bytes),
        false => u32::from_be_bytes(bytes),
    };
    let offset = long(*tiff.get(4..)?.first_chunk()?);
    let mut rest = Rest(tiff.get(usize::try_from(offset).ok()?..)?);
    let entries = short(rest.array().ok()?);
    for _ in 0..entries {
        let mut entry = Rest(rest.take(12).ok()?);
        let tag = short(entry.array().ok()?);
        let kind = short(entry.array().ok()?);
        let count = long(entry.array().ok()?);
        if (tag, kind, count) == (ORIENTATION, SHORT, ONE) {
            let value = u8::try_from(short(entry.array().ok()?)).ok()?;
            return Some(value).filter(|value| (2..=8).contains(value));
        }
    }
    None
}

/// Exif that says this alone.
pub(super) fn only(orientation: u8) -> [u8; ONLY_BYTES] {
    let mut block = *b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    block[19] = orientation;
    block
}
