//! Holds a value against what it must be: what is sound stays byte for byte, what is wrong goes, and the notes say so.

use std::borrow::Cow;
use std::fmt;

use super::icon;
use super::json::{Change, Malformed, Sort, elements, members, number_of, text_of};
use super::notes::{Notes, shown};
use super::shape::{ICON, Kind, Member};
use super::text::{Layout, has_hidden, visible};
use mcp::raw::string;
use mcp::{RawObject, meta};

/// Longest name or title, in bytes; what is longer is cut.
pub(super) const LINE_BYTES_MAX: usize = 1024;
/// Longest description, in bytes; what is longer is cut.
pub(super) const DESCRIPTION_BYTES_MAX: usize = 32 * 1024;
/// Longest instructions that are passed on, in bytes; what is longer is cut.
pub(super) const INSTRUCTIONS_BYTES_MAX: usize = 16 * 1024;
/// What keys of `_meta` start with that nobody but the gateway writes.
const OWN_PREFIX: &str = "mentor-gateway/";
/// The largest integer that every program holds exactly.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// Where in a thing a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'a> {
    pub(super) parent: Option<&'a Path<'a>>,
    pub(super) step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

/// The thing itself.
pub(super) const ROOT: Path<'static> = Path {
    parent: None,
    step: Step::Root,
};

impl<'a> Path<'a> {
    pub(super) fn name(&'a self, name: &'a str) -> Path<'a> {
        Path {
            parent: Some(self),
            step: Step::Name(name),
        }
    }

    pub(super) fn index(&'a self, index: usize) -> Path<'a> {
        Path {
            parent: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'$' | b'-');
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Name(name) => {
                let is_inside = self
                    .parent
                    .is_some_and(|path| !matches!(path.step, Step::Root));
                if is_inside {
                    f.write_str(".")?;
                }
                if name.len() <= 64 && name.bytes().all(is_plain) {
                    f.write_str(name)
                } else {
                    f.write_str(&shown(name))
                }
            }
        }
    }
}

/// Why a value cannot stand where it is.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The notes say it already.
    Said,
    /// A sentence whose subject is the value.
    Is(Cow<'static, str>),
}

impl From<Malformed> for Wrong {
    fn from(_: Malformed) -> Self {
        Self::Is("cannot be read, or repeats a member".into())
    }
}

pub(super) fn is(why: &'static str) -> Wrong {
    Wrong::Is(why.into())
}

/// What a value becomes: nothing if it stays.
pub(super) type Mended = Result<Option<Vec<u8>>, Wrong>;

/// Mends one thing.
pub(super) struct Mender<'n> {
    /// What it is, in a sentence.
    pub(super) what: &'n str,
    pub(super) notes: &'n mut Notes,
}

