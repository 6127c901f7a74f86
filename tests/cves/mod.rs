// SPDX-License-Identifier: Apache-2.0
//! docs/cves.md names tests that are there.

use std::fs;
use std::path::Path;

/// `dir/file::function`, from tests/; without a function, the file itself.
fn exists(test: &str) -> bool {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let Some((file, function)) = test.split_once("::") else {
        return ["", ".rs"].iter().any(|end| dir.join(format!("{test}{end}")).exists());
    };
    let source = fs::read_to_string(dir.join(format!("{file}.rs"))).unwrap_or_default();
    source.contains(&format!("fn {function}("))
}

#[test]
fn every_test_of_the_table_exists() {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cves.md")).unwrap();
    let rows: Vec<_> = table.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| Class")).collect();
    assert!(rows.len() >= 58, "{} rows", rows.len());
    for row in rows {
        let tests: Vec<_> = row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            assert!(exists(test), "{test} is not there: {row}");
        }
    }
}
