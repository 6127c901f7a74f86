// SPDX-License-Identifier: Apache-2.0
//! What an attack may come to: it is refused, or it is harmless.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{Container, Output};

/// One line that has these words, and nothing is left, even before `delete`.
#[track_caller]
pub(crate) fn refused(c: &Container, words: &str) {
    let out = c.create(&[]);
    says_no(&out, words);
    let left = c.left();
    assert!(left.is_empty(), "left without delete: {left:#?}");
}

#[track_caller]
pub(crate) fn says_no(out: &Output, words: &str) {
    let err = out.stderr();
    assert_ne!(out.code, 0, "not refused; wanted: {words}");
    assert!(out.code > 0 && !err.contains("panicked"), "{}: {err}", out.code);
    assert!(err.replace("\\\"", "\"").contains(words), "no {words:?} in: {err}");
    let lines = err.lines().filter(|l| !l.starts_with("hint:") && !l.contains("level=warning"));
    assert_eq!(lines.count(), 1, "not one line: {err}");
}

/// Created, started and over, or refused with these words; nothing in between.
#[track_caller]
pub(crate) fn runs_or_refused(c: &Container, words: &str) -> bool {
    let out = c.run(&[]);
    match out.code {
        0 => true,
        _ => {
            says_no(&out, words);
            false
        }
    }
}

/// A symlink in the rootfs in the place of whatever is there.
pub(crate) fn link(c: &Container, at: &str, to: impl AsRef<Path>) {
    let path = c.rootfs(at);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_dir_all(&path);
    let _ = fs::remove_file(&path);
    symlink(to, path).unwrap();
}

/// Without the mounts at these places and below.
pub(crate) fn without_mounts(c: Container, places: &[&str]) -> Container {
    c.config(|c| {
        let at = |m: &serde_json::Value| Path::new(m["destination"].as_str().unwrap()).to_owned();
        c["mounts"].as_array_mut().unwrap().retain(|m| !places.iter().any(|p| at(m).starts_with(p)));
    })
}
