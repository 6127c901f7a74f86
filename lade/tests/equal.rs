// SPDX-License-Identifier: Apache-2.0
//! The overlay view of an image, made by the kernel, and the flat copy, made by lade, are one and the same tree, and
//! the tree that unpacking layer upon layer into one directory gives.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::Scratch;
use crate::support::image::{Image, Tar, header};
use crate::support::tree::{difference, snapshot};

/// Checks that both views agree and hands one to `look`; returns what the pull said.
pub(crate) fn both(layers: &[Tar], look: impl FnOnce(&Path)) -> String {
    let scratch = Scratch::new();
    let ran = scratch.pull(&Image::new(layers), "t");
    assert!(ran.ok, "{}", ran.err);
    let (mounted, copied) = (scratch.path("m"), scratch.path("c"));
    let made = scratch.ok(&["bundle", "t", mounted.to_str().unwrap()]);
    assert!(!made.err.contains("copied"), "no overlay: {}", made.err);
    scratch.ok(&["bundle", "t", copied.to_str().unwrap(), "--copy"]);
    let (a, b) = (snapshot(&mounted.join("rootfs")), snapshot(&copied.join("rootfs")));
    assert!(a == b, "mounted and copied differ:\n{}", difference(&a, &b));
    look(&copied.join("rootfs"));
    ran.err
}

pub(crate) fn names(root: &Path) -> Vec<String> {
    snapshot(root).into_keys().map(|k| String::from_utf8(k).unwrap()).filter(|k| !k.is_empty()).collect()
}

