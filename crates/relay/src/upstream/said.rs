//! What a server says in an HTTP error, as our own log may have it: one short line, and nothing in it that could be a
//! secret, ours or anybody's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

/// Longest text that is logged, in characters.
const CHARACTERS_MAX: usize = 300;
/// Longest word that is logged: keys and tokens are longer, in whatever encoding.
const WORD_CHARACTERS_MAX: usize = 24;
/// Shorter parts of a credential are not searched for: they are words such as `no`.
const PART_CHARACTERS_MIN: usize = 4;
/// What stands for what is left out.
const MASK: &str = "***";

/// The text for the log, with nothing of this credential in it.
pub(super) fn for_log(body: &[u8], credential: &HeaderMap) -> String {
    let beginning = &body[..body.len().min(4 * CHARACTERS_MAX)];
    let mut text = String::from_utf8_lossy(beginning).into_owned();
    for part in parts(credential) {
        text = text.replace(&part, MASK);
    }
    let mut line = String::new();
    let is_of_word = |c: char| c.is_alphanumeric() || "+/=_.~%-".contains(c);
    for piece in text.split_inclusive(|c: char| !is_of_word(c)) {
        let word = piece.trim_end_matches(|c: char| !is_of_word(c));
        if word.chars().count() > WORD_CHARACTERS_MAX {
            line.push_str(MASK);
        } else {
            line.push_str(word);
        }
        line.push_str(&piece[word.len()..]);
    }
    let plain = |c: char| match c {
        c if c.is_ascii_graphic() || c == ' ' => c,
        c if c.is_whitespace() => ' ',
        _ => '?',
    };
    line.trim()
        .chars()
        .map(plain)
        .take(CHARACTERS_MAX)
        .collect()
}

/// The words of a credential, longest first: header values, what follows a scheme, user and password.
fn parts(credential: &HeaderMap) -> Vec<String> {
    let mut parts = Vec::new();
    for value in credential.values() {
        let Ok(value) = value.to_str() else { continue };
        parts.push(value.to_owned());
        for word in value.split_whitespace() {
            parts.push(word.to_owned());
            let decoded = STANDARD.decode(word).ok();
            if let Some(pair) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                parts.extend(pair.split(':').map(str::to_owned));
                parts.push(pair);
            }
        }
    }
    parts.retain(|part| part.chars().count() >= PART_CHARACTERS_MIN);
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn an_error_is_logged_without_what_could_be_a_secret() {
        let with = |value: &'static str| {
            HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))])
        };
        for (body, credential, expected) in [
            (
                "{\"error\":\"missing header X-Api-Version\"}\n",
                with("Bearer abcd"),
                "{\"error\":\"missing header X-Api-Version\"}",
            ),
            ("no hunter2 here", with("Bearer hunter2"), "no *** here"),
            ("no hunter2 here", with("Basic dTpodW50ZXIy"), "no *** here"),
            (
                "key c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0 is bad",
                with("Bearer x"),
                "key *** is bad",
            ),
            ("a\r\nb\u{202e}c\u{7}", with("Bearer x"), "a  b?c?"),
        ] {
            assert_eq!(for_log(body.as_bytes(), &credential), expected, "{body}");
        }
        assert_eq!(
            for_log(&b"x ".repeat(10_000), &HeaderMap::new()).len(),
            CHARACTERS_MAX
        );
    }
}
