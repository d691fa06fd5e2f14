//! How long files are and what no line may say.

use super::{Source, complain, everything, product, sources};

/// Lines in a file at most; think again at 450 (CONTRIBUTING.md, "Style").
const FILE_LINES_MAX: usize = 800;

/// Names that a log line may not have as a value: they would end in the log.
#[rustfmt::skip]
const NEVER_LOGGED: &[&str] = &[
    "access_token", "api_key", "arguments", "authorization", "body", "credential", "credentials", "email",
    "expose", "extra_headers", "headers", "params", "password", "plain", "refresh_token", "secret", "token",
];

#[test]
fn no_file_is_longer_than_anyone_reads() {
    let mut complaints = Vec::new();
    for source in everything() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            complaints.push(format!(
                "{}: {lines} lines, {FILE_LINES_MAX} are allowed",
                source.path
            ));
        }
    }
    complain("Split it by what its parts are about.", &complaints);
    report_budget();
}

/// Prints how the product stands to the budget of CONTRIBUTING.md, "Style": median 120, 95th percentile 450.
#[expect(clippy::print_stdout, reason = "a report for whoever runs the test")]
fn report_budget() {
    let mut files: Vec<(usize, String)> = product()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .collect();
    files.sort();
    let at = |percent: usize| files[(files.len() - 1) * percent / 100].0;
    println!(
        "{} files: median {}, 95th percentile {} lines",
        files.len(),
        at(50),
        at(95)
    );
    for (lines, path) in files.iter().rev().take_while(|(lines, _)| *lines > 450) {
        println!("think again: {path} has {lines} lines");
    }
}

#[test]
fn every_file_says_what_it_holds() {
    let complaints: Vec<String> = sources(&["src", "crates", "tests", "benches"])
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{}: the first line is no `//!`", source.path))
        .collect();
    complain("Say in one line what the module holds.", &complaints);
}

#[test]
fn lints_are_expected_and_never_allowed() {
    let needle = concat!("#[", "allow(");
    let inner = concat!("#![", "allow(");
    let complaints = matching(&everything(), |line| {
        line.contains(needle) || line.contains(inner)
    });
    complain("Write `#[expect(lint, reason = \"…\")]`.", &complaints);
}

#[test]
fn nothing_is_left_to_do_without_an_issue() {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let complaints = matching(&everything(), |line| {
        words.iter().any(|word| {
            line.split(|c: char| !c.is_alphanumeric())
                .any(|w| w == *word)
        }) && !line.contains("issue ")
    });
    complain("Do it, or name the issue: `issue 12`.", &complaints);
}

#[test]
fn nothing_unwraps_outside_of_tests() {
    let mut complaints = Vec::new();
    for source in product() {
        for (number, line) in source.product_lines() {
            if line.contains(".unwrap()") {
                complaints.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    complain(
        "Return an error, or `expect(\"why it cannot happen\")`.",
        &complaints,
    );
}

#[test]
fn no_secret_and_no_email_is_logged() {
    let mut complaints = Vec::new();
    for source in product() {
        for (at, _) in source.text.match_indices("tracing::") {
            let rest = &source.text[at + "tracing::".len()..];
            let Some((level, rest)) = rest.split_once("!(") else {
                continue;
            };
            if !["error", "warn", "info", "debug", "trace"].contains(&level) {
                continue;
            }
            let values = without_texts(&rest[..end_of_call(rest)]).replace("token.id", "");
            let words = values.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| NEVER_LOGGED.contains(word)) {
                let number = source.text[..at].lines().count() + 1;
                complaints.push(format!("{}:{number}: logs `{word}`", source.path));
            }
        }
    }
    complain(
        "Log a number that the operator can look up instead.",
        &complaints,
    );
}

fn matching(sources: &[Source], is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            if is_bad(line) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    found
}

/// Where the parenthesis closes that was opened just before.
fn end_of_call(text: &str) -> usize {
    let (mut depth, mut is_text, mut is_escaped) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The code without what stands in quotation marks.
fn without_texts(code: &str) -> String {
    code.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}
