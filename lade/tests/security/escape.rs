// SPDX-License-Identifier: Apache-2.0
//! U1-U5: out of the layer by symlinks, by the root entry, by metadata, by hard links, by a parent that is replaced.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{accepted, refused, with_canary};
use crate::support::image::{Image, Tar, header};

#[test]
fn u01_writes_through_symlinks_stay_in_the_layer() {
    for target in ["CANARY", "../../../../../../../..CANARY", "../.."] {
        with_canary(
            |canary| {
                let target = target.replace("CANARY", canary);
                let link = if target.len() > 100 { panic!("name too long for a header") } else { target };
                Image::new(&[Tar::new().symlink("x", &link).file("x/f", "evil").file("x/dir/g", "evil")])
            },
            |_, ran| assert!(ran.ok, "{}", ran.err),
        );
    }
}

#[test]
fn u01_a_link_below_is_not_followed_by_the_layer_above() {
    with_canary(
        |canary| Image::new(&[Tar::new().symlink("x", canary), Tar::new().file("x/f", "evil")]),
        |scratch, ran| {
            assert!(ran.ok, "{}", ran.err);
            let flat = scratch.path("flat");
            scratch.ok(&["save", "t", "-o", &format!("dir:{}", flat.display())]);
            assert!(fs::symlink_metadata(flat.join("x")).unwrap().is_dir());
            scratch.ok(&["bundle", "t", scratch.path("b").to_str().unwrap()]);
            assert!(fs::symlink_metadata(scratch.path("b/rootfs/x")).unwrap().is_dir());
        },
    );
}

#[test]
fn u01_chains_of_symlinks_end() {
    let chain = |n: usize| {
        let tar =
            (0..n).fold(Tar::new().dir("l0"), |tar, i| tar.symlink(&format!("l{}", i + 1), &format!("l{i}")));
        tar.file(&format!("l{n}/f"), "x")
    };
    accepted(vec![chain(40)], |flat, _| assert_eq!(fs::read(flat.join("l0/f")).unwrap(), b"x"));
    refused(chain(41), "too many symlinks");
    refused(Tar::new().symlink("a", "b").symlink("b", "a").file("a/f", "x"), "too many symlinks");
}

#[test]
fn u02_the_root_stays_a_directory() {
    for name in [".", "/", "./", "//", "./."] {
        for kind in [b'0', b'1', b'2', b'3', b'6'] {
            let entry = header(name.as_bytes(), kind).link(b"/etc").device(1, 3);
            // A file called `/` has a directory's name, which is refused one step earlier.
            let text = if kind == b'0' && name.ends_with('/') {
                "a file with a directory's name"
            } else {
                "would replace the root"
            };
            refused(Tar::new().entry(entry, b""), text);
        }
    }
    refused(Tar::new().entry(header(b"", b'0'), b""), "no name");
    for name in ["a/..", "../x", "a/../../x", ".."] {
        refused(Tar::new().dir("a").entry(header(name.as_bytes(), b'0'), b""), "climbs with '..'");
    }
}

#[test]
fn u03_metadata_never_follows_a_symlink() {
    with_canary(
        |canary| {
            let dir = header(b"d", b'5').mode(0o777).owner(1, 1);
            let over = header(b"f", b'0').mode(0o4777).owner(1, 1);
            Image::new(&[Tar::new()
                .symlink("d", canary)
                .entry(dir, b"")
                .symlink("f", &format!("{canary}/file"))
                .pax(&[("SCHILY.xattr.user.x", b"y")])
                .entry(over, b"mine")])
        },
        |scratch, ran| {
            assert!(ran.ok, "{}", ran.err);
            let flat = scratch.path("flat");
            scratch.ok(&["save", "t", "-o", &format!("dir:{}", flat.display())]);
            let meta = fs::symlink_metadata(flat.join("d")).unwrap();
            assert!(meta.is_dir() && meta.mode() & 0o7777 == 0o777 && meta.uid() == 1);
            let meta = fs::symlink_metadata(flat.join("f")).unwrap();
            assert!(meta.is_file() && meta.mode() & 0o7777 == 0o4777);
        },
    );
}

