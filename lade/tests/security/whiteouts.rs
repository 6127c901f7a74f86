// SPDX-License-Identifier: Apache-2.0
//! U6: whiteouts that name what they must not, and many of them.

use std::fs;

use super::{accepted, refused};
use crate::support::image::{Image, Tar, header};
use crate::support::tree::snapshot;
use crate::support::{Ran, Scratch};

#[test]
fn u06_whiteouts_name_one_thing() {
    for name in [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..."] {
        refused(Tar::new().dir("d").file(name, ""), "not a valid whiteout");
    }
    refused(Tar::new().entry(header(b".wh.x", b'5'), b""), "not a valid whiteout");
    refused(Tar::new().entry(header(b".wh.x", b'2').link(b"/etc"), b""), "not a valid whiteout");
    refused(Tar::new().file(".wh.x/y", ""), "lies in a whiteout");
    refused(Tar::new().entry(header(b"x", b'3').device(0, 0), b""), "0:0");
    // Aufs's own files are no whiteouts and nobody wants them.
    accepted(
        vec![
            Tar::new()
                .file("f", "x")
                .dir(".wh..wh.plnk")
                .file(".wh..wh.plnk/1.2", "")
                .file(".wh..wh.aufs", ""),
        ],
        |flat, _| {
            assert_eq!(snapshot(flat).len(), 2);
        },
    );
}

#[test]
fn u06_many_opaque_marks_cost_nothing() {
    let mut tar = (0..2_000).fold(Tar::new().dir("d"), |tar, i| tar.file(&format!("d/{i}"), ""));
    for _ in 0..20_000 {
        tar = tar.file("d/.wh..wh..opq", "");
    }
    accepted(vec![tar], |flat, _| assert_eq!(fs::read_dir(flat.join("d")).unwrap().count(), 2_000));
}

/// Found by the fuzzer: a dangling symlink's target is made when something lies beneath it, whatever its name.
#[test]
fn u06_no_symlink_makes_the_name_of_a_whiteout() {
    for target in [".wh.b", ".wh.", "c/.wh..wh..opq", "/.wh.b/d"] {
        let scratch = Scratch::new();
        let ran = scratch.pull(&Image::new(&[Tar::new().symlink("a", target).file("a/f", "x")]), "t");
        assert!(!ran.ok && ran.err.contains("the name of a whiteout"), "{target}: {}", ran.err);
        scratch.assert_store_empty();
    }
}

#[test]
fn u06_a_whiteout_behind_a_symlink_hits_nothing() {
    let base = || Tar::new().dir("e").file("e/victim", "x").symlink("d", "e");
    let check = |flat: &std::path::Path, _: &Ran| assert!(flat.join("e/victim").exists());
    accepted(vec![base(), Tar::new().file("d/.wh.victim", "")], check);
    accepted(vec![base(), Tar::new().file("d/.wh..wh..opq", "")], |flat, _| {
        assert!(flat.join("e/victim").exists())
    });
    accepted(vec![base().file("d/.wh.victim", "")], check);
}

/// A whiteout of any type that is one names a file of the layers below, never the root of one.
#[test]
fn u06_whiteouts_of_the_root_and_of_other_types() {
    let base = || Tar::new().dir("d").file("d/f", "x").file("f", "x");
    for name in ["./.wh..", "/.wh..", "d/../.wh.d"] {
        let text = if name.contains("../.wh.d") { "climbs" } else { "not a valid whiteout" };
        refused(Tar::new().dir("d").file(name, ""), text);
    }
    for kind in [b'2', b'3', b'4', b'5', b'6'] {
        let entry = header(b".wh.f", kind).link(b"d/f").device(1, 3);
        refused(Tar::new().entry(entry, b""), "not a valid whiteout");
    }
    // Aufs linked its whiteouts to one another.
    let aufs = Tar::new().entry(header(b".wh.f", b'1').link(b".wh..wh.plnk/1"), b"");
    accepted(vec![base(), aufs], |flat, _| assert!(flat.join("d/f").exists() && !flat.join("f").exists()));
    // An opaque mark on the root hides the layers below, and that is all.
    accepted(vec![base(), Tar::new().file(".wh..wh..opq", "").file("g", "")], |flat, _| {
        assert_eq!(snapshot(flat).len(), 2)
    });
}
