//! JSON objects opened one level deep: member values stay the bytes they were.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Members of an opened object at most; `params` and `_meta` of real messages have a handful.
const MEMBERS_MAX: usize = 4096;
/// Up to here duplicates are searched for one by one.
const LINEAR_SEARCH_MAX: usize = 16;

/// The members of an object in their order. Duplicate names are refused (docs/inside/threats.md#bodies).
#[derive(Debug, Clone, Default)]
pub struct RawObject<'a>(pub Vec<(Cow<'a, str>, Cow<'a, [u8]>)>);

impl<'a> RawObject<'a> {
    /// Opens an object.
    ///
    /// # Errors
    /// If it is not an object, has a name twice, or more than 4096 members.
    pub fn parse(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    /// The text of a string member.
    pub fn get_str(&self, name: &str) -> Option<String> {
        serde_json::from_slice(self.get(name)?).ok()
    }

    /// Replaces a member in its place, or appends it.
    pub fn set(&mut self, name: &'static str, value: impl Into<Cow<'a, [u8]>>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((Cow::Borrowed(name), value)),
        }
    }

    /// Removes a member and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Cow<'a, [u8]>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// The object as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let size: usize = self
            .0
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        let mut out = Vec::with_capacity(size + 2);
        self.write(&mut out);
        out
    }

    /// Appends the object as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (i, (name, value)) in self.0.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_string(out, name);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.push(b'}');
    }
}

/// The value at a path of member names. Builds nothing of what lies beside it, whatever its size.
pub fn value_at<'a>(json: &'a [u8], path: &[String]) -> Option<&'a [u8]> {
    path.iter().try_fold(json, |json, name| {
        let members = RawObject::parse(json).ok()?.0;
        let (_, value) = members.into_iter().find(|(known, _)| known == name)?;
        match value {
            Cow::Borrowed(value) => Some(value),
            Cow::Owned(_) => None,
        }
    })
}

/// Appends a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a string serializes into memory");
    }
}

/// A text as a JSON string.
pub fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}

/// The part of `whole` that a borrowed value points into, without copying.
pub(crate) fn slice_of(whole: &Bytes, part: &RawValue) -> Bytes {
    whole.slice_ref(part.get().as_bytes())
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, Cow<'de, [u8]>)> = Vec::with_capacity(4);
                let mut seen = std::collections::HashSet::new();
                while let Some((Name(name), value)) =
                    map.next_entry::<Name<'de>, &'de RawValue>()?
                {
                    let twice = if members.len() < LINEAR_SEARCH_MAX {
                        members.iter().any(|(known, _)| *known == name)
                    } else {
                        if seen.is_empty() {
                            seen.extend(members.iter().map(|(known, _)| known.clone()));
                        }
                        !seen.insert(name.clone())
                    };
                    if twice {
                        return Err(A::Error::custom("a member is repeated"));
                    }
                    if members.len() == MEMBERS_MAX {
                        return Err(A::Error::custom("too many members"));
                    }
                    members.push((name, Cow::Borrowed(value.get().as_bytes())));
                }
                Ok(RawObject(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A member's name, borrowed unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_byte_for_byte() {
        let json = br#"{"a":18446744073709551616,"b\n":[ 1, 0.70 ],"c":null}"#;
        let mut object = RawObject::parse(json).unwrap();
        assert_eq!(object.get("b\n"), Some(&b"[ 1, 0.70 ]"[..]));
        assert_eq!(object.to_json(), json);
        object.set("c", &b"1"[..]);
        object.remove("a");
        assert_eq!(object.to_json(), br#"{"b\n":[ 1, 0.70 ],"c":1}"#);
    }

    #[test]
    fn a_value_is_found_at_the_end_of_its_path() {
        let json = br#"{"a":[1],"b":{"c":{"d": 0.70 },"c2":1}}"#;
        let at = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            value_at(json, &path).map(|value| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!(at(&["b", "c", "d"]).as_deref(), Some("0.70"));
        assert_eq!(at(&["a"]).as_deref(), Some("[1]"));
        assert_eq!(at(&["b", "x"]), None);
        assert_eq!(at(&["a", "b"]), None);
    }

    #[test]
    fn a_member_twice_is_refused_in_small_and_large_objects() {
        assert!(RawObject::parse(br#"{"a":1,"\u0061":2}"#).is_err());
        let many: Vec<String> = (0..100).map(|i| format!("\"k{i}\":{i}")).collect();
        assert!(RawObject::parse(format!("{{{}}}", many.join(",")).as_bytes()).is_ok());
        assert!(RawObject::parse(format!("{{{},\"k50\":0}}", many.join(",")).as_bytes()).is_err());
    }
}
