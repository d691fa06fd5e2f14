//! Secrets that a server was sent, recognised where it says them back: in the letter, percent-encoded, JSON-escaped,
//! and in base64 or base64url wherever they stand in what was encoded. Hides them; never tells what they are.
//!
//! Two steps, because nearly nothing holds a secret. [`Echoes::may_be_in`] looks for a few short pieces of each, over
//! bytes that are there anyway; only where one is found is the text read closely by [`Echoes::hide_in`].

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem::Finder;

use base::secret::{STARS, Secret};

/// Shorter secrets are hidden in errors alone, in bytes: their letters stand in too much that is none.
pub(crate) const HIDDEN_BYTES_MIN: usize = 16;
/// Nothing is hidden of a secret below this, in bytes.
const SHORT_BYTES_MIN: usize = 4;
/// The part of an encoded secret that its neighbours do not change, in characters; a shorter one is no sign.
const BASE64_CHARACTERS_MIN: usize = 8;
/// Characters of a piece that is searched for.
const PIECE_CHARACTERS_MAX: usize = 16;
/// `***` in base64: what takes the place of an encoded secret, so that what holds it still decodes.
const FILLING: &[u8; 4] = b"Kioq";
/// Backslashes before one character: JSON within JSON doubles them each time.
const BACKSLASHES_MAX: usize = 16;
/// How often an escaped percent sign may have been escaped again.
const NESTED_MAX: usize = 4;

static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br"\u00"));

/// The secrets that are not the caller's own, ready to be searched for.
#[derive(Default)]
pub struct Echoes {
    /// The longest first, so that of two that overlap the whole one goes.
    secrets: Vec<Hidden>,
    /// A piece of each form of each secret that is hidden everywhere.
    pieces: Vec<Finder<'static>>,
    /// The bytes that a form of a secret may begin with.
    beginnings: Vec<u8>,
}

struct Hidden {
    bytes: Vec<u8>,
    /// What base64 makes of it behind 0, 1 and 2 other bytes, without what those and the following ones change.
    encoded: Vec<Encoded>,
    is_short: bool,
}

struct Encoded {
    text: Vec<u8>,
    /// Where in a group of four its first character stands.
    at: usize,
}

impl std::fmt::Debug for Echoes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Echoes").finish_non_exhaustive()
    }
}

impl Echoes {
    /// What hides these secrets.
    pub fn of(secrets: &[Secret]) -> Self {
        let mut texts: Vec<&str> = secrets.iter().map(Secret::expose).collect();
        texts.retain(|text| text.len() >= SHORT_BYTES_MIN);
        texts.sort_unstable_by_key(|text| (std::cmp::Reverse(text.len()), *text));
        texts.dedup();
        let secrets: Vec<Hidden> = texts.into_iter().map(Hidden::of).collect();
        let long = secrets.iter().filter(|secret| !secret.is_short);
        let pieces = long.flat_map(|secret| {
            let encoded = secret.encoded.iter().map(|it| &it.text);
            let forms = std::iter::once(&secret.bytes).chain(encoded);
            forms.map(|form| Finder::new(piece_of(form)).into_owned())
        });
        let pieces = pieces.collect();
        let mut beginnings = b"\\%&".to_vec();
        for secret in &secrets {
            beginnings.push(secret.bytes[0]);
            for encoded in &secret.encoded {
                let first = encoded.text[0];
                beginnings.extend((0..=u8::MAX).filter(|byte| is_same_digit(first, *byte)));
            }
        }
        Self {
            secrets,
            pieces,
            beginnings,
        }
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Whether some secrets are hidden in errors alone.
    pub fn has_short(&self) -> bool {
        self.secrets.iter().any(|secret| secret.is_short)
    }

    /// Whether a text may hold a secret. Cheap; says yes too often rather than too rarely.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        !self.pieces.is_empty()
            && (self.pieces.iter().any(|piece| piece.find(text).is_some())
                || has_needless_escape(text))
    }

    /// A text, or what stands between the quotes of a JSON string, without the secrets in it. `None` if there are
    /// none. Short secrets are looked for in errors alone.
    pub fn hide_in(&self, text: &[u8], is_error: bool) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let (mut done, mut at) = (0, 0);
        while let Some(next) = self.next_beginning(&text[at..]) {
            at += next;
            match self.found_at(text, at, is_error) {
                Some((end, mask)) => {
                    out.extend_from_slice(&text[done..at]);
                    out.extend_from_slice(&mask);
                    (done, at) = (end, end);
                }
                None => at += 1,
            }
        }
        if done == 0 {
            return None;
        }
        out.extend_from_slice(&text[done..]);
        Some(out)
    }

    fn next_beginning(&self, text: &[u8]) -> Option<usize> {
        text.iter().position(|byte| self.beginnings.contains(byte))
    }

    fn found_at(&self, text: &[u8], at: usize, is_error: bool) -> Option<(usize, Vec<u8>)> {
        let secrets = self.secrets.iter();
        let mut wanted = secrets.filter(|secret| is_error || !secret.is_short);
        wanted.find_map(|secret| secret.found_at(text, at))
    }
}

