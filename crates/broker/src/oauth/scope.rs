//! Scopes as OAuth writes them: words with spaces between them (RFC 6749 section 3.3); GitHub and others put commas.
//! Knows what no scope means.

/// The scopes of a text.
pub fn words(scope: &str) -> impl Iterator<Item = &str> {
    let is_separator = |c: char| c.is_whitespace() || c == ',';
    scope.split(is_separator).filter(|word| !word.is_empty())
}

/// Whether a word is of the letters that a scope may have.
pub fn is_word(word: &str) -> bool {
    let is_allowed = |c: u8| c.is_ascii_graphic() && !matches!(c, b'"' | b'\\' | b',');
    !word.is_empty() && word.bytes().all(is_allowed)
}

/// Every scope once, in the order in which they are named.
pub fn union(scopes: &[&str]) -> String {
    let mut found: Vec<&str> = Vec::new();
    for word in scopes.iter().flat_map(|scope| words(scope)) {
        if !found.contains(&word) {
            found.push(word);
        }
    }
    found.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{is_word, union};

    #[test]
    fn a_scope_is_asked_for_once() {
        assert_eq!(union(&["a b", "b  c a", "", "c"]), "a b c");
        assert_eq!(union(&["", ""]), "");
    }

    #[test]
    fn commas_stand_between_scopes_too() {
        assert_eq!(
            union(&["read:user,repo", "repo, gist\tread:user,"]),
            "read:user repo gist"
        );
    }

    #[test]
    fn a_scope_has_no_quotes() {
        assert!(
            is_word("https://a.example/x:y") && !is_word("a\"b") && !is_word("ä") && !is_word("")
        );
    }
}
