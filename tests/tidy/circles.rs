//! Which files of a folder import which others: downward only, so that each can be read after those that it uses.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, complain, product};

/// Folders of this many files or fewer are read as one.
const SMALL_FOLDER: usize = 4;

/// The circles that stay, and why. What is named here and is none any more fails too.
#[rustfmt::skip]
const MAY_CIRCLE: &[(&str, &str, &str)] = &[
    ("academy", "person realm",
     "who acts is a person with rights, and which people may be looked at depends on who acts"),
    ("registry", "audience connection grant server",
     "a connection travels with a grant to a server, and a server that moves or a grant that ends switches connections off"),
    ("upstream", "duplex exchange http inbox lane session sse websocket",
     "a session owns its wire, and what a wire brings belongs to its session; an exchange keeps its session alive"),
];

/// A module: the names of its path below the crate; a file or a folder's `mod.rs`.
pub(super) type Module = Vec<String>;

/// What a file imports, as paths from where it stands.
#[derive(Default)]
struct Paths {
    found: Vec<Vec<String>>,
    /// What it hands on with `pub use`: the name here, and the path behind it.
    handed_on: Vec<(String, Vec<String>)>,
}

impl Paths {
    fn of(source: &Source) -> Self {
        let lines: Vec<&str> = source.product_lines().map(|(_, line)| line).collect();
        let tokens = tokens(&lines.join("\n"));
        let (mut paths, mut at) = (Self::default(), 0);
        while at < tokens.len() {
            if tokens[at] == "use" {
                let is_public = at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
                at = paths.tree(&tokens, at + 1, &[], is_public);
            } else if is_name(&tokens[at]) {
                let mut path = vec![tokens[at].clone()];
                while tokens.get(at + 1).is_some_and(|token| token == "::")
                    && tokens.get(at + 2).is_some_and(|token| is_name(token))
                {
                    path.push(tokens[at + 2].clone());
                    at += 2;
                }
                paths.found.push(path);
            }
            at += 1;
        }
        paths
    }

    /// Takes one tree of a `use` and returns where it ends.
    fn tree(
        &mut self,
        tokens: &[String],
        from: usize,
        before: &[String],
        is_public: bool,
    ) -> usize {
        let (mut path, mut at) = (before.to_vec(), from);
        loop {
            match tokens[at].as_str() {
                "::" => {}
                "{" => {
                    at += 1;
                    while tokens[at] != "}" {
                        at = self.tree(tokens, at, &path, is_public);
                        at += usize::from(tokens[at] == ",");
                    }
                    return at + 1;
                }
                "self" if path.len() > before.len() || !before.is_empty() => {}
                name if is_name(name) => path.push(name.to_owned()),
                // A glob, or the end of this tree.
                _ => break,
            }
            at += 1;
            if tokens[at] == "as" {
                if is_public {
                    self.handed_on.push((tokens[at + 1].clone(), path.clone()));
                }
                self.found.push(path);
                return at + 2;
            }
        }
        if is_public && let Some(name) = path.last() {
            self.handed_on.push((name.clone(), path.clone()));
        }
        self.found.push(path);
        at + usize::from(tokens[at] == "*")
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Names, `::` and single other characters; strings and blanks left out.
fn tokens(text: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        if is_name(rest) || first.is_ascii_digit() {
            let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            length = rest.find(end).unwrap_or(rest.len());
            found.push(rest[..length].to_owned());
        } else if first == '"' {
            let mut is_escaped = false;
            let end = rest[1..].find(|c| {
                let is_end = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            });
            length = end.map_or(rest.len(), |end| end + 2);
        } else if rest.starts_with("'\"'") {
            length = 3;
        } else if rest.starts_with("::") {
            length = 2;
            found.push("::".to_owned());
        } else if !first.is_whitespace() {
            found.push(first.to_string());
        }
        rest = &rest[length..];
    }
    found
}

/// The modules of the crate and what each imports.
pub(super) struct Crate {
    modules: BTreeMap<Module, Paths>,
    folders: BTreeSet<Module>,
}

impl Crate {
    pub(super) fn read() -> Self {
        let (mut modules, mut folders) = (BTreeMap::new(), BTreeSet::new());
        for source in product() {
            let inside = source.inside();
            let inside = inside.trim_end_matches(".rs");
            let mut module: Module = inside.split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| last == "mod") {
                module.pop();
                folders.insert(module.clone());
            }
            modules.insert(module, Paths::of(&source));
        }
        Self { modules, folders }
    }

