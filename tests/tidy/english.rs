//! One English: phrases that read as translated, or hide a usual word from who searches for it, and what to say instead.
//! `docs/glossary.md` has the words themselves.

use super::{complain, everything, files};

/// A phrase that is written nowhere, in no message, log line, comment or page, and what is written instead.
#[rustfmt::skip]
const INSTEAD: &[(&str, &str)] = &[
    ("a time that is to come", "must be in the future"),
    ("asks too much", "sends too many requests"),
    ("call_off", "cancel"),
    (" came of ", "the outcome of"),
    ("came_to(", "set_outcome"),
    ("characters that nobody sees", "invisible characters"),
    ("could not be looked for", "failed to look up, failed to read"),
    ("each member once", "without repeated members"),
    ("forgotten us", "does not know our registration"),
    ("give_back", "revoke"),
    ("goes_stepwise", "spans_transactions"),
    ("grant is over", "the grant ended, expired or was revoked"),
    ("grant was given back", "the grant was revoked"),
    ("grant was not given back", "the grant was not revoked"),
    ("Happening", "NewEvent"),
    ("has at least one scope", "needs at least one scope"),
    ("is held cannot be counted", "failed to read the queue depths"),
    ("more than the role", "exceeds what the role allows"),
    ("no more are possible", "the limit is reached"),
    ("put aside", "set aside"),
    ("stands twice", "is repeated"),
    ("takes no POST", "does not accept POST"),
    ("tokens are given back", "tokens are revoked"),
    ("was not noted", "failed to record"),
    ("were not noted", "failed to record"),
];

#[test]
fn every_phrase_is_said_in_usual_words() {
    let mut texts = everything();
    texts.extend(files(&["docs"], &["md"]));
    let own = "tests/tidy/english.rs";
    let mut complaints = Vec::new();
    for source in texts.iter().filter(|source| source.path != own) {
        for (number, line) in source.text.lines().enumerate() {
            let said = INSTEAD.iter().filter(|(phrase, _)| line.contains(phrase));
            complaints.extend(said.map(|(phrase, instead)| {
                let place = format!("{}:{}", source.path, number + 1);
                format!("{place}: {phrase:?}; say {instead:?}")
            }));
        }
    }
    complain("Use the words of docs/glossary.md.", &complaints);
}