impl Mender<'_> {
    /// Notes that a value is wrong and goes.
    pub(super) fn dropped(&mut self, path: Path<'_>, why: &str) {
        let what = self.what;
        self.notes
            .left_out
            .push(format!("{what}: {path} {why} and was dropped"));
    }

    pub(super) fn flag(&mut self, path: Path<'_>, why: &str) {
        let what = self.what;
        self.notes.flagged.push(format!("{what}: {path} {why}"));
    }

    /// The value as one of this kind.
    pub(super) fn value(&mut self, kind: &Kind, json: &[u8], path: Path<'_>) -> Mended {
        match kind {
            Kind::Line => self.text(json, path, (Layout::Line, LINE_BYTES_MAX)),
            Kind::Text => self.text(json, path, (Layout::Lines, DESCRIPTION_BYTES_MAX)),
            Kind::Instructions => self.text(json, path, (Layout::Lines, INSTRUCTIONS_BYTES_MAX)),
            Kind::Word => self.word(json, path),
            Kind::Link => match text_of(json) {
                Some(text) if is_page(&text) => Ok(None),
                Some(_) => {
                    self.flag(path, "is not the address of a page and was dropped");
                    Err(Wrong::Said)
                }
                None => Err(is("is not a string")),
            },
            Kind::Flag => sort(json, Sort::Boolean, "is not a boolean"),
            Kind::Integer => number(json, "is not an integer", |n| {
                n.fract() == 0.0 && n.abs() <= INTEGER_MAX
            }),
            Kind::Share => number(json, "is not a number from 0 to 1", |n| {
                (0.0..=1.0).contains(&n)
            }),
            Kind::Moment => match text_of(json) {
                Some(text) if is_moment(&text) => Ok(None),
                _ => Err(is("is not a date and time with its zone")),
            },
            Kind::OneOf(words) => match text_of(json) {
                Some(text) if words.contains(&text.as_str()) => Ok(None),
                _ => Err(Wrong::Is(format!("is none of {}", words.join(", ")).into())),
            },
            Kind::Each(kind) => self.each(kind, json, path),
            Kind::Record(shape) => self.record(shape, json, path),
            Kind::Capability(shape) => self.capability(shape, json, path),
            Kind::Map(kind) => {
                sort(json, Sort::Object, "is not an object")?;
                Ok(members(json, |name, value| {
                    let path = path.name(name);
                    let mended = self.value(kind, value, path);
                    Ok(self.change(mended, path))
                })?)
            }
            Kind::Metadata => self.metadata(json, path),
            Kind::Icon => self.icon(json, path),
            Kind::InputSchema => self.input_schema(json, path),
            Kind::OutputSchema => self.output_schema(json, path),
        }
    }

    /// What becomes of a value that may go.
    fn change(&mut self, mended: Mended, path: Path<'_>) -> Change {
        match mended {
            Ok(None) => Change::Keep,
            Ok(Some(json)) => Change::Set(json),
            Err(Wrong::Said) => Change::Drop,
            Err(Wrong::Is(why)) => {
                self.dropped(path, &why);
                Change::Drop
            }
        }
    }

    /// The object with these members; an optional one that is `null` is none.
    pub(super) fn record(&mut self, shape: &[Member], json: &[u8], path: Path<'_>) -> Mended {
        sort(json, Sort::Object, "is not an object")?;
        let mut missing: Vec<&str> = shape
            .iter()
            .filter(|member| member.is_required)
            .map(|member| member.name)
            .collect();
        let mut wrong = None;
        let mended = members(json, |name, value| {
            let Some(member) = shape.iter().find(|member| member.name == name) else {
                return Ok(Change::Keep);
            };
            if Sort::of(value) == Sort::Null {
                return Ok(Change::Drop);
            }
            let path = path.name(name);
            match self.value(&member.kind, value, path) {
                Err(why) if member.is_required => wrong = Some((member.name, why)),
                mended => {
                    missing.retain(|missing| *missing != name);
                    return Ok(self.change(mended, path));
                }
            }
            Ok(Change::Keep)
        })?;
        match (wrong, missing.first()) {
            (Some((_, Wrong::Said)), _) => Err(Wrong::Said),
            (Some((name, Wrong::Is(why))), _) => {
                Err(Wrong::Is(format!("has a member {name} that {why}").into()))
            }
            (None, Some(name)) => Err(Wrong::Is(format!("has no {name}").into())),
            (None, None) => Ok(mended),
        }
    }

    fn each(&mut self, kind: &Kind, json: &[u8], path: Path<'_>) -> Mended {
        sort(json, Sort::Array, "is not an array")?;
        Ok(elements(json, |index, element| {
            let path = path.index(index);
            let mended = self.value(kind, element, path);
            Ok(self.change(mended, path))
        })?)
    }

    /// Whoever says `true` has the capability; the details are for objects.
    fn capability(&mut self, shape: &[Member], json: &[u8], path: Path<'_>) -> Mended {
        match Sort::of(json) {
            Sort::Object => self.record(shape, json, path),
            Sort::Null => Err(is("is not an object")),
            Sort::Boolean if json == b"false" => Err(is("is not an object")),
            _ => {
                let what = self.what;
                self.notes
                    .left_out
                    .push(format!("{what}: {path} is not an object and became one"));
                Ok(Some(b"{}".to_vec()))
            }
        }
    }

    fn text(
        &mut self,
        json: &[u8],
        path: Path<'_>,
        (layout, bytes_max): (Layout, usize),
    ) -> Mended {
        sort(json, Sort::Text, "is not a string")?;
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
        if json.len() <= bytes_max && json.iter().all(is_plain) {
            return Ok(None);
        }
        let text = text_of(json).ok_or_else(|| is("is not a string"))?;
        let seen = visible(&text, layout);
        let is_unreadable = serde_json::from_slice::<String>(json).is_err();
        if is_unreadable || (matches!(seen, Cow::Owned(_)) && has_hidden(&text)) {
            self.flag(path, "had invisible characters, which were removed");
        }
        let cut = cut(&seen, bytes_max);
        if cut.is_some() {
            let what = self.what;
            self.notes.left_out.push(format!(
                "{what}: {path} is longer than {bytes_max} bytes and was cut"
            ));
        }
        Ok(match (cut, seen) {
            (Some(cut), _) => Some(string(&cut)),
            (None, Cow::Owned(seen)) => Some(string(&seen)),
            (None, Cow::Borrowed(text)) if is_unreadable => Some(string(text)),
            (None, Cow::Borrowed(_)) => None,
        })
    }

    /// What programs compare stays as it is: another spelling would name another thing.
    fn word(&mut self, json: &[u8], path: Path<'_>) -> Mended {
        sort(json, Sort::Text, "is not a string")?;
        let text: String = serde_json::from_slice(json).map_err(|_| is("is not text"))?;
        if has_hidden(&text) {
            self.flag(path, "has invisible characters, and stays as it is");
        }
        Ok(None)
    }

    /// Nobody but the gateway writes under the gateway's prefix; what MCP itself says there has its types.
    fn metadata(&mut self, json: &[u8], path: Path<'_>) -> Mended {
        sort(json, Sort::Object, "is not an object")?;
        Ok(members(json, |name, value| {
            let path = path.name(name);
            if name.starts_with(OWN_PREFIX) {
                self.flag(path, "is the gateway's to say and was dropped");
                return Ok(Change::Drop);
            }
            let is_right = match name {
                meta::PROGRESS_TOKEN => {
                    Sort::of(value) == Sort::Text
                        || number_of(value).is_some_and(|number| number.fract() == 0.0)
                }
                meta::RELATED_TASK => {
                    RawObject::parse(value).is_ok_and(|task| task.get_str("taskId").is_some())
                }
                _ => true,
            };
            if is_right {
                return Ok(Change::Keep);
            }
            self.dropped(path, "is not what MCP says it is");
            Ok(Change::Drop)
        })?)
    }

    fn icon(&mut self, json: &[u8], path: Path<'_>) -> Mended {
        let mended = self.record(ICON, json, path)?;
        let icon = RawObject::parse(mended.as_deref().unwrap_or(json)).map_err(|_| Malformed)?;
        let src = icon.get_str("src").unwrap_or_default();
        if icon::is_harmless(&src, icon.get_str("mimeType").as_deref()) {
            return Ok(mended);
        }
        self.flag(path, "is no harmless picture over https: and was dropped");
        Err(Wrong::Said)
    }
}

