//! Labels of metrics are words of the source: no caller, tenant or server can make one.

use super::{complain, read};

#[test]
fn every_label_of_a_metric_is_a_word_of_the_source() {
    let source = read("crates/base/src/metrics.rs");
    let mut sets = 0;
    let mut complaints = Vec::new();
    for set in source.split("EncodeLabelSet)]").skip(1) {
        sets += 1;
        let (set, _) = set.split_once('}').unwrap();
        let fields = set.lines().filter(|line| line.trim_end().ends_with(','));
        let open = fields.filter(|line| !line.ends_with(": &'static str,"));
        complaints.extend(open.map(|line| format!("crates/base/src/metrics.rs: {}", line.trim())));
    }
    assert!(sets >= 6, "{sets}");
    complain("A label is a &'static str.", &complaints);
}

#[test]
fn every_code_of_a_face_has_its_word_in_the_audit() {
    let outcomes = read("crates/native/src/failure.rs");
    let mut complaints = Vec::new();
    for path in [
        "crates/native/src/academy/v1/error.rs",
        "crates/native/src/academy/v2/error.rs",
    ] {
        let source = read(path);
        let texts = source.split('"').skip(1).step_by(2);
        let is_code = |text: &&str| {
            text.len() > 3 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        };
        for code in texts.filter(is_code) {
            let row = format!("(\"{code}\", \"{}\")", code.to_ascii_lowercase());
            if !outcomes.contains(&row) {
                complaints.push(format!("{path}: {code} has no word"));
            }
        }
    }
    complain(
        "Add a row to OUTCOMES in crates/native/src/failure.rs.",
        &complaints,
    );
}
