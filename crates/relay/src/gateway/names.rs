//! Names at a mentor's endpoint: `{server_slug}__{tool}` (docs/inside/decisions.md#names-of-tools).

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::upstream::uri::{self, Namer};
use broker::registry::server::Server;

/// Longest name that models accept, in characters.
const NAME_CHARACTERS_MAX: usize = 64;
/// Between a server's slug and its own name for a thing.
const SEPARATOR: &str = "__";
/// Hex digits of the hash in a shortened name.
const HASH_CHARACTERS: usize = 8;

/// What the names of one server start with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix {
    slug: String,
    /// Tells two servers with the same slug apart.
    server: i64,
}

impl Prefix {
    /// The prefix of a server's record.
    pub fn of(server: &Server) -> Self {
        Self {
            slug: server.tool_prefix.clone(),
            server: server.id.0,
        }
    }

    /// No prefix: names stay as they are.
    pub fn none() -> Self {
        Self {
            slug: String::new(),
            server: 0,
        }
    }

    /// Whether names stay as they are even where models would not accept them.
    pub fn is_none(&self) -> bool {
        self.server == 0
    }

    /// The name under which a thing is shown.
    pub fn expose(&self, name: &str) -> String {
        if self.is_none() {
            return name.to_owned();
        }
        if self.slug.is_empty() {
            fit(name, name)
        } else {
            fit(&format!("{}{SEPARATOR}{name}", self.slug), name)
        }
    }

    /// The URI under which a resource is shown, or the template of several.
    pub(crate) fn expose_uri(&self, own: &str) -> String {
        uri::mark(own, self.server)
    }

    /// Whether a thing of this name may be shown under that one.
    pub(crate) fn may_expose(&self, name: &str, exposed: &str) -> bool {
        exposed == self.expose(name) || exposed == self.expose_apart(name)
    }

    /// A thing's own name, if the shown one starts with this prefix.
    pub(crate) fn strip<'a>(&self, exposed: &'a str) -> Option<&'a str> {
        if self.slug.is_empty() {
            None
        } else {
            exposed.strip_prefix(&self.slug)?.strip_prefix(SEPARATOR)
        }
    }

    /// What names the server's resources.
    pub(crate) fn namer(&self) -> Namer {
        Namer::of(self.server)
    }

    /// The name for a thing whose plain one is also another server's: the server's number goes in.
    fn expose_apart(&self, name: &str) -> String {
        let slug = if self.slug.is_empty() {
            "server"
        } else {
            &self.slug
        };
        fit(&format!("{slug}-{}{SEPARATOR}{name}", self.server), name)
    }
}

/// Replaces what models do not accept and shortens what is too long; a stable hash keeps it distinct.
fn fit(shown: &str, name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if shown.len() <= NAME_CHARACTERS_MAX && shown.chars().all(allowed) {
        return shown.to_owned();
    }
    let digest = Sha256::digest(name.as_bytes());
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let kept: String = shown
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    let room = NAME_CHARACTERS_MAX - HASH_CHARACTERS - 1;
    format!(
        "{}_{}",
        &kept[..kept.len().min(room)],
        &hash[..HASH_CHARACTERS]
    )
}

/// Names for everything that several servers offer, in the given order. Where two would share a name, each
/// of them gets its server's number, so no order decides. Returns the names and those that clashed.
pub(crate) fn expose_all(items: &[(&Prefix, &str)]) -> (Vec<String>, Vec<String>) {
    let mut names: Vec<String> = items
        .iter()
        .map(|(prefix, name)| prefix.expose(name))
        .collect();
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(names.len());
    for name in &names {
        *seen.entry(name).or_default() += 1;
    }
    let clashing: Vec<bool> = names.iter().map(|name| seen[name.as_str()] > 1).collect();
    let mut clashes = Vec::new();
    for (i, (prefix, name)) in items.iter().enumerate().filter(|(i, _)| clashing[*i]) {
        clashes.push(std::mem::replace(&mut names[i], prefix.expose_apart(name)));
    }
    clashes.sort_unstable();
    clashes.dedup();
    (names, clashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(slug: &str, server: i64) -> Prefix {
        Prefix {
            slug: slug.into(),
            server,
        }
    }

    #[test]
    fn a_name_is_its_servers_slug_and_its_own() {
        assert_eq!(prefix("drive", 9).expose("search"), "drive__search");
        assert_eq!(prefix("", 9).expose("search"), "search");
        assert_eq!(
            Prefix::none().expose("any thing/at.all"),
            "any thing/at.all"
        );
    }

    #[test]
    fn what_models_do_not_accept_is_replaced_and_stays_distinct() {
        let drive = prefix("drive", 9);
        let (a, b) = (drive.expose("files.list"), drive.expose("files/list"));
        assert!(a.starts_with("drive__files_list_") && b.starts_with("drive__files_list_"));
        assert_ne!(a, b);
        let long = drive.expose(&"x".repeat(200));
        assert_eq!(long.len(), 64);
        assert_eq!(long, drive.expose(&"x".repeat(200)), "stable");
    }

    #[test]
    fn a_clash_gives_both_their_servers_number_whatever_the_order() {
        let (one, two) = (prefix("", 1), prefix("", 2));
        let forth = expose_all(&[(&one, "echo"), (&two, "echo"), (&two, "other")]);
        let back = expose_all(&[(&two, "echo"), (&two, "other"), (&one, "echo")]);
        assert_eq!(
            forth,
            (
                vec![
                    "server-1__echo".into(),
                    "server-2__echo".into(),
                    "other".into()
                ],
                vec!["echo".into()]
            )
        );
        assert_eq!(back.0, ["server-2__echo", "other", "server-1__echo"]);
    }
}
