//! The book in `docs/`: it is whole, and every link, anchor and citation leads to what exists.

use std::collections::BTreeSet;

use super::{complain, files, product, read, root};

/// README is what a stranger reads first; everything else is a page.
const README_BYTES_MAX: usize = 8_000;

/// The documents that GitHub looks for at the top.
const AT_THE_TOP: &[&str] = &["CONTRIBUTING.md", "README.md", "SECURITY.md"];

/// The table of contents of the book.
const SUMMARY: &str = "docs/SUMMARY.md";

/// Folders whose files cite pages in their comments.
const CITING: &[&str] = &[
    ".ci",
    "benches",
    "crates",
    "deploy",
    "migrations",
    "src",
    "tests",
    "upstream-fixtures",
];

/// Every document that people read: at the top, of the fixtures, and the pages of the book.
pub(super) fn documents() -> Vec<String> {
    let mut paths: Vec<String> = AT_THE_TOP.iter().map(ToString::to_string).collect();
    paths.push("upstream-fixtures/README.md".into());
    paths.extend(pages());
    paths
}

/// Every page of the book, and its table of contents.
fn pages() -> Vec<String> {
    let pages = files(&["docs"], &["md"]).into_iter();
    pages.map(|page| page.path).collect()
}

/// The lines outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// Where the links of a document lead, except to other hosts. What stands in backticks is no link.
fn links(text: &str) -> Vec<String> {
    let without_code: Vec<String> = prose(text)
        .map(|line| line.split('`').step_by(2).collect())
        .collect();
    let text = without_code.join("\n");
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    inside.map(str::to_owned).collect()
}

