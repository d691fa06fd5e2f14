//! The four walks of the crate documentation: a request passes files that know only those that come after them.

use super::circles::{Crate, Module};
use super::complain;

/// How many walks there are.
const WALKS: usize = 4;

/// The files that a walk names, in its order.
fn files_of(walk: &str) -> Vec<Module> {
    let names = walk.split('`').skip(1).step_by(2);
    let module = |name: &str| name.split('/').map(str::to_owned).collect();
    names.map(module).collect()
}

#[test]
fn each_walk_goes_downward_only() {
    let documentation = super::read("src/lib.rs").replace("\n//!", "");
    let walks = documentation.split("In order:").skip(1);
    let walks = walks.map(|rest| rest.split('.').next().unwrap_or_default());
    let walks: Vec<Vec<Module>> = walks.map(files_of).collect();
    assert_eq!(walks.len(), WALKS, "src/lib.rs describes {WALKS} walks");
    let whole = Crate::read();
    let mut complaints = Vec::new();
    for walk in &walks {
        for (at, module) in walk.iter().enumerate() {
            let Some(imports) = whole.imports_of(module) else {
                complaints.push(format!("{}: there is no such file", module.join("/")));
                continue;
            };
            let back = walk[..at]
                .iter()
                .filter(|earlier| imports.contains(*earlier));
            complaints.extend(
                back.map(|earlier| format!("{} imports {}", module.join("/"), earlier.join("/"))),
            );
        }
    }
    complain(
        "A walk goes downward: hand down what the later file needs, or move it below both.",
        &complaints,
    );
}
