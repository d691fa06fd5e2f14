//! Which files a resume may have, known by what is in them and never by what they are called.
//! Decodes nothing; of pictures it keeps the picture alone.

use bytes::Bytes;
use memchr::memmem;

use super::picture::{self, Format};

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 25_000_000;
/// Longest name of a file, in characters.
const NAME_CHARACTERS_MAX: usize = 120;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) media_type: &'static str,
    extension: &'static str,
    /// What it is written in, if it is a picture.
    format: Option<Format>,
}

const PDF: Kind = kind("application/pdf", "pdf", None);
const DOCX: Kind = kind(
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "docx",
    None,
);
const PNG: Kind = kind("image/png", "png", Some(Format::Png));
const JPEG: Kind = kind("image/jpeg", "jpg", Some(Format::Jpeg));
const WEBP: Kind = kind("image/webp", "webp", Some(Format::Webp));

const fn kind(media_type: &'static str, extension: &'static str, format: Option<Format>) -> Kind {
    Kind {
        media_type,
        extension,
        format,
    }
}

/// The kind of a file, and what is kept of it.
///
/// # Errors
/// The message for the field, if it is too large, of no kind that is kept, or a picture that is not right.
pub(super) fn read(content: &Bytes) -> Result<(Kind, Bytes), String> {
    let kind = recognise(content)?;
    let kept = match kind.format {
        None => content.clone(),
        Some(format) => {
            let clean = picture::clean(format, content);
            clean.map_err(picture::Flaw::message)?.into()
        }
    };
    Ok((kind, kept))
}

/// The kind of a file by its content.
///
/// # Errors
/// The message for the field, if it is too large or of no kind that is kept.
fn recognise(content: &Bytes) -> Result<Kind, String> {
    if content.len() > FILE_BYTES_MAX {
        let megabytes = FILE_BYTES_MAX / 1_000_000;
        return Err(format!("Ensure this file has no more than {megabytes} MB."));
    }
    match &content[..] {
        [] => Err("The submitted file is empty.".to_owned()),
        [b'%', b'P', b'D', b'F', b'-', ..] => Ok(PDF),
        // A DOCX is a zip archive with this part in it; the names of parts are never compressed.
        [b'P', b'K', 3, 4, ..] if memmem::find(content, b"word/document.xml").is_some() => Ok(DOCX),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Ok(PNG),
        [0xff, 0xd8, 0xff, ..] => Ok(JPEG),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Ok(WEBP),
        _ => Err("Must be a PDF, a DOCX or an image (PNG, JPEG, WebP).".to_owned()),
    }
}

/// A name that is safe to show and to save under: no folder, no control or direction marks, and the kind's own ending.
pub(super) fn safe_name(name: &str, kind: Kind) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
    let is_plain = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '(' | ')');
    let stem: String = stem.chars().filter(is_plain).collect();
    let stem = stem.trim_matches([' ', '.']);
    let stem: String = stem.chars().take(NAME_CHARACTERS_MAX).collect();
    let stem = if stem.is_empty() { "file" } else { &stem };
    format!("{stem}.{}", kind.extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_is_in_it() {
        let kind = |content: &'static [u8]| recognise(&Bytes::from_static(content)).ok();
        assert_eq!(kind(b"%PDF-1.7\n"), Some(PDF));
        assert_eq!(kind(b"PK\x03\x04....word/document.xml"), Some(DOCX));
        assert_eq!(kind(b"\xff\xd8\xff\xe0"), Some(JPEG));
        for content in [
            &b""[..],
            b"<html>%PDF-1.7",
            b"PK\x03\x04....xl/workbook.xml",
            b"<svg onload='x'/>",
            b"MZ\x90",
        ] {
            assert_eq!(kind(content), None, "{content:?}");
        }
    }

    #[test]
    fn a_name_leads_nowhere() {
        for (name, safe) in [
            ("Ada Resume (2024).pdf", "Ada Resume (2024).pdf"),
            ("../../etc/passwd", "passwd.pdf"),
            ("C:\\CON\\x.exe", "x.pdf"),
            ("cv\u{202e}fdp.exe", "cvfdp.pdf"),
            ("\"; rm\r\n.html", " rm.pdf"),
            ("...", "file.pdf"),
            ("", "file.pdf"),
        ] {
            assert_eq!(safe_name(name, PDF).trim(), safe.trim(), "{name}");
        }
    }
}