fn sort(json: &[u8], wanted: Sort, why: &'static str) -> Mended {
    if Sort::of(json) == wanted {
        Ok(None)
    } else {
        Err(is(why))
    }
}

fn number(json: &[u8], why: &'static str, is_right: impl Fn(f64) -> bool) -> Mended {
    match number_of(json) {
        Some(number) if is_right(number) => Ok(None),
        _ => Err(is(why)),
    }
}

/// The beginning of a text that is too long.
pub(super) fn cut(text: &str, bytes_max: usize) -> Option<String> {
    (text.len() > bytes_max).then(|| format!("{}…", &text[..text.floor_char_boundary(bytes_max)]))
}

fn is_page(text: &str) -> bool {
    let is_clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    is_clean && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}

/// As RFC 3339 writes it, with capitals, and the seconds if they are wanted.
fn is_moment(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else {
        return false;
    };
    let (clock, is_zoned) = match time.strip_suffix('Z') {
        Some(clock) => (clock, true),
        None => {
            let at = time.len().saturating_sub(6);
            let (clock, zone) = time.split_at_checked(at).unwrap_or_default();
            let zone = zone.strip_prefix(['+', '-']);
            (
                clock,
                zone.is_some_and(|zone| zone.len() == 5 && is_clock(zone)),
            )
        }
    };
    let is_day = date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok();
    is_day && is_zoned && is_clock(clock)
}

/// `HH:MM`, and the seconds with their fraction if there are any.
fn is_clock(text: &str) -> bool {
    let two = |text: &str, max: u32| {
        text.len() == 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u32>().is_ok_and(|n| n <= max)
    };
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next(), parts.next(), parts.next());
    let is_second = second.is_none_or(|second| match second.split_once('.') {
        None => two(second, 59),
        Some((whole, part)) => {
            two(whole, 59) && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
        }
    });
    parts.next().is_none()
        && hour.is_some_and(|hour| two(hour, 23))
        && minute.is_some_and(|minute| two(minute, 59))
        && is_second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_what_the_strictest_client_takes() {
        for moment in [
            "2025-01-12T15:00:58Z",
            "2025-01-12T15:00Z",
            "2024-02-29T23:59:59.123456789+05:30",
            "2025-01-12T15:00:58-23:59",
        ] {
            assert!(is_moment(moment), "{moment}");
        }
        for none in [
            "",
            "yesterday",
            "2025-01-12",
            "2025-01-12T15:00:58",
            "2025-01-12 15:00:58Z",
            "2025-01-12t15:00:58z",
            "2025-02-29T15:00:58Z",
            "2025-13-12T15:00:58Z",
            "2025-01-12T24:00:00Z",
            "2025-01-12T15:00:60Z",
            "2025-01-12T15:00:58.Z",
            "2025-01-12T15:00:58+0530",
            "2025-01-12T15:00:58+24:00",
            "2025-01-12TZ",
            "T",
            "+2025-01-12T15:00:58Z",
        ] {
            assert!(!is_moment(none), "{none}");
        }
    }
}
