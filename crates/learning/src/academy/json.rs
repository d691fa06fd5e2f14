//! JSON in a column.
//! Says nothing of what it means: the noun's type does.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A value that is stored as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> TryFrom<String> for Json<T> {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&text).map(Self)
    }
}

impl<T: Serialize> Json<T> {
    /// The text that is stored.
    pub fn to_text(&self) -> String {
        serde_json::to_string(&self.0).expect("a stored value is JSON")
    }
}