impl Hidden {
    fn of(text: &str) -> Self {
        let encoded = (0..3).map(|before| Encoded::of(text.as_bytes(), before));
        let is_sign = |it: &Encoded| it.text.len() >= BASE64_CHARACTERS_MIN;
        Self {
            bytes: text.as_bytes().to_vec(),
            encoded: encoded.filter(is_sign).collect(),
            is_short: text.len() < HIDDEN_BYTES_MIN,
        }
    }

    /// Where the secret that begins here ends, and what is to stand there instead.
    fn found_at(&self, text: &[u8], at: usize) -> Option<(usize, Vec<u8>)> {
        if let Some(end) = matched(text, at, &self.bytes, |wanted, byte| wanted == byte) {
            return Some((end, STARS.as_bytes().to_vec()));
        }
        self.encoded.iter().find_map(|encoded| {
            let end = matched(text, at, &encoded.text, is_same_digit)?;
            let filling = FILLING.iter().cycle().skip(encoded.at);
            Some((end, filling.take(encoded.text.len()).copied().collect()))
        })
    }
}

impl Encoded {
    fn of(secret: &[u8], before: usize) -> Self {
        let padded = [&[0; 2][..before], secret].concat();
        let text = STANDARD_NO_PAD.encode(&padded).into_bytes();
        // The first characters hold bits of what stands before, the last one perhaps of what follows.
        let from = (before * 8).div_ceil(6);
        let to = padded.len() * 8 / 6;
        let kept: Range<usize> = from..to.max(from);
        Self {
            text: text[kept].to_vec(),
            at: from % 4,
        }
    }
}

/// Of base64 and base64url alike.
fn is_same_digit(wanted: u8, byte: u8) -> bool {
    wanted == byte || matches!((wanted, byte), (b'+', b'-') | (b'/', b'_'))
}

/// The longest part that every encoder leaves as it is.
fn piece_of(form: &[u8]) -> &[u8] {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric();
    let runs = form.split(|byte| !is_plain(byte));
    let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
    let piece = if longest.is_empty() {
        &form[..1]
    } else {
        longest
    };
    &piece[..piece.len().min(PIECE_CHARACTERS_MAX)]
}

/// Whether a letter or digit is written as `%41` or `\u0041`, which only who hides something does.
fn has_needless_escape(text: &[u8]) -> bool {
    let is_plain = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let percent = memchr::memchr_iter(b'%', text).any(|at| is_plain(hex(text, at + 1, 2)));
    percent
        || ESCAPE
            .find_iter(text)
            .any(|at| is_plain(hex(text, at + 4, 2)))
}

fn hex(text: &[u8], at: usize, digits: usize) -> Option<u8> {
    let text = text.get(at..at + digits)?;
    let is_hex = text.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_hex)?;
    u16::from_str_radix(text, 16).ok()?.try_into().ok()
}

/// Where the wanted bytes end if they begin here, each as it is or escaped.
fn matched(
    text: &[u8],
    at: usize,
    wanted: &[u8],
    is_same: impl Fn(u8, u8) -> bool,
) -> Option<usize> {
    let mut at = at;
    for (i, byte) in wanted.iter().enumerate() {
        // A run of backslashes, however often it was doubled, was taken with its first.
        if *byte == b'\\' && i > 0 && wanted[i - 1] == b'\\' {
            continue;
        }
        let is_next = |found: &(u8, usize)| is_same(*byte, found.0);
        let rest = text.get(at..)?;
        let (_, next) = escaped(text, at)
            .filter(is_next)
            .or_else(|| Some((b'%', percent_end(text, at)?)).filter(is_next))
            .or_else(|| Some((*rest.first()?, at + 1)).filter(is_next))
            .or_else(|| (*byte == b' ' && rest.first() == Some(&b'+')).then_some((b' ', at + 1)))?;
        at = next;
    }
    Some(at)
}

/// Where a percent sign ends that was itself escaped, however often.
fn percent_end(text: &[u8], at: usize) -> Option<usize> {
    let nested = text.get(at + 1..)?.chunks_exact(2).take(NESTED_MAX);
    let nested = nested.take_while(|pair| *pair == b"25").count();
    (text[at] == b'%' && nested > 0).then_some(at + 1 + 2 * nested)
}

