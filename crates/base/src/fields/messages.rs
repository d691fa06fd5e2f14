//! What is said of a field that is wrong, in the words that clients of REST know. One sentence is written once.

/// Nothing stands there.
pub const REQUIRED: &str = "This field is required.";
/// It is none of the fields that a request may have.
pub const UNKNOWN: &str = "Unknown field.";
pub(super) const NULL: &str = "This field may not be null.";
pub(super) const BLANK: &str = "This field may not be blank.";
pub(super) const NUL_CHARACTER: &str = "Null characters are not allowed.";

/// A text with too many characters.
pub fn too_long(characters_max: usize) -> String {
    format!("Ensure this field has no more than {characters_max} characters.")
}

/// A list with too many items.
pub fn too_many(items_max: usize) -> String {
    format!("Ensure this field has no more than {items_max} elements.")
}

/// A value that is too large in whatever it is written as.
pub fn too_large(bytes_max: usize) -> String {
    format!("Ensure this field has no more than {bytes_max} bytes.")
}

/// A word that is none of those that a field takes.
pub fn no_choice(word: &str) -> String {
    format!("\"{word}\" is not a valid choice.")
}

/// A row that does not exist, or that the caller may not know of.
pub fn no_such(id: impl std::fmt::Display) -> String {
    format!("Invalid pk \"{id}\" - object does not exist.")
}
