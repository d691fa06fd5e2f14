//! The named values of a body or a query, still in the shape of their encoding.
//! What a value means is asked through [`super::Reader`].

use bytes::Bytes;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::messages::REQUIRED;
use crate::error::{Error, FieldErrors, Result};

/// Fields and files in one form.
pub const FIELDS_MAX: usize = 1000;

/// A file that came in a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it is called, as the client says.
    pub file_name: String,
    /// The bytes.
    pub content: Bytes,
}

/// One value as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// From a JSON body.
    Json(Value),
    /// From a form or a query: once for each time that the name stood there.
    Texts(Vec<String>),
    /// A file part.
    File(Upload),
}

/// Names and values in the order they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(Vec<(String, Raw)>);

impl Fields {
    /// The members of a JSON object.
    pub fn from_json(members: Map<String, Value>) -> Self {
        let members = members.into_iter();
        Self(
            members
                .map(|(name, value)| (name, Raw::Json(value)))
                .collect(),
        )
    }

    /// The pairs of a query; what stands beyond the limit of a form is not looked at.
    pub fn from_query(query: &str) -> Self {
        let mut fields = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).take(FIELDS_MAX) {
            fields.add_text(&name, value.into_owned());
        }
        fields
    }

    /// The pairs of a form.
    ///
    /// # Errors
    /// `Malformed` beyond the limit of fields.
    pub fn from_urlencoded(body: &[u8]) -> Result<Self> {
        let mut fields = Self::default();
        for (i, (name, value)) in form_urlencoded::parse(body).enumerate() {
            if i == FIELDS_MAX {
                return Err(Error::Malformed(format!(
                    "more than {FIELDS_MAX} form fields"
                )));
            }
            fields.add_text(&name, value.into_owned());
        }
        Ok(fields)
    }

    /// Adds a text; a repeated name gathers its texts.
    pub fn add_text(&mut self, name: &str, text: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, Raw::Texts(texts))) => texts.push(text),
            Some((_, other)) => *other = Raw::Texts(vec![text]),
            None => self.0.push((name.to_owned(), Raw::Texts(vec![text]))),
        }
    }

    /// Adds a file; whoever wants one of a name gets the last.
    pub fn add_file(&mut self, name: &str, upload: Upload) {
        self.0.push((name.to_owned(), Raw::File(upload)));
    }

    /// Gives a name that does not stand there a text.
    pub fn fill_in(&mut self, name: &str, text: String) {
        if !self.has(name) {
            self.add_text(name, text);
        }
    }

    /// Has null stand under a name, whatever stood there.
    pub fn clear(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), Raw::Json(Value::Null)));
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Raw> {
        let found = self.0.iter().rfind(|(known, _)| known == name);
        found.map(|(_, raw)| raw)
    }

    /// Whether the name stands there at all.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Complains about each name that does not stand there.
    pub fn require(&self, names: &[&str], errors: &mut FieldErrors) {
        for name in names.iter().filter(|name| !self.has(name)) {
            errors.add(name, REQUIRED);
        }
    }

    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Every name with its value; a name with several files stands once for each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Raw)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), raw))
    }

    /// Every pair of texts, as a query has them.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(name, raw)| {
            let texts = match raw {
                Raw::Texts(texts) => texts.as_slice(),
                Raw::Json(_) | Raw::File(_) => &[],
            };
            texts.iter().map(move |text| (name.as_str(), text.as_str()))
        })
    }

    /// The values as the members of a JSON object: texts as they are, the last of a repeated one; of a file, nothing.
    pub fn to_json(&self) -> Map<String, Value> {
        let value = |raw: &Raw| match raw {
            Raw::Json(value) => value.clone(),
            Raw::Texts(texts) => texts.last().map(String::as_str).into(),
            Raw::File(_) => Value::Null,
        };
        let members = self.0.iter();
        members
            .map(|(name, raw)| (name.clone(), value(raw)))
            .collect()
    }

    /// Gives a value a second name, unless that one is taken: for fields that clients spell in two ways.
    pub fn alias(&mut self, from: &str, to: &str) {
        if self.has(to) {
            return;
        }
        if let Some((name, _)) = self.0.iter_mut().find(|(known, _)| known == from) {
            *name = to.to_owned();
        }
    }
}
