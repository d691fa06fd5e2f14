//! Regular expressions of schemas, as JavaScript reads them with its flag `u`. Clients that compile a schema throw on one
//! that is none, and with it the list. Reads the pattern once; carries nothing out.

use std::collections::HashSet;
use std::iter::Peekable;
use std::str::Chars;

/// Longest pattern that is looked at, in bytes.
const PATTERN_BYTES_MAX: usize = 8 * 1024;
/// The values of Unicode's property General_Category, in short.
const CATEGORIES: &str = " C Cc Cf Cn Co Cs L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So \
    Z Zl Zp Zs Any ASCII Alphabetic Emoji Lowercase Uppercase White_Space ";
const SCRIPTS: &str = " Arabic Armenian Bengali Cyrillic Devanagari Georgian Greek Gujarati Han Hangul Hebrew Hiragana \
    Kannada Katakana Khmer Lao Latin Malayalam Myanmar Sinhala Tamil Telugu Thai Tibetan ";

/// Whether every client takes the pattern. Says no where it is not sure.
pub(super) fn is_valid(pattern: &str) -> bool {
    let mut reader = Reader {
        rest: pattern.chars().peekable(),
        groups: 0,
        highest_reference: 0,
        names: HashSet::new(),
        referred: Vec::new(),
    };
    pattern.len() <= PATTERN_BYTES_MAX && reader.read().is_some()
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    groups: u32,
    highest_reference: u32,
    names: HashSet<String>,
    referred: Vec<String>,
}

/// One element of a class.
enum Element {
    Character(u32),
    /// A set of them, which begins and ends no range.
    Set,
}