/// Whoever pulls, with whatever umask: a mode is the layer's.
#[test]
fn modes_are_not_the_callers() {
    let file = |name: &str, kind: u8, mode| header(name.as_bytes(), kind).mode(mode);
    let tar = Tar::new()
        .entry(file("open", b'0', 0o666), b"x")
        .entry(file("set-id", b'0', 0o6777), b"x")
        .entry(file("dir", b'5', 0o2777), b"")
        .entry(file("pipe", b'6', 0o622), b"")
        .entry(file("null", b'3', 0o666).device(1, 3), b"");
    let scratch = Scratch::new();
    Image::new(&[tar]).write_layout(&scratch.path("layout"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    for umask in ["000", "022", "077"] {
        let plain = scratch.command();
        let mut command = Command::new("sh");
        command.args(["-c", "umask $0; exec \"$@\"", umask]).arg(plain.get_program()).args(plain.get_args());
        command.args(["pull", "-q", &layout, "--name", "t"]);
        assert!(command.output().unwrap().status.success());
        let flat = scratch.path(umask);
        scratch.ok(&["save", "t", "-o", &format!("dir:{}", flat.display())]);
        let mode = |name| fs::symlink_metadata(flat.join(name)).unwrap().permissions().mode() & 0o7777;
        let modes = ["open", "set-id", "dir", "pipe", "null"].map(mode);
        assert_eq!(modes, [0o666, 0o6777, 0o2777, 0o622, 0o666], "with umask {umask}");
        scratch.ok(&["verify", "--deep"]);
        scratch.ok(&["rm", "t"]);
    }
}

#[test]
fn a_directory_deleted_and_brought_anew_hides_the_old() {
    let base = Tar::new().dir("b").file("b/f1", "old");
    for top in [
        Tar::new().file(".wh.b", "").dir("b").file("b/f2", "new"),
        Tar::new().file(".wh.b", "").file("b/f2", "new"),
        Tar::new().dir("b").file("b/f2", "new").file(".wh.b", ""),
        Tar::new().file("b/f2", "new").file(".wh.b", ""),
        Tar::new().dir("b").file("b/.wh..wh..opq", "").file("b/f2", "new"),
        Tar::new().dir("b").file("b/f2", "new").file("b/.wh..wh..opq", ""),
        Tar::new().file("b/.wh..wh..opq", "").file("b/f2", "new"),
        Tar::new().file("b", "a file").dir("b").file("b/f2", "new"),
    ] {
        both(&[base.clone(), top], |root| assert_eq!(names(root), ["b", "b/f2"]));
    }
}

#[test]
fn hard_links_reach_lower_layers() {
    let base =
        Tar::new().dir("d").file("d/target", "content").symlink("d/link", "target").dir("x").file("x/y", "z");
    let top =
        Tar::new().hard("one", "d/target").hard("two", "d/target").hard("three", "one").hard("sym", "d/link");
    both(&[base, Tar::new().file("between", ""), top], |root| {
        let lines = snapshot(root);
        for name in ["d/target", "one", "two", "three"] {
            assert!(
                lines[name.as_bytes()].contains("links=4 first=\"d/target\""),
                "{name}: {}",
                lines[name.as_bytes()]
            );
        }
        assert!(lines[&b"sym"[..]].contains("-> \"target\""));
    });
}

#[test]
fn directories_not_mentioned_look_as_below() {
    let below = header(b"d", b'5').mode(0o1700).owner(5, 6);
    let base = Tar::new().entry(below, b"").dir("d/e").file("d/e/f", "x");
    both(&[base, Tar::new().file("d/e/g", "y").file("new/sub/h", "z").file("d/.wh.nothing", "")], |root| {
        let lines = snapshot(root);
        assert!(lines[&b"d"[..]].starts_with("41700 5:6 1000000000.0"), "{}", lines[&b"d"[..]]);
        assert!(lines[&b"d/e"[..]].starts_with("40755 0:0 1000000000.0"));
        assert!(lines[&b"new/sub"[..]].starts_with("40755 0:0 0.0"));
    });
}

#[test]
fn whiteouts_of_nothing_leave_nothing() {
    let base = Tar::new().dir("d").file("d/f", "x");
    let top = Tar::new()
        .file("nodir/.wh.x", "")
        .file("d/.wh.nothing", "")
        .file(".wh.neither", "")
        .dir("own")
        .file("own/.wh.x", "")
        .file("own/f", "y");
    both(&[base.clone(), top.clone()], |root| assert_eq!(names(root), ["d", "d/f", "own", "own/f"]));
    both(&[top], |root| {
        assert_eq!(
            names(root),
            ["d", "own", "own/f"].iter().filter(|n| root.join(n).exists()).copied().collect::<Vec<_>>()
        )
    });
    // A file the layer itself brings is not what its whiteout means.
    both(&[base, Tar::new().file("d/f", "new").file("d/.wh.f", "")], |root| {
        assert_eq!(std::fs::read(root.join("d/f")).unwrap(), b"new");
    });
}

#[test]
fn the_root_looks_as_the_last_layer_says() {
    let root = |mode, uid| Tar::new().entry(header(b"./", b'5').mode(mode).owner(uid, uid), b"");
    both(&[root(0o711, 1), root(0o750, 2).file("a", ""), Tar::new().file("b", "")], |dir| {
        assert!(snapshot(dir)[&b""[..]].starts_with("40750 2:2 1000000000.0"));
    });
}

#[test]
fn names_of_any_bytes_and_sparse_files() {
    let odd: &[u8] = b"a\xff\n\x1b[31m\\ \"";
    let sparse = header(b"GNUSparseFile.0/s", b'0');
    let map = format!("{:\0<512}", "2\n0\n3\n1048576\n3\n");
    let data = [map.as_bytes(), b"abcdef"].concat();
    let base = Tar::new().entry(header(odd, b'0'), b"x").pax(&[
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"s"),
        ("GNU.sparse.realsize", b"2097152"),
    ]);
    both(&[base.entry(sparse, &data), Tar::new().entry(header(odd, b'0'), b"y")], |root| {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(root.join("s")).unwrap();
        assert!(meta.size() == 2 << 20 && meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
        let bytes = std::fs::read(root.join("s")).unwrap();
        assert_eq!((&bytes[..3], &bytes[1 << 20..(1 << 20) + 3]), (&b"abc"[..], &b"def"[..]));
        assert!(bytes[3..1 << 20].iter().all(|b| *b == 0));
    });
}

/// A generator of numbers that are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Layers of random operations on few names, so that they meet.
fn random_layer(dice: &mut Dice, base: bool) -> Tar {
    let mut tar = Tar::new();
    let mut used = BTreeSet::new();
    for _ in 0..12 {
        let depth = 1 + dice.roll(3);
        let parts: Vec<String> =
            (0..depth).map(|_| ["a", "b", "c"][dice.roll(3) as usize].to_owned()).collect();
        let path = parts.join("/");
        // Within a layer a path is said once, and nothing lies in what is not a directory: tools differ on the rest.
        let parent_is_leaf = (1..parts.len()).any(|n| used.contains(&(parts[..n].join("/"), false)));
        let is_parent = used.iter().any(|(p, _): &(String, bool)| p.starts_with(&format!("{path}/")));
        if parent_is_leaf || used.iter().any(|(p, _)| *p == path) {
            continue;
        }
        let choice = dice.roll(if base { 3 } else { 5 });
        match choice {
            0 => {
                tar = tar.dir(&path);
                used.insert((path, true));
            }
            1 | 2 if !is_parent => {
                tar = if choice == 1 {
                    tar.file(&path, &format!("{}", dice.roll(1000)))
                } else {
                    tar.symlink(&path, "a")
                };
                used.insert((path, false));
            }
            3 => {
                let (dir, name) = path
                    .rsplit_once('/')
                    .map_or((String::new(), path.as_str()), |(d, n)| (format!("{d}/"), n));
                tar = tar.file(&format!("{dir}.wh.{name}"), "");
                used.insert((path, false));
            }
            4 => {
                tar = tar.file(&format!("{path}/.wh..wh..opq"), "");
                used.insert((path, true));
            }
            _ => {}
        }
    }
    tar
}

#[test]
fn a_layer_that_is_there_twice_works() {
    let tar = Tar::new().file("f", "x");
    let other = Tar::new().file("f", "y").file(".wh.g", "");
    both(&[tar.clone(), other.clone(), tar, other], |root| {
        assert_eq!(std::fs::read(root.join("f")).unwrap(), b"y");
    });
}

#[test]
fn random_stacks_agree() {
    for seed in 0..40 {
        let mut dice = Dice(seed * 7919 + 1);
        let layers: Vec<Tar> = (0..2 + dice.roll(4)).map(|i| random_layer(&mut dice, i == 0)).collect();
        both(&layers, |_| {});
    }
}