    /// The module that a path in another one leads to, past what a `mod.rs` hands on.
    fn module_of(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (mut at, mut rest) = (from.clone(), path);
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Module::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            name => {
                at.push(name.to_owned());
                // Else another crate, or something in the file itself.
                self.modules.contains_key(&at).then_some(())?;
                rest = &path[1..];
            }
        }
        while let Some(name) = rest.first() {
            at.push(name.clone());
            if !self.modules.contains_key(&at) {
                at.pop();
                break;
            }
            rest = &rest[1..];
        }
        let handed_on = self.modules.get(&at).and_then(|paths| {
            let name = rest.first()?;
            let of_name = |(here, _): &&(String, _)| here == name;
            paths.handed_on.iter().find(of_name)
        });
        match handed_on {
            Some((_, path)) if self.folders.contains(&at) => self.module_of(&at, path),
            _ => Some(at),
        }
    }

    /// The modules that a module and what lies inside it import; none if there is no such module.
    pub(super) fn imports_of(&self, module: &Module) -> Option<BTreeSet<Module>> {
        self.modules.get(module)?;
        let inside = self
            .modules
            .iter()
            .filter(|(name, _)| name.starts_with(module));
        let imports = inside.flat_map(|(name, paths)| {
            let targets = paths.found.iter();
            targets.filter_map(|path| self.module_of(name, path))
        });
        Some(imports.collect())
    }

    /// Which children of a folder import which others.
    fn imports_within(&self, folder: &Module) -> BTreeMap<String, BTreeSet<String>> {
        let depth = folder.len();
        let child = |module: &Module| {
            let is_inside = module.len() > depth && module.starts_with(folder);
            is_inside.then(|| module[depth].clone())
        };
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, paths) in &self.modules {
            let Some(from) = child(module) else { continue };
            let row = imports.entry(from.clone()).or_default();
            let targets = paths
                .found
                .iter()
                .filter_map(|path| self.module_of(module, path));
            row.extend(targets.filter_map(|to| child(&to)).filter(|to| *to != from));
        }
        imports
    }
}

/// Everything that can be reached from a node.
fn reached<'a>(imports: &'a BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        for next in imports.get(at).into_iter().flatten() {
            if found.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    found
}

/// The circles: nodes that reach one another.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Vec<&str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|name| (name.as_str(), reached(imports, name)))
        .collect();
    let mut found = BTreeSet::new();
    for (name, others) in reach.iter().filter(|(name, others)| others.contains(*name)) {
        let mates = others.iter().filter(|other| reach[*other].contains(name));
        found.insert(mates.copied().collect());
    }
    found
}

#[test]
fn files_of_a_folder_do_not_import_one_another_in_a_circle() {
    let whole = Crate::read();
    let (mut complaints, mut seen) = (Vec::new(), Vec::new());
    for folder in &whole.folders {
        let imports = whole.imports_within(folder);
        if imports.len() <= SMALL_FOLDER {
            continue;
        }
        let name = folder.join("/");
        for circle in circles(&imports) {
            let members = circle.join(" ");
            if MAY_CIRCLE
                .iter()
                .any(|(at, known, _)| *at == name && *known == members)
            {
                seen.push(name.clone());
                continue;
            }
            let edges = circle.iter().map(|from| {
                let within = imports[*from]
                    .iter()
                    .filter(|to| circle.contains(&to.as_str()));
                format!(
                    "{from} -> {}",
                    within.map(String::as_str).collect::<Vec<_>>().join(" ")
                )
            });
            complaints.push(format!("{name}: {}", edges.collect::<Vec<_>>().join("; ")));
        }
    }
    let stale = MAY_CIRCLE
        .iter()
        .filter(|(at, ..)| !seen.iter().any(|name| name == at));
    complaints
        .extend(stale.map(|(at, members, _)| format!("{at}: no circle of {members} any more")));
    complain(
        "Move what both need into a file below them, or defend the circle in MAY_CIRCLE.",
        &complaints,
    );
}
