//! Where a request stands in its client's trace: `traceparent` (W3C Trace Context, level 1, section 3.2).
//! Passed on as it came, and never begun here: the gateway collects no spans of its own that could be a parent.

use std::str;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header, and the name in `_meta`.
pub const TRACEPARENT: &str = "traceparent";
const HEADER: HeaderName = HeaderName::from_static(TRACEPARENT);

/// `version "-" trace-id "-" parent-id "-" flags`: characters of revision 00.
const LENGTH: usize = 55;
/// Where the trace's id stands.
const TRACE_ID: std::ops::Range<usize> = 3..35;
/// Where the parent's id stands.
const PARENT_ID: std::ops::Range<usize> = 36..52;

/// A `traceparent` of revision 00 that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent(HeaderValue);

impl Parent {
    /// The one in the headers; `None` if there is none, more than one, or a malformed one.
    pub fn in_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(HEADER)?;
        if headers.get_all(HEADER).iter().nth(1).is_some() {
            return None;
        }
        Self::parse(value.as_bytes())
    }

    /// Reads one. Of a later revision only what revision 00 has is understood and passed on (section 3.2.4).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let is_hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_well_formed = known.iter().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => is_hex(&[*byte]),
        });
        let is_zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
        if !is_well_formed || is_zero(&known[TRACE_ID]) || is_zero(&known[PARENT_ID]) {
            return None;
        }
        match &known[..2] {
            b"00" if rest.is_empty() => HeaderValue::from_bytes(known).ok().map(Self),
            b"00" | b"ff" => None,
            _ if rest.is_empty() || rest[0] == b'-' => {
                let known = [b"00", &known[2..]].concat();
                HeaderValue::from_bytes(&known).ok().map(Self)
            }
            _ => None,
        }
    }

    /// The id that every part of the trace has.
    pub(crate) fn trace_id(&self) -> &str {
        &self.as_str()[TRACE_ID]
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_bytes()).expect("hexadecimal digits are UTF-8")
    }

    /// Puts it into the headers of a request that is made because of this one.
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(HEADER, self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(text: &str) -> Option<String> {
        Parent::parse(text.as_bytes()).map(|parent| parent.as_str().to_owned())
    }

    #[test]
    fn a_traceparent_is_believed_only_if_it_is_well_formed() {
        assert_eq!(read(GOOD), Some(GOOD.to_owned()));
        let trace_id = Parent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(trace_id.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in [
            "",
            "t",
            &GOOD[..54],
            &format!("{GOOD}0"),
            &format!("{GOOD}-00"),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            &GOOD.replace("00-4", "ff-4"),
            &GOOD.replace("00-4", "0x-4"),
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GOOD.replace("b7-01", "é-01"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn of_a_later_revision_what_is_known_is_passed_on() {
        let later = GOOD.replace("00-4", "cc-4");
        assert_eq!(read(&later), Some(GOOD.to_owned()));
        assert_eq!(read(&format!("{later}-what=ever")), Some(GOOD.to_owned()));
        assert_eq!(read(&format!("{later}.what=ever")), None);
    }

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Parent::in_headers(&headers), None);
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert!(Parent::in_headers(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert_eq!(Parent::in_headers(&headers), None);
    }
}