/// The byte that an escape here stands for, and where the escape ends: of JSON, also within JSON, of URLs, of HTML.
fn escaped(text: &[u8], at: usize) -> Option<(u8, usize)> {
    match text.get(at)? {
        b'\\' => {
            let run = text[at..].iter().take(BACKSLASHES_MAX);
            let run = run.take_while(|byte| **byte == b'\\').count();
            let next = at + run;
            match text.get(next) {
                Some(b'u') => Some((hex(text, next + 1, 4)?, next + 5)),
                Some(byte @ (b'"' | b'/' | b'\'')) => Some((*byte, next + 1)),
                _ => Some((b'\\', next)),
            }
        }
        b'%' => {
            let next = percent_end(text, at).unwrap_or(at + 1);
            Some((hex(text, next, 2)?, next + 2))
        }
        b'&' => {
            let end = at + text[at..].iter().take(8).position(|byte| *byte == b';')?;
            let byte = match &text[at + 1..end] {
                b"amp" => b'&',
                b"lt" => b'<',
                b"gt" => b'>',
                b"quot" => b'"',
                b"apos" => b'\'',
                [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
                [b'#', digits @ ..] => number(digits, 10)?,
                _ => return None,
            };
            Some((byte, end + 1))
        }
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE;

    use super::*;

    /// With all that encoders treat in their own ways.
    const SECRET: &str = "sk-live/9f?3+A b\"c\\d&e<f>'g%41=x7";

    fn hidden(text: &str) -> String {
        let echoes = Echoes::of(&[Secret::new(SECRET)]);
        assert!(echoes.may_be_in(text.as_bytes()), "not noticed: {text}");
        let hidden = echoes.hide_in(text.as_bytes(), false);
        String::from_utf8(hidden.unwrap_or_else(|| panic!("not hidden: {text}"))).unwrap()
    }

    fn percent(text: &str, is_kept: impl Fn(u8) -> bool) -> String {
        let one = |byte: u8| match is_kept(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        text.bytes().map(one).collect()
    }

    #[test]
    fn a_secret_is_hidden_in_every_escape() {
        let json = |text: &str| {
            serde_json::to_string(text)
                .unwrap()
                .trim_matches('"')
                .to_owned()
        };
        let unreserved = percent(SECRET, |byte| byte.is_ascii_alphanumeric());
        for written in [
            SECRET.to_owned(),
            json(SECRET),
            json(&json(SECRET)),
            SECRET.replace('/', "\\/"),
            SECRET.replace('<', "\\u003c").replace('+', "\\u002B"),
            SECRET
                .bytes()
                .map(|byte| format!("\\u{byte:04x}"))
                .collect(),
            SECRET
                .replace('&', "&amp;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;")
                .replace('<', "&#x3C;"),
            unreserved.clone(),
            unreserved.to_lowercase().replace('a', "A"),
            unreserved.replace("%20", "+"),
            percent(&unreserved, |byte| byte != b'%'),
            percent(SECRET, |_| false),
        ] {
            let text = format!("Bearer {written}, ä");
            assert_eq!(hidden(&text), "Bearer ****, ä", "{written}");
        }
    }

    #[test]
    fn a_secret_is_hidden_in_base64_wherever_it_stands() {
        for before in ["", "u", "us", "user:", "Bearer ", "\u{1}\u{2}\u{3}\u{4}"] {
            for after in ["", "!", "!!", "!!!", " and more"] {
                let plain = format!("{before}{SECRET}{after}");
                for (encoded, decode) in [
                    (STANDARD_NO_PAD.encode(&plain), &STANDARD_NO_PAD),
                    (
                        URL_SAFE
                            .encode(&plain)
                            .replace('-', "+")
                            .replace('_', "/")
                            .replace('=', ""),
                        &STANDARD_NO_PAD,
                    ),
                ] {
                    let hidden = hidden(&format!("<{encoded}>"));
                    let inside = hidden.trim_matches(['<', '>']);
                    assert_eq!(inside.len(), encoded.len());
                    let decoded = decode.decode(inside).unwrap();
                    let decoded = String::from_utf8_lossy(&decoded);
                    assert!(!decoded.contains(&SECRET[2..SECRET.len() - 2]), "{decoded}");
                    assert!(decoded.contains("********"), "{decoded}");
                }
                let url = URL_SAFE.encode(&plain);
                assert_ne!(hidden(&url), url);
            }
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let echoes = Echoes::of(&[
            Secret::new(SECRET),
            Secret::new("hunter2"),
            Secret::new("abc"),
        ]);
        for text in [
            "",
            "sk-live",
            "hunter2 \\u00e9 100% \\u003c",
            "abc",
            &SECRET[1..],
        ] {
            assert_eq!(echoes.hide_in(text.as_bytes(), false), None, "{text}");
        }
        assert!(!echoes.may_be_in(b"hunter2 \\u00e9 100% \\u003c %20"));
        let hidden = echoes.hide_in(b"no abc for hunter2", true).unwrap();
        assert_eq!(hidden, b"no abc for ****");
    }
}