#[test]
fn u04_hard_links_stay_in_the_image() {
    let one = || Tar::new().dir("d").file("d/f", "x").symlink("l", "/etc");
    refused(one().hard("h", "/etc/shadow"), "no layer has its target etc/shadow");
    refused(one().hard("h", "../../etc/shadow"), "climbs with '..'");
    refused(one().hard("h", "l/shadow"), "no layer has its target");
    refused(one().hard("h", "d"), "hard link to a directory");
    refused(one().hard("h", "later").file("later", "x"), "no layer has its target");
    refused(one().file(".wh.gone", "").hard("h", "gone"), "hard link to a deleted file");
    refused(one().hard("h", "/"), "hard link to the root");
    with_canary(
        |canary| Image::new(&[Tar::new().symlink("l", canary).hard("h", "l/file").file("h", "evil")]),
        // The link is never made: the file has taken its place.
        |_, ran| assert!(ran.ok, "{}", ran.err),
    );
    // Two names of one file, and a write to one of them after: a new file, as everywhere.
    accepted(vec![Tar::new().file("a", "one").hard("b", "a").file("b", "two")], |flat, _| {
        assert_eq!(fs::read(flat.join("a")).unwrap(), b"one");
        assert_eq!(fs::read(flat.join("b")).unwrap(), b"two");
    });
}

#[test]
fn u05_a_parent_that_is_replaced_is_not_remembered() {
    with_canary(
        |canary| {
            Image::new(&[Tar::new()
                .dir("d")
                .file("d/a", "x")
                .symlink("d", canary)
                .file("d/b", "evil")
                .file("d/c", "e")])
        },
        |_, ran| assert!(ran.ok, "{}", ran.err),
    );
}

/// What stands in the store where a layer will be unpacked is taken away, not written through.
#[test]
fn u01_a_symlink_in_the_place_of_the_root() {
    with_canary(
        |_| Image::new(&[Tar::new().file("f", "good")]),
        |scratch, ran| {
            assert!(ran.ok, "{}", ran.err);
            let image = Image::new(&[Tar::new().file("file", "evil").dir("dir")]);
            let name = image.layers[0].diff_id.as_str().replace(':', "-");
            for dir in ["tmp", "layers"] {
                let at = scratch.path("store").join(dir).join(&name);
                std::os::unix::fs::symlink(scratch.path("canary"), &at).unwrap();
                assert!(scratch.pull(&image, "t").ok);
                assert!(!at.is_symlink());
                scratch.ok(&["rm", "t"]);
            }
        },
    );
}

/// The metadata of a directory is set at the end, when its name may stand for something else.
#[test]
fn u03_deferred_metadata_never_follows_a_symlink() {
    with_canary(
        |canary| {
            let wide = |name: &[u8]| header(name, b'5').mode(0o777).owner(1, 1);
            Image::new(&[Tar::new()
                .pax(&[("SCHILY.xattr.user.x", b"y")])
                .entry(wide(b"d"), b"")
                .entry(wide(b"d/dir"), b"")
                .symlink("d", canary)
                .entry(wide(b"e"), b"")
                .entry(wide(b"e/dir"), b"")
                .file("e/dir", "")
                .symlink("e/dir", &format!("{canary}/dir"))])
        },
        |scratch, ran| {
            assert!(ran.ok, "{}", ran.err);
            scratch.ok(&["bundle", "t", scratch.path("b").to_str().unwrap()]);
            assert!(scratch.path("b/rootfs/d").is_symlink() && scratch.path("b/rootfs/e/dir").is_symlink());
        },
    );
}

/// Layers that are unpacked at the same time share no directory: none is where another one's symlink leads.
#[test]
fn u05_layers_at_once_do_not_meet() {
    for _ in 0..5 {
        with_canary(
            |canary| {
                let layer = |i: u32| {
                    (0..50).fold(Tar::new(), |tar, n| {
                        let dir = Tar::dir(tar, "d").file(&format!("d/{i}-{n}"), "evil");
                        dir.symlink("d", canary).file(&format!("d/link-{i}-{n}"), "evil")
                    })
                };
                Image::new(&(0..4).map(layer).collect::<Vec<_>>())
            },
            |scratch, ran| {
                assert!(ran.ok, "{}", ran.err);
                scratch.ok(&["bundle", "t", scratch.path("b").to_str().unwrap()]);
            },
        );
    }
}
