// SPDX-License-Identifier: Apache-2.0
//! The cases on which image tools disagree, and what lade makes of each: the same in the mounted and in the flat tree.
//! `equal` has more of the first two and of the last.

use std::fs;
use std::path::Path;

use crate::equal::{both, names};
use crate::security::refused;
use crate::support::image::{Image, Tar, header};
use crate::support::{Scratch, finished};

#[test]
fn a_whiteout_and_a_new_directory_of_its_name() {
    let top = Tar::new().file(".wh.b", "").dir("b").file("b/f2", "new");
    both(&[Tar::new().dir("b").file("b/f1", "old"), top], |root| assert_eq!(names(root), ["b", "b/f2"]));
}

#[test]
fn a_hard_link_to_a_lower_layer() {
    let base = Tar::new().file("f", "x").symlink("l", "f");
    both(&[base, Tar::new().hard("h", "f").hard("hl", "l")], |root| {
        assert_eq!(fs::read(root.join("h")).unwrap(), b"x");
        assert_eq!(fs::read_link(root.join("hl")).unwrap(), Path::new("f"));
    });
}

#[test]
fn a_write_through_a_symlink_of_a_lower_layer() {
    let base = Tar::new().dir("real").file("real/old", "x").symlink("s", "real");
    let said = both(&[base, Tar::new().file("s/new", "y")], |root| {
        assert_eq!(
            names(root),
            ["real", "real/old", "s", "s/new"],
            "overlayfs's way: a directory of that name"
        );
    });
    assert!(said.contains("warning: s is no directory in the layers below"), "{said}");
}

#[test]
fn a_whiteout_through_a_symlinked_directory() {
    let base = Tar::new().dir("real").file("real/victim", "x").symlink("s", "real");
    for top in [Tar::new().file("s/.wh.victim", ""), Tar::new().file("s/.wh..wh..opq", "")] {
        both(&[base.clone(), top], |root| assert!(root.join("real/victim").exists()));
    }
    let said = both(&[base.file("s/.wh.victim", "")], |root| assert!(root.join("real/victim").exists()));
    assert!(said.contains("ignored the whiteout s/.wh.victim"), "{said}");
}

#[test]
fn a_write_through_a_symlink_of_the_same_layer() {
    for target in ["real", "/real", "../../real", "./real/."] {
        let tar = Tar::new().dir("real").symlink("s", target).file("s/f", "x");
        both(&[tar], |root| assert_eq!(names(root), ["real", "real/f", "s"], "{target}"));
    }
}

#[test]
fn one_name_twice() {
    let tar = Tar::new().file("f", "one").file("f", "two").dir("d").file("d/x", "").symlink("d", "f");
    let said = both(&[tar], |root| {
        assert_eq!(fs::read(root.join("f")).unwrap(), b"two");
        assert_eq!(names(root), ["d", "f"]);
    });
    assert!(said.contains("f is in the layer more than once"), "{said}");
    assert!(said.contains("d is in the layer more than once"), "{said}");
    // A file in the place of its own whiteout is no second one.
    let said = both(&[Tar::new().file(".wh.f", "").file("f", "x").dir("d").dir("d")], |_| {});
    assert!(!said.contains("more than once"), "{said}");
}

#[test]
fn a_whiteout_of_what_the_layer_itself_brings() {
    for tar in [Tar::new().file("f", "new").file(".wh.f", ""), Tar::new().file(".wh.f", "").file("f", "new")]
    {
        both(&[Tar::new().file("f", "old"), tar], |root| {
            assert_eq!(fs::read(root.join("f")).unwrap(), b"new");
        });
    }
}

#[test]
fn a_root_that_is_no_directory() {
    refused(Tar::new().symlink(".", "/etc"), "would replace the root");
    refused(Tar::new().entry(header(b".", b'0'), b"x"), "would replace the root");
}

#[test]
fn overlayfs_own_marks_in_a_layer() {
    let records: &[(&str, &[u8])] =
        &[("SCHILY.xattr.trusted.overlay.opaque", b"y"), ("SCHILY.xattr.user.overlay.opaque", b"y")];
    let top = Tar::new().pax(records).dir("d");
    both(&[Tar::new().dir("d").file("d/below", "x"), top], |root| {
        assert!(root.join("d/below").exists(), "a forged mark hid a file");
    });
    refused(Tar::new().entry(header(b"x", b'3').device(0, 0), b""), "0:0");
}

#[test]
fn a_global_header() {
    let global = Tar::new().entry(header(b"pax_global_header", b'g'), b"20 comment=whatever\n");
    both(&[global.file("f", "x")], |root| assert_eq!(names(root), ["f"]));
}

#[test]
fn names_that_are_none() {
    for name in [".wh.", ".wh..", ".wh..."] {
        refused(Tar::new().file(name, ""), "not a valid whiteout");
    }
    refused(Tar::new().entry(header(b"", b'0'), b""), "no name");
}

#[test]
fn a_whiteout_where_there_is_no_directory() {
    both(&[Tar::new().file("f", ""), Tar::new().file("nodir/.wh.x", "")], |root| {
        assert_eq!(names(root), ["f"])
    });
}

/// The tests' own images are what they say: a blob that is compressed has another digest than what it unpacks to.
#[test]
fn crafted_images_are_whole() {
    let image = Image::new(&[Tar::new().file("f", "x")]).gzipped();
    assert_ne!(lade::digest::Digest::of(&image.layers[0].bytes), image.layers[0].diff_id);
    let scratch = Scratch::new();
    image.write_layout(&scratch.path("layout"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    assert!(finished(scratch.command().args(["pull", &layout]).output().unwrap()).ok);
}
