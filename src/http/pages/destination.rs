//! Where a person goes after they have signed in: one of our own pages, and nothing that a link invents
//! (docs/inside/threats.md#signing-in).

/// A page of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// The connected accounts.
    Connections,
    /// The question with this id.
    Connect(String),
}

/// Characters of a question's id.
const ID_CHARACTERS: usize = 32;

impl Destination {
    /// The page that a path means; the connected accounts for everything else.
    pub(super) fn parse(path: &str) -> Self {
        let id = path.strip_prefix("/connect/");
        match id.filter(|id| is_id(id)) {
            Some(id) => Self::Connect(id.to_owned()),
            None => Self::Connections,
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Connections => "/connections/".to_owned(),
            Self::Connect(id) => format!("/connect/{id}"),
        }
    }
}

/// Whether a text has the form of a question's id.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_CHARACTERS
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::Destination;

    #[test]
    fn only_our_own_pages_are_gone_to() {
        let id = "0123456789abcdef0123456789abcdef";
        let path = format!("/connect/{id}");
        assert_eq!(Destination::parse(&path).path(), path);
        for hostile in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "/connect/../../evil",
            "/connect/0123456789ABCDEF0123456789ABCDEF",
            "/connect/0123456789abcdef0123456789abcdef%0d%0aSet-Cookie:a=b",
            "",
        ] {
            assert_eq!(
                Destination::parse(hostile),
                Destination::Connections,
                "{hostile}"
            );
        }
    }
}
