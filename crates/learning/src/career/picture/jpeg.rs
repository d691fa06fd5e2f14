//! JPEG: segments, each with a marker and a length, and between them the picture itself.

use super::{Flaw, Rest, exif, require_size};

/// The first marker and the last.
const BEGIN: u8 = 0xd8;
const END: u8 = 0xd9;
/// Which way is up, among much else.
const APP1: u8 = 0xe1;
/// Scans of one picture: each makes whoever shows it go over all of it.
const SCANS_MAX: usize = 100;

/// The picture alone: tables, frame and scans, its colours, and which way is up.
pub(super) fn clean(content: &[u8]) -> Result<Vec<u8>, Flaw> {
    let mut rest = Rest(content);
    rest.expect(&[0xff, BEGIN])?;
    let mut out = Vec::with_capacity(content.len());
    out.extend([0xff, BEGIN]);
    let (mut has_frame, mut is_turned, mut scans) = (false, false, 0);
    loop {
        let marker = marker(&mut rest)?;
        if marker == END {
            // What stands behind the end is another file.
            out.extend([0xff, END]);
            return (scans > 0).then_some(out).ok_or(Flaw::Broken);
        }
        let length = usize::from(u16::from_be_bytes(rest.array()?));
        let segment = rest.take(length.checked_sub(2).ok_or(Flaw::Broken)?)?;
        match marker {
            // DHT and DAC stand among the frames.
            0xc4 | 0xcc | 0xdb | 0xdd => add(&mut out, marker, segment),
            0xc0..=0xcf if !has_frame && marker != 0xc8 => {
                check_frame(segment)?;
                has_frame = true;
                add(&mut out, marker, segment);
            }
            0xda if has_frame && scans < SCANS_MAX => {
                scans += 1;
                add(&mut out, marker, segment);
                out.extend(scan(&mut rest)?);
            }
            APP1 if !is_turned => {
                let turned = segment.strip_prefix(exif::PREFIX);
                if let Some(turned) = turned.and_then(exif::orientation) {
                    let block = [exif::PREFIX, &exif::only(turned)].concat();
                    add(&mut out, APP1, &block);
                    is_turned = true;
                }
            }
            0xe0..=0xef => {
                if let Some(segment) = application(marker, segment) {
                    add(&mut out, marker, &segment);
                }
            }
            // A comment.
            0xfe => {}
            _ => return Err(Flaw::Broken),
        }
    }
}

/// The next marker; it may be filled up in front.
fn marker(rest: &mut Rest<'_>) -> Result<u8, Flaw> {
    rest.expect(&[0xff])?;
    loop {
        match rest.array()? {
            [0xff] => {}
            [marker] => return Ok(marker),
        }
    }
}

fn add(out: &mut Vec<u8>, marker: u8, segment: &[u8]) {
    let length = u16::try_from(segment.len() + 2).expect("a segment was read under its length");
    out.extend([0xff, marker]);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(segment);
}

/// Precision, height, width and more.
fn check_frame(segment: &[u8]) -> Result<(), Flaw> {
    let mut frame = Rest(segment);
    frame.take(1)?;
    let height = u16::from_be_bytes(frame.array()?);
    let width = u16::from_be_bytes(frame.array()?);
    require_size(width.into(), height.into())
}

/// What is kept of the segments of applications: what colours mean. A small picture in the first is left out.
fn application(marker: u8, segment: &[u8]) -> Option<Vec<u8>> {
    match marker {
        0xe0 if segment.starts_with(b"JFIF\0") => Some([segment.get(..12)?, &[0, 0]].concat()),
        0xe2 if segment.starts_with(b"ICC_PROFILE\0") => Some(segment.to_vec()),
        0xee if segment.starts_with(b"Adobe") => Some(segment.get(..12)?.to_vec()),
        _ => None,
    }
}

/// The pixels of a scan, up to the next marker that does not belong to them.
fn scan<'a>(rest: &mut Rest<'a>) -> Result<&'a [u8], Flaw> {
    let whole = rest.0;
    let ends = memchr::memchr_iter(0xff, whole).find(|at| {
        let next = whole.get(at + 1);
        next.is_some_and(|next| !matches!(next, 0x00 | 0xd0..=0xd7 | 0xff))
    });
    rest.take(ends.ok_or(Flaw::Broken)?)
}
