//! The words of a text, as pages are indexed and questions are asked: the same on every database.
//! Knows no grammar: a word is its letters and digits, in lower case and without its plural.

use std::collections::HashMap;

/// Longest word, in bytes; nobody asks for a longer one, and PostgreSQL would not index it.
const WORD_BYTES_MAX: usize = 256;

/// Words that say nothing about what is asked.
const STOP_WORDS: &[&str] = &[
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "best", "by", "can", "do", "does",
    "for", "from", "have", "how", "i", "in", "is", "it", "me", "my", "of", "on", "or", "our",
    "should", "tell", "that", "the", "this", "to", "was", "we", "what", "when", "where", "which",
    "who", "why", "with", "you", "your",
];

/// The words of a text, in its order. None of more than three letters ends in a single `s`.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty() && part.len() <= WORD_BYTES_MAX);
    parts
        .map(str::to_lowercase)
        .filter(|word| !STOP_WORDS.contains(&word.as_str()))
        .map(|word| {
            let is_plural = word.len() > 3 && word.ends_with('s') && !word.ends_with("ss");
            if is_plural {
                word[..word.len() - 1].to_owned()
            } else {
                word
            }
        })
}

/// How often each word stands in a text.
pub(super) fn counted(text: &str) -> HashMap<String, f64> {
    let mut counts = HashMap::new();
    for word in words(text) {
        *counts.entry(word).or_insert(0.0) += 1.0;
    }
    counts
}
