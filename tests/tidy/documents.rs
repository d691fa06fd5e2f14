//! What documents, migrations and the list of tests say of the repository is so.

use super::book::documents;
use super::{complain, everything, read, root, sources};

/// Folders and files at the top that a document may point into.
const TOP: &[&str] = &[
    ".ci/",
    "assets/",
    "crates/",
    "deploy/",
    "docs/",
    "migrations/",
    "src/",
    "tests/",
    "upstream-fixtures/",
    "benches/",
];

/// The page with the table of limits.
const LIMITS: &str = "docs/reference/limits.md";

/// The texts in backticks.
fn code_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn documents_name_only_what_exists() {
    let mut complaints = Vec::new();
    for document in documents() {
        let text = read(&document);
        let linked = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let paths = code_in(&text).chain(linked).flat_map(str::split_whitespace);
        for path in paths.filter(|path| TOP.iter().any(|top| path.starts_with(top))) {
            let path = path.trim_end_matches(['.', ',', ':', ';']);
            let path = path.split('#').next().unwrap_or(path);
            // `migrations/NNNN_name.sql` and `src/http/*` stand for many.
            if !path.contains(['*', '<', '{'])
                && !path.contains("NNNN")
                && !root().join(path).exists()
            {
                complaints.push(format!("{document}: there is no {path}"));
            }
        }
    }
    complain("Correct the document.", &complaints);
}

#[test]
fn the_map_names_only_tests_that_exist() {
    let all: String = everything().into_iter().map(|source| source.text).collect();
    let map = read("src/lib.rs");
    let lines = map.lines().filter(|line| line.starts_with("//!"));
    let map: String = lines
        .map(|line| line.trim_start_matches("//!"))
        .collect::<Vec<_>>()
        .join("\n");
    let named: Vec<&str> = map
        .split("Test: `")
        .skip(1)
        .filter_map(|rest| rest.split('`').next())
        .collect();
    let complaints: Vec<String> = named
        .iter()
        .filter(|name| !all.contains(&format!("fn {name}(")))
        .map(|name| format!("src/lib.rs: there is no test {name}"))
        .collect();
    complain("Name the test that enforces the invariant.", &complaints);
}

#[test]
fn migrations_are_numbered_without_a_gap_and_all_applied() {
    let mut files: Vec<String> = std::fs::read_dir(root().join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let applied = read("crates/base/src/storage/migrate.rs");
    for (at, file) in files.iter().enumerate() {
        let number = at + 1;
        assert!(
            file.starts_with(&format!("{number:04}_")),
            "{file} should have the number {number:04}"
        );
        let entry = format!("\n    {number} \"{file}\",\n");
        assert!(
            applied.contains(&entry),
            "crates/base/src/storage/migrate.rs does not apply {file}"
        );
    }
}

#[test]
fn every_test_file_is_in_the_one_binary() {
    let main = read("tests/main.rs");
    let complaints: Vec<String> = sources(&["tests"])
        .into_iter()
        .filter_map(|source| {
            let inside = source.path.strip_prefix("tests/")?;
            let name = inside.split('/').next()?.trim_end_matches(".rs").to_owned();
            (name != "main" && !main.contains(&format!("mod {name};"))).then_some(name)
        })
        .map(|name| format!("tests/main.rs does not name `{name}`"))
        .collect();
    complain("Add `mod NAME;`, or its tests never run.", &complaints);
}

/// The value of a limit in the unit that the source counts in: bytes, items, or ms.
fn value_of(text: &str) -> Option<u64> {
    let at = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.replace(' ', "").parse().ok()?;
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        _ => return None,
    };
    Some(number * factor)
}

/// The value of `const NAME: … = 4 * 1024;` or `= Duration::from_secs(15 * 60);`.
fn constant(source: &str, name: &str) -> Option<u64> {
    let (_, rest) = source.split_once(&format!("const {name}: "))?;
    let (_, expression) = rest.split_once(';')?.0.split_once('=')?;
    let expression = expression.trim().trim_end_matches(')');
    let (factors, unit) = match expression.split_once("Duration::from_") {
        None => (expression, 1),
        Some((_, rest)) => match rest.split_once('(')? {
            ("secs", factors) => (factors, 1000),
            ("millis", factors) => (factors, 1),
            _ => return None,
        },
    };
    let numbers = factors
        .split('*')
        .map(|factor| factor.replace('_', "").trim().parse::<u64>());
    let product: Result<u64, _> = numbers.product();
    product.ok().map(|product| product * unit)
}

#[test]
fn the_limits_in_the_readme_are_those_of_the_source() {
    let page = read(LIMITS);
    let (_, table) = page.split_once("| what | limit | constant |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut complaints = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let named: Vec<&str> = code_in(cells[3]).collect();
        let [name, path] = named[..] else {
            panic!("{row}")
        };
        let (said, is) = (value_of(cells[2]), constant(&read(path), name));
        if said.is_none() || said != is {
            complaints.push(format!(
                "{LIMITS}: {name} in {path} is {is:?}, not {said:?}"
            ));
        }
    }
    complain("Correct the table of limits.", &complaints);
}