/// The anchors of a page, as GitHub and mdBook make them of its headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c => c.is_alphanumeric().then_some(c),
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// The file that a link of a document means, relative to the repository.
fn target(document: &str, path: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    if !path.is_empty() {
        parts.pop();
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What is wrong with a reference to a file, or to a heading of a page.
fn fault(path: &str, anchor: Option<&str>) -> Option<String> {
    if !root().join(path).exists() {
        return Some(format!("there is no {path}"));
    }
    let anchor = anchor?;
    let known = anchors(&read(path)).iter().any(|known| known == anchor);
    (!known).then(|| format!("{path} has no heading #{anchor}"))
}

#[test]
fn the_readme_is_short() {
    let bytes = read("README.md").len();
    assert!(
        bytes <= README_BYTES_MAX,
        "README.md has {bytes} bytes, {README_BYTES_MAX} are allowed: move what is looked up into a page of docs/"
    );
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let mut listed: Vec<String> = links(&read(SUMMARY))
        .iter()
        .map(|link| target(SUMMARY, link))
        .collect();
    listed.push(SUMMARY.into());
    listed.sort();
    assert_eq!(
        listed,
        pages(),
        "docs/SUMMARY.md lists other pages than there are"
    );
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut complaints = Vec::new();
    for document in documents() {
        for link in links(&read(&document)) {
            let (path, anchor) = match link.split_once('#') {
                Some((path, anchor)) => (path, Some(anchor)),
                None => (link.as_str(), None),
            };
            let path = target(&document, path);
            if let Some(fault) = fault(&path, anchor) {
                complaints.push(format!("{document}: {fault}"));
            }
            if document.starts_with("docs/") && !path.starts_with("docs/") {
                complaints.push(format!(
                    "{document}: {path} is not in the book, name it in backticks"
                ));
            }
        }
    }
    complain("Correct the link.", &complaints);
}

#[test]
fn every_heading_of_a_page_has_an_anchor_of_its_own() {
    let mut complaints = Vec::new();
    for document in documents() {
        let mut seen = BTreeSet::new();
        for anchor in anchors(&read(&document)) {
            if !seen.insert(anchor.clone()) {
                complaints.push(format!("{document}: two headings are #{anchor}"));
            }
        }
    }
    complain("Give one of them another name.", &complaints);
}

/// The pages and sections that a text cites as `docs/…/page.md#section`.
fn citations(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let starts = text.match_indices("docs/").map(|(at, _)| &text[at..]);
    starts.filter_map(|rest| {
        let path_end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/-_.".contains(c)));
        let (path, rest) = rest.split_at(path_end.unwrap_or(rest.len()));
        let Some(anchor) = rest.strip_prefix('#') else {
            let path = path.trim_end_matches('.');
            return path.ends_with(".md").then_some((path, None));
        };
        let end = anchor.find(|c: char| !(c.is_alphanumeric() || "-_".contains(c)));
        let anchor = &anchor[..end.unwrap_or(anchor.len())];
        path.ends_with(".md").then_some((path, Some(anchor)))
    })
}

/// Every file that cites pages, and every document: its path and its text.
fn citing() -> Vec<(String, String)> {
    let ends = ["rs", "sql", "toml", "sh", "mjs", "py", ""];
    let files = files(CITING, &ends).into_iter();
    let mut texts: Vec<(String, String)> = files.map(|file| (file.path, file.text)).collect();
    texts.extend(documents().into_iter().map(|path| {
        let text = read(&path);
        (path, text)
    }));
    texts
}

#[test]
fn every_page_and_section_that_is_cited_exists() {
    let mut complaints = Vec::new();
    for (file, text) in &citing() {
        let faults = citations(text).filter_map(|(path, anchor)| fault(path, anchor));
        complaints.extend(faults.map(|fault| format!("{file}: {fault}")));
    }
    complain("Cite a page and a section that exist.", &complaints);
}

/// The page with what the sections of the academy's documents say, which are cited by their numbers alone.
const ACADEMY: &str = "docs/inside/academy.md";

#[test]
fn every_numbered_section_that_a_comment_cites_is_on_the_page_of_the_academy() {
    let page = read(ACADEMY);
    let headings =
        prose(&page).filter_map(|line| line.trim_start_matches('#').split_whitespace().next());
    let known: BTreeSet<&str> = headings.collect();
    let mut complaints = Vec::new();
    for (file, text) in &citing() {
        let comments = text
            .lines()
            .filter(|line| line.trim_start().starts_with("//"));
        for line in comments.filter(|line| !line.contains("RFC")) {
            let numbers = line.split(|c: char| !(c.is_ascii_digit() || c == '.'));
            let numbers = numbers.map(|number| number.trim_matches('.'));
            let cited = |number: &&str| number.starts_with("6.3.") || number.starts_with("8.");
            for number in numbers
                .filter(cited)
                .filter(|number| !known.contains(number))
            {
                complaints.push(format!("{file}: {ACADEMY} has no section {number}"));
            }
        }
    }
    complain("Say on the page what the section asks for.", &complaints);
}

#[test]
fn nothing_is_needed_from_outside_of_the_repository() {
    let outside = ["..", "shared"].join("/");
    let pages: Vec<String> = ["academy-two", "contract", "design", "threats"]
        .iter()
        .map(|name| format!("{name}.md"))
        .collect();
    let mut complaints = Vec::new();
    for (file, text) in &citing() {
        if text.contains(&outside) {
            complaints.push(format!("{file}: {outside} is not in the repository"));
        }
        for page in &pages {
            for (at, _) in text.match_indices(page.as_str()) {
                let start =
                    text[..at].rfind(|c: char| !(c.is_ascii_alphanumeric() || "/-_.".contains(c)));
                let path = &text[start.map_or(0, |start| start + 1)..at + page.len()];
                if !root().join(path).exists() && !root().join(target(file, path)).exists() {
                    complaints.push(format!("{file}: there is no {path}"));
                }
            }
        }
    }
    complain("Say it in the book, and cite the page.", &complaints);
}

/// The page that says what lines of the log and refusals mean.
const LOGS: &str = "docs/operators/logs.md";

#[test]
fn every_line_of_the_log_that_is_explained_is_written_somewhere() {
    let sources: Vec<String> = product().into_iter().map(|source| source.text).collect();
    let page = read(LOGS);
    let (_, explained) = page.split_once("## Errors").unwrap();
    let (explained, _) = explained.split_once("## Refusals over HTTP").unwrap();
    let said = explained.split('`').skip(1).step_by(2);
    // What has a blank is a sentence; names of settings, files and commands have none, or begin as such.
    let sentences = said.filter(|text| text.contains(' ') && !text.contains("keys status"));
    let complaints: Vec<String> = sentences
        .filter(|text| !text.starts_with("mentor-gateway "))
        .filter(|text| !sources.iter().any(|source| source.contains(text)))
        .map(|text| format!("{LOGS}: nothing says {text:?}"))
        .collect();
    complain("Explain what is really written.", &complaints);
}

/// The words of a text that begin so, up to the first character that no such word has.
fn words_with(text: &str, begin: &str) -> BTreeSet<String> {
    let starts = text.match_indices(begin).map(|(at, _)| &text[at..]);
    let word = |rest: &str| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    starts.map(word).collect()
}

#[test]
fn every_setting_is_on_its_page_and_no_other() {
    let source = read("src/config.rs");
    let settings = words_with(&source, "GATEWAY_");
    let page = words_with(&read("docs/reference/configuration.md"), "GATEWAY_");
    assert_eq!(
        page, settings,
        "docs/reference/configuration.md has other settings than there are"
    );
}

#[test]
fn every_metric_is_on_its_page_and_no_other() {
    let source = read("crates/base/src/metrics.rs");
    let registered = source.split("register").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once('(')?;
        rest.trim_start().strip_prefix('"')?.split('"').next()
    });
    let page = read("docs/operators/metrics.md");
    let missing = registered.filter(|name| !page.contains(&format!("`gateway_{name}")));
    let mut complaints: Vec<String> = missing
        .map(|name| format!("{name} is not on the page"))
        .collect();
    for name in words_with(&page, "gateway_") {
        let bare = name.trim_start_matches("gateway_");
        let ends = ["_total", "_seconds_bucket", "_seconds", ""];
        let bare = ends
            .iter()
            .find_map(|end| bare.strip_suffix(end))
            .unwrap_or(bare);
        if !source.contains(&format!("\"{bare}\"")) {
            complaints.push(format!("there is no metric {name}"));
        }
    }
    complain("Correct docs/operators/metrics.md.", &complaints);
}

#[test]
fn every_kind_of_a_failed_server_is_explained() {
    let source = read("crates/base/src/error.rs");
    let (_, rest) = source.split_once("impl UpstreamFailureKind").unwrap();
    let (words, _) = rest.split_once("\n}").unwrap();
    let page = read(LOGS);
    let words = words
        .split("=> \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let complaints: Vec<String> = words
        .filter(|word| !page.contains(&format!("`{word}`")))
        .map(|word| format!("{LOGS}: {word} is not explained"))
        .collect();
    complain("Say what the word means and who must act.", &complaints);
}
