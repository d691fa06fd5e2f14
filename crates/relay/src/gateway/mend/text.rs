//! Text that people and models read: what nobody can see in it goes (docs/inside/threats.md#servers-that-mean-harm). A
//! joiner stays where a script or an emoji is written with it.

use std::borrow::Cow;

/// How a text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A name or a title: one line.
    Line,
    /// A description: as many lines as it likes.
    Lines,
}

/// The flags that are written with tag characters.
const TAGGED_FLAGS: [&str; 3] = [
    "\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];
const BLACK_FLAG: char = '\u{1f3f4}';
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// The text without what cannot be seen in it.
pub(super) fn visible(text: &str, layout: Layout) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut before, mut rest) = (None, text);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if before == Some(BLACK_FLAG)
            && let Some(flag) = TAGGED_FLAGS.iter().find(|flag| rest.starts_with(**flag))
        {
            out.push_str(flag);
            (before, rest) = (None, &rest[flag.len()..]);
            continue;
        }
        rest = after;
        let next = after.chars().next();
        if is_line_end(c) {
            out.push(if layout == Layout::Line { ' ' } else { c });
            before = None;
        } else if is_seen(c, before, next) {
            out.push(c);
            before = Some(c);
        }
    }
    if out == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(out)
    }
}

/// Whether a text has anything that cannot be seen.
pub(super) fn has_hidden(text: &str) -> bool {
    visible(text, Layout::Lines) != text
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}')
}

fn is_seen(c: char, before: Option<char>, next: Option<char>) -> bool {
    match c {
        ZERO_WIDTH_NON_JOINER => before.is_some_and(is_of_joining_script),
        ZERO_WIDTH_JOINER => {
            before.is_some_and(is_of_joining_script)
                || (before.is_some_and(is_pictograph) && next.is_some_and(is_pictograph))
        }
        '\u{fe0e}' | '\u{fe0f}' => before.is_some_and(|c| {
            (is_pictograph(c) && !is_variation_selector(c)) || matches!(c, '0'..='9' | '#' | '*')
        }),
        '\u{fe00}'..='\u{fe0d}' | '\u{e0100}'..='\u{e01ef}' => {
            before.is_some_and(|c| is_ideograph(c) || matches!(c, '\u{1000}'..='\u{109f}'))
        }
        '\u{180b}'..='\u{180f}' => before.is_some_and(|c| matches!(c, '\u{1820}'..='\u{18aa}')),
        _ => !is_hidden(c),
    }
}

/// Controls, marks of direction, tags and whatever else has neither width nor ink.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

/// Scripts in which the form of a letter depends on its neighbours: of the family of Arabic and of that of Brahmi.
fn is_of_joining_script(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{61b}' | '\u{61d}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{f00}'..='\u{109f}'
        | '\u{1700}'..='\u{17b3}' | '\u{17b6}'..='\u{180a}' | '\u{1810}'..='\u{18aa}' | '\u{1900}'..='\u{1c4f}'
        | '\u{1cd0}'..='\u{1cff}' | '\u{a800}'..='\u{a8ff}' | '\u{a930}'..='\u{a9df}' | '\u{aa00}'..='\u{aadf}'
        | '\u{abc0}'..='\u{abff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10a00}'..='\u{11fff}'
        | '\u{1e900}'..='\u{1e95f}')
}

/// Signs that emoji are made of, variation selectors among them.
fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{fe0e}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_goes() {
        for (hostile, seen) in [
            ("a\u{0}b\u{7}c\u{1b}[31m\u{7f}\u{85}", "abc[31m"),
            (
                "pay\u{202e}load\u{202c} \u{2066}x\u{2069}\u{200e}\u{200f}\u{61c}",
                "payload x",
            ),
            (
                "ig\u{200b}no\u{2060}re\u{feff} \u{ad}me\u{180e}",
                "ignore me",
            ),
            ("a\u{200d}b\u{200c}c", "abc"),
            ("hi\u{e0049}\u{e0067}\u{e006e}\u{e007f}", "hi"),
            ("\u{1f3f4}\u{e0049}\u{e007f}", "\u{1f3f4}"),
            ("a\u{fe0f}\u{e0100}b\u{fe01}", "ab"),
            ("\u{2764}\u{fe0f}\u{fe0f}\u{fe0f}", "\u{2764}\u{fe0f}"),
            ("\u{3164}\u{115f}x\u{fff9}y\u{fffb}", "xy"),
            (
                "\u{645}\u{200c}\u{200c}\u{200d}\u{645}",
                "\u{645}\u{200c}\u{645}",
            ),
        ] {
            assert_eq!(visible(hostile, Layout::Lines), seen, "{hostile:?}");
            assert!(has_hidden(hostile), "{hostile:?}");
        }
    }

    #[test]
    fn scripts_and_emoji_keep_their_joiners() {
        for text in [
            "plain\ttext\r\nof two lines",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "\u{647}\u{200d}.\u{642}",
            "\u{915}\u{94d}\u{200d}\u{937} \u{995}\u{9cd}\u{200c}\u{9b7} \u{d28}\u{d4d}\u{200d}",
            "\u{1f469}\u{200d}\u{1f4bb} \u{1f3f3}\u{fe0f}\u{200d}\u{1f308} \u{1f44d}\u{1f3fd}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} 1\u{fe0f}\u{20e3} \u{2764}\u{fe0f}",
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd} na\u{ef}ve \u{4e2d}\u{6587} \u{845b}\u{e0100} a\u{301}",
        ] {
            assert_eq!(visible(text, Layout::Lines), text, "{text:?}");
            assert!(!has_hidden(text), "{text:?}");
        }
    }

    #[test]
    fn a_title_is_one_line() {
        assert_eq!(visible("a\nb\tc\r\nd\u{2028}e", Layout::Line), "a b c  d e");
    }
}
