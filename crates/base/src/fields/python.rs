//! Python literals: the SDK writes a dict into an urlencoded form as its `repr`, with single quotes.
//! Understands what JSON values look like in Python and nothing more.

use serde_json::{Map, Number, Value};

/// Lists, tuples and dicts inside one another.
const DEPTH_MAX: usize = 32;

/// The value of a literal, or `None` if the text is not one.
pub(super) fn parse(text: &str) -> Option<Value> {
    let mut literal = Literal { rest: text.trim() };
    let value = literal.value(DEPTH_MAX)?;
    literal.rest.trim().is_empty().then_some(value)
}

/// What Python calls the type of a JSON value; the messages of the framework name it.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next()? {
            '{' => self.dict(depth.checked_sub(1)?),
            '[' => self.items(']', depth.checked_sub(1)?),
            '(' => self.items(')', depth.checked_sub(1)?),
            '\'' | '"' => self.string().map(Value::String),
            _ => self.word(),
        }
    }

    fn eat(&mut self, expected: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn dict(&mut self, depth: usize) -> Option<Value> {
        self.eat('{');
        let mut members = Map::new();
        while !self.eat('}') {
            self.rest = self.rest.trim_start();
            let name = self.string()?;
            self.eat(':').then_some(())?;
            let value = self.value(depth)?;
            if members.insert(name, value).is_some() {
                return None;
            }
            if !self.eat(',') && !self.rest.starts_with('}') {
                return None;
            }
        }
        Some(Value::Object(members))
    }

    fn items(&mut self, end: char, depth: usize) -> Option<Value> {
        self.rest = &self.rest[1..];
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(self.value(depth)?);
            if !self.eat(',') && !self.rest.starts_with(end) {
                return None;
            }
        }
        Some(Value::Array(items))
    }

    fn string(&mut self) -> Option<String> {
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))?;
        let mut characters = self.rest[1..].chars();
        let mut text = String::new();
        loop {
            match characters.next()? {
                '\\' => text.push(escaped(&mut characters)?),
                c if c == quote => break,
                c => text.push(c),
            }
        }
        self.rest = characters.as_str();
        Some(text)
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', ']', '}', ')', ':', ' ']);
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        match word {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            "None" => Some(Value::Null),
            _ => match word.parse::<i64>() {
                Ok(number) => Some(number.into()),
                Err(_) => word
                    .parse()
                    .ok()
                    .and_then(Number::from_f64)
                    .map(Value::Number),
            },
        }
    }
}

fn escaped(characters: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match characters.next()? {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        c @ ('\\' | '\'' | '"') => return Some(c),
        _ => return None,
    };
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + characters.next()?.to_digit(16)?;
    }
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repr_of_a_dict_reads_as_json() {
        let repr = r#"{'x-a': "it's", 'n': None, 'on': True, 'list': [1, -2.5, ('a',)], 'e': {}, 'u': '\xe9\'\n'}"#;
        let json = r#"{"x-a":"it's","n":null,"on":true,"list":[1,-2.5,["a"]],"e":{},"u":"é'\n"}"#;
        assert_eq!(parse(repr).unwrap().to_string(), json);
    }

    #[test]
    fn anything_else_is_no_literal() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{",
            "{'a'}",
            "{'a': 1 'b': 2}",
            "{'a': 1, 'a': 2}",
            "['a'",
            "[1 2]",
            "f()",
            "'a",
            "{1: 2}",
            &deep,
        ] {
            assert_eq!(parse(text), None, "{text:.20}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[\\[\\](){}'\":,.\\\\ a-zé0-9NTxuU-]{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_json_string_without_escapes_reads_the_same(text in "[a-zé '0-9]{0,20}") {
            proptest::prop_assert_eq!(parse(&format!("\"{text}\"")), Some(Value::from(text)));
        }
    }
}
