// SPDX-License-Identifier: Apache-2.0
//! The question after each point: is anything left? What ends by itself, a killed process, a cgroup that empties, is
//! waited for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Container, left};
use crate::peers::leaving;

/// What is still there after as long as a command may take; and how long it took to go.
pub(crate) fn what_stays(c: &Container) -> (Vec<String>, Duration) {
    let began = Instant::now();
    loop {
        let left = left(&c.id, &c.state_root());
        if left.is_empty() || began.elapsed() > leaving() {
            return (left, began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The files of the bundle and of the image's first two levels: what a start may make there are the places of mounts.
pub(crate) fn files(c: &Container) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    below(c.bundle(), 3, &mut files);
    let root = c.state_root().to_str().unwrap().to_owned();
    files.retain(|f| !f.starts_with(&root));
    files
}

fn below(dir: &Path, depth: usize, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        files.insert(entry.path().to_str().unwrap().to_owned());
        if depth > 1 && entry.file_type().unwrap().is_dir() && entry.file_name() != "bin" {
            below(&entry.path(), depth - 1, files);
        }
    }
}
