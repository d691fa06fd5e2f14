//! PNG: chunks, each with a length, a name and a checksum.

use super::{Flaw, Rest, exif, require_size};

/// What the file begins with.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Chunks beside the picture that change how it looks.
const LOOKS: [&[u8; 4]; 11] = [
    b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD", b"hIST",
    b"pHYs",
];

/// The picture alone: its chunks, its colours, and which way is up.
pub(super) fn clean(content: &[u8]) -> Result<Vec<u8>, Flaw> {
    let mut rest = Rest(content);
    rest.expect(SIGNATURE)?;
    let mut out = Vec::with_capacity(content.len());
    out.extend_from_slice(SIGNATURE);
    let (mut has_header, mut has_pixels) = (false, false);
    loop {
        let whole = rest.0;
        let length = u32::from_be_bytes(rest.array()?);
        let name: [u8; 4] = rest.array()?;
        let chunk = rest.take(usize::try_from(length).map_err(|_| Flaw::Broken)?)?;
        rest.take(4)?;
        let whole = &whole[..whole.len() - rest.0.len()];
        if (&name == b"IHDR") == has_header {
            return Err(Flaw::Broken);
        }
        match &name {
            b"IHDR" => {
                let mut header = Rest(chunk);
                let width = u32::from_be_bytes(header.array()?);
                require_size(width, u32::from_be_bytes(header.array()?))?;
                has_header = true;
                out.extend_from_slice(whole);
            }
            b"IDAT" => {
                has_pixels = true;
                out.extend_from_slice(whole);
            }
            b"IEND" => {
                out.extend_from_slice(whole);
                return has_pixels.then_some(out).ok_or(Flaw::Broken);
            }
            b"acTL" => return Err(Flaw::Moving),
            b"eXIf" => {
                if let Some(turned) = exif::orientation(chunk) {
                    add(&mut out, &name, &exif::only(turned));
                }
            }
            name if LOOKS.contains(&name) => out.extend_from_slice(whole),
            // A small letter in front: whoever does not know the chunk can show the picture without it.
            [b'a'..=b'z', ..] => {}
            _ => return Err(Flaw::Broken),
        }
    }
}

fn add(out: &mut Vec<u8>, name: &[u8; 4], chunk: &[u8]) {
    let length = u32::try_from(chunk.len()).expect("it is Exif of a few bytes");
    out.extend(length.to_be_bytes());
    let named = [name, chunk].concat();
    out.extend_from_slice(&named);
    out.extend(checksum(&named).to_be_bytes());
}

/// CRC-32 as PNG has it (annex D), bit by bit: it is only made for a few bytes.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let is_odd = sum & 1 == 1;
            sum = (sum >> 1) ^ if is_odd { 0xedb8_8320 } else { 0 };
        }
    }
    !sum
}