impl Reader<'_> {
    fn read(&mut self) -> Option<()> {
        let (mut open, mut may_repeat) = (Vec::new(), false);
        while let Some(c) = self.rest.next() {
            may_repeat = match c {
                '(' => {
                    open.push(self.group()?);
                    false
                }
                ')' => open.pop()?,
                '|' | '^' | '$' => false,
                '*' | '+' | '?' if may_repeat => {
                    self.rest.next_if_eq(&'?');
                    false
                }
                '{' if may_repeat => {
                    self.repetition()?;
                    self.rest.next_if_eq(&'?');
                    false
                }
                '*' | '+' | '?' | '{' | '}' | ']' => return None,
                '[' => {
                    self.class()?;
                    true
                }
                '\\' => match self.rest.next_if(|c| matches!(c, 'b' | 'B')) {
                    Some(_) => false,
                    None => {
                        self.escape(false)?;
                        true
                    }
                },
                _ => true,
            };
        }
        let is_whole = open.is_empty() && self.highest_reference <= self.groups;
        (is_whole && self.referred.iter().all(|name| self.names.contains(name))).then_some(())
    }

    /// The head of a group; whether the group may be repeated.
    fn group(&mut self) -> Option<bool> {
        if self.rest.next_if_eq(&'?').is_none() {
            self.groups += 1;
            return Some(true);
        }
        match self.rest.next()? {
            ':' => Some(true),
            '=' | '!' => Some(false),
            '<' => {
                if self.rest.next_if(|c| matches!(c, '=' | '!')).is_some() {
                    return Some(false);
                }
                let name = self.name()?;
                self.groups += 1;
                self.names.insert(name).then_some(true)
            }
            _ => None,
        }
    }

    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            match self.rest.next()? {
                '>' if !name.is_empty() => return Some(name),
                c if c.is_ascii_alphabetic() || matches!(c, '_' | '$') => name.push(c),
                c if c.is_ascii_digit() && !name.is_empty() => name.push(c),
                _ => return None,
            }
        }
    }

    fn repetition(&mut self) -> Option<()> {
        let least = self.number()?;
        if self.rest.next_if_eq(&',').is_some() && self.rest.peek() != Some(&'}') {
            let most = self.number()?;
            if most < least {
                return None;
            }
        }
        (self.rest.next()? == '}').then_some(())
    }

    fn number(&mut self) -> Option<u32> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits.parse().ok()
    }

    fn class(&mut self) -> Option<()> {
        self.rest.next_if_eq(&'^');
        loop {
            let first = match self.rest.next()? {
                ']' => return Some(()),
                '\\' => self.escape(true)?,
                c => Element::Character(c.into()),
            };
            if self.rest.next_if_eq(&'-').is_none() {
                continue;
            }
            let last = match self.rest.next()? {
                ']' => return Some(()),
                '\\' => self.escape(true)?,
                c => Element::Character(c.into()),
            };
            match (first, last) {
                (Element::Character(first), Element::Character(last)) if first <= last => {}
                _ => return None,
            }
        }
    }

    fn escape(&mut self, is_in_class: bool) -> Option<Element> {
        let c = self.rest.next()?;
        let is = |c: char| Some(Element::Character(c.into()));
        match c {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => Some(Element::Set),
            'p' | 'P' => self.property(),
            'f' => is('\u{c}'),
            'n' => is('\n'),
            'r' => is('\r'),
            't' => is('\t'),
            'v' => is('\u{b}'),
            'b' if is_in_class => is('\u{8}'),
            '-' if is_in_class => is('-'),
            'c' => {
                let letter = self.rest.next_if(char::is_ascii_alphabetic)?;
                Some(Element::Character(u32::from(letter) % 32))
            }
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => is('\0'),
            '1'..='9' if !is_in_class => {
                let mut number = c.to_digit(10)?;
                while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
                    number = number.checked_mul(10)?.checked_add(digit.to_digit(10)?)?;
                }
                self.highest_reference = self.highest_reference.max(number);
                Some(Element::Set)
            }
            'k' if !is_in_class => {
                self.rest.next_if_eq(&'<')?;
                let name = self.name()?;
                self.referred.push(name);
                Some(Element::Set)
            }
            'x' => self.hexadecimal(2),
            'u' if self.rest.next_if_eq(&'{').is_some() => {
                let mut value = None;
                while let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit) {
                    let sum = value.unwrap_or(0_u32) * 16 + digit.to_digit(16)?;
                    value = Some(sum).filter(|sum| *sum <= 0x0010_ffff);
                    value?;
                }
                self.rest.next_if_eq(&'}')?;
                value.map(Element::Character)
            }
            'u' => self.hexadecimal(4),
            _ if r"^$\.*+?()[]{}|/".contains(c) => is(c),
            _ => None,
        }
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<Element> {
        let mut value = 0;
        for _ in 0..digits {
            let digit = self.rest.next_if(char::is_ascii_hexdigit)?;
            value = value * 16 + digit.to_digit(16)?;
        }
        Some(Element::Character(value))
    }

    fn property(&mut self) -> Option<Element> {
        self.rest.next_if_eq(&'{')?;
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != '}') {
            name.push(c);
        }
        self.rest.next()?;
        let (list, value) = match name.split_once('=') {
            Some(("Script" | "sc" | "Script_Extensions" | "scx", value)) => (SCRIPTS, value),
            Some(("General_Category" | "gc", value)) => (CATEGORIES, value),
            Some(_) => return None,
            None => (CATEGORIES, name.as_str()),
        };
        let is_word = value.bytes().all(|c| c.is_ascii_alphabetic() || c == b'_');
        (is_word && list.contains(&format!(" {value} "))).then_some(Element::Set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_javascript_takes_is_taken() {
        for pattern in [
            "",
            "^[a-z0-9]+(?:-[a-z0-9]+)*$",
            r"^\d{4}-\d{2}-\d{2}T?$",
            r"^(?=.*[A-Z])(?!x)(?<=a)(?<!b).{8,}$",
            r"(?<year>\d{4})\k<year>\1",
            r"[\w.\-/]+@[^\s@]+?",
            r"\u00e9\u{1F600}\x41\cA\0",
            r"\p{L}\P{Nd}\p{Script=Greek}",
            r"[^]",
            r"[]",
            r"a|b||",
            r"[a-]",
            r"[-a]",
            r"\/\.\$",
        ] {
            assert!(is_valid(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_javascript_refuses_is_refused() {
        for pattern in [
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "*",
            "+a",
            "a**",
            "a{2,1}",
            "a{,3}",
            "x{",
            "^*",
            "(?=a)*",
            r"\",
            r"\_",
            r"\@",
            r"\Z",
            r"\A",
            r"\-",
            r"[\d-z]",
            "[z-a]",
            r"\1",
            r"\k<a>",
            r"\x4",
            r"\u{110000}",
            r"\u12",
            r"\c1",
            r"\01",
            "(?P<a>b)",
            "(?i)a",
            "(?>a)",
            "(?#a)",
            "(?<a>x)(?<a>y)",
            "(?<1>x)",
            r"\p{Bogus}",
            r"\p{L",
            "a++",
        ] {
            assert!(!is_valid(pattern), "{pattern}");
        }
    }
}
