//! Scopes as OAuth writes them: words with spaces between them (RFC 6749 section 3.3).
//! Knows what no scope means.

/// Every scope once, in the order in which they are named.
pub fn union(scopes: &[&str]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in scopes.iter().flat_map(|scope| scope.split_whitespace()) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::union;

    #[test]
    fn a_scope_is_asked_for_once() {
        assert_eq!(union(&["a b", "b  c a", "", "c"]), "a b c");
        assert_eq!(union(&["", ""]), "");
    }
}
