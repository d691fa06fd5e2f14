//! JSON with a budget: a small body must not become a large tree, and a name must not stand twice.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// Values in one body, counting every member and item (docs/inside/threats.md#bodies: 87 bytes of memory per byte
/// sent).
const NODES_MAX: usize = 50_000;
/// Objects and arrays inside one another.
const DEPTH_MAX: usize = 32;

/// Parses one JSON value.
///
/// # Errors
/// `Malformed` for broken JSON, a doubled name, and more values or nesting than the limits.
pub fn parse(text: &[u8]) -> Result<Value> {
    let nodes = Cell::new(NODES_MAX);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Node {
        nodes: &nodes,
        depth: DEPTH_MAX,
    };
    let parsed = seed.deserialize(&mut deserializer);
    let parsed = parsed.and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| Error::Malformed(format!("JSON parse error - {error}")))
}

/// What is left of the budget at one place of the tree.
#[derive(Clone, Copy)]
struct Node<'a> {
    nodes: &'a Cell<usize>,
    depth: usize,
}

impl Node<'_> {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom(format!("nested deeper than {DEPTH_MAX}")))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.nodes.get().checked_sub(1);
        let left = left.ok_or_else(|| D::Error::custom(format!("more than {NODES_MAX} values")))?;
        self.nodes.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inside)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("duplicate name {name:?}")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_as_it_is() {
        let text = r#"{"b":[1,-2,0.5,true,null],"a":{"x":"é\u0000"}}"#;
        assert_eq!(parse(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn doubled_names_and_excess_are_refused() {
        let deep = format!(
            "{}1{}",
            "[".repeat(DEPTH_MAX + 1),
            "]".repeat(DEPTH_MAX + 1)
        );
        let wide = format!("[{}1]", "1,".repeat(NODES_MAX));
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":1} x"#,
            "{",
            "",
            "nan",
            "\u{feff}{}",
            &deep,
            &wide,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:.40}");
        }
    }
}
