//! Grants and their tokens. A token's text says which grant and which generation it is of: `at-1-2`, `rt-1-2`.

use std::collections::HashMap;

use super::switches::Rotation;

/// An access token and the refresh token that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
}

/// A code that was given out and not yet used.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) scope: String,
    pub(super) has_consent: bool,
}

/// One person's grant to one client.
#[derive(Debug)]
struct Family {
    client_id: String,
    generation: u64,
    is_revoked: bool,
}

/// A client that registered itself.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) secret: String,
    pub(super) redirect_uris: Vec<String>,
}

/// Everything that was given out.
#[derive(Debug, Default)]
pub(super) struct Grants {
    families: Vec<Family>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) clients: HashMap<String, Registered>,
    /// How many clients registered themselves, forgotten ones too.
    pub(super) registered: usize,
}

impl Grants {
    pub(super) fn begin(&mut self, client_id: &str) -> Pair {
        self.families.push(Family {
            client_id: client_id.to_owned(),
            generation: 1,
            is_revoked: false,
        });
        pair(self.families.len(), 1)
    }

    /// New tokens for a refresh token; `None` if it is refused.
    pub(super) fn refresh(
        &mut self,
        token: &str,
        client_id: &str,
        rotation: Rotation,
    ) -> Option<Pair> {
        let may = self.would_refresh(token, rotation);
        let (number, generation) = parse(token, "rt")?;
        let family = self.families.get_mut(number.checked_sub(1)?)?;
        if family.client_id != client_id {
            return None;
        }
        if !may {
            // Whoever shows a used token may have stolen it.
            family.is_revoked |= rotation == Rotation::Strict && generation < family.generation;
            return None;
        }
        family.generation += 1;
        let mut fresh = pair(number, family.generation);
        if rotation == Rotation::Keep {
            token.clone_into(&mut fresh.refresh_token);
        }
        Some(fresh)
    }

    pub(super) fn would_refresh(&self, token: &str, rotation: Rotation) -> bool {
        self.family(token, "rt")
            .is_some_and(|(family, generation)| {
                let is_newest = generation == family.generation;
                let is_kept = matches!(rotation, Rotation::Keep | Rotation::Grace);
                !family.is_revoked && (is_newest || is_kept)
            })
    }

    pub(super) fn accepts(&self, token: &str) -> bool {
        self.family(token, "at")
            .is_some_and(|(family, generation)| {
                !family.is_revoked && generation <= family.generation
            })
    }

    /// Ends the grant that a token of either kind belongs to.
    pub(super) fn revoke(&mut self, token: &str) {
        let parsed = parse(token, "rt").or_else(|| parse(token, "at"));
        let family = parsed.and_then(|(number, _)| self.families.get_mut(number.checked_sub(1)?));
        if let Some(family) = family {
            family.is_revoked = true;
        }
    }

    pub(super) fn revoke_all(&mut self) {
        for family in &mut self.families {
            family.is_revoked = true;
        }
    }

    fn family(&self, token: &str, kind: &str) -> Option<(&Family, u64)> {
        let (number, generation) = parse(token, kind)?;
        Some((self.families.get(number.checked_sub(1)?)?, generation))
    }
}

fn pair(number: usize, generation: u64) -> Pair {
    Pair {
        access_token: format!("at-{number}-{generation}"),
        refresh_token: format!("rt-{number}-{generation}"),
    }
}

fn parse(token: &str, kind: &str) -> Option<(usize, u64)> {
    let rest = token.strip_prefix(kind)?.strip_prefix('-')?;
    let (number, generation) = rest.split_once('-')?;
    let (generation, _tail) = generation.split_once('.').unwrap_or((generation, ""));
    Some((number.parse().ok()?, generation.parse().ok()?))
}
