//! Rules that neither the compiler nor clippy checks, read from the source text.
//! Each test names the file and the line at fault and says what to do.

mod book;
mod circles;
mod documents;
mod english;
mod labels;
mod layers;
mod lines;
mod tables;
mod walks;

use std::path::{Path, PathBuf};

/// A Rust source file of the repository.
struct Source {
    /// Relative to the repository.
    path: String,
    text: String,
}

impl Source {
    /// The numbered lines before the unit tests at the end of the file; comments left out.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.contains("/tests/") || self.path.ends_with("_tests.rs");
        self.text
            .lines()
            .enumerate()
            .take_while(move |(_, line)| !is_test && *line != "#[cfg(test)]")
            .map(|(number, line)| (number + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The crate of the product that the file belongs to; none for the one at the top.
    fn floor(&self) -> Option<&str> {
        let (floor, _) = self.path.strip_prefix("crates/")?.split_once("/src/")?;
        Some(floor)
    }

    /// Where the file stands among the modules of the product: `http/path.rs` for `src/http/path.rs`, `egress/mod.rs` for
    /// `crates/egress/src/lib.rs`.
    fn inside(&self) -> String {
        let (_, inside) = self.path.split_once("src/").unwrap();
        match self.floor().filter(|floor| layers::is_one_module(floor)) {
            Some(floor) if inside == "lib.rs" => format!("{floor}/mod.rs"),
            Some(floor) => format!("{floor}/{inside}"),
            None => inside.to_owned(),
        }
    }

    /// The top-level module that the file belongs to: `http` for `src/http/path.rs`.
    fn module(&self) -> String {
        let inside = self.inside();
        let first = inside.split('/').next().unwrap_or(&inside);
        first.strip_suffix(".rs").unwrap_or(first).to_owned()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The folders of the product's crates, lowest floor first.
fn product_folders() -> Vec<String> {
    let folders = layers::FLOORS.iter().map(|(floor, _)| match *floor {
        "" => "src".to_owned(),
        floor => format!("crates/{floor}/src"),
    });
    folders.collect()
}

/// Every Rust file of the product, with paths to other modules as if all crates were one: `crate::clock` for
/// `base::clock`.
fn product() -> Vec<Source> {
    let folders = product_folders();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let mut all = sources(&folders);
    for source in &mut all {
        source.text = layers::in_one_crate(source.floor(), &source.text);
    }
    all
}

/// Every Rust file below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    files(folders, &["rs"])
}

/// Every file below these folders whose name ends in one of these ways; an empty one stands for a name without an ending.
fn files(folders: &[&str], ends: &[&str]) -> Vec<Source> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if ends.contains(&path.extension().map_or("", |end| end.to_str().unwrap())) {
                let relative = path.strip_prefix(root()).unwrap();
                found.push(Source {
                    path: relative.to_str().unwrap().to_owned(),
                    text: std::fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "there is no such file in {folders:?}");
    found
}

/// Everything that is written in Rust here.
fn everything() -> Vec<Source> {
    sources(&["src", "crates", "tests", "upstream-fixtures", "benches"])
}

/// Fails with all complaints at once.
#[track_caller]
fn complain(what_to_do: &str, complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{}\n{what_to_do}",
        complaints.join("\n")
    );
}
