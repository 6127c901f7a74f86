// SPDX-License-Identifier: Apache-2.0
//! Layers made to break out, to break things or to eat the machine. Each is refused with a clear error and leaves
//! nothing, or lands inside the layer; the canary beside the store never changes.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use lade::digest::Digest;
use lade::sys::xattr;

use crate::support::image::{Blob, Image, Tar, header};
use crate::support::tree::snapshot;
use crate::support::{Ran, Scratch};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// Pulls with a canary next to the store; it must come out as it went in.
fn with_canary(image: impl FnOnce(&str) -> Image, then: impl FnOnce(&Scratch, Ran)) {
    let scratch = Scratch::new();
    let canary = scratch.path("canary");
    fs::create_dir_all(canary.join("dir")).unwrap();
    fs::write(canary.join("file"), "untouched").unwrap();
    let before = snapshot(&canary);
    let ran = scratch.pull(&image(canary.to_str().unwrap()), "t");
    assert_eq!(snapshot(&canary), before);
    then(&scratch, ran);
    assert_eq!(snapshot(&canary), before);
}

fn refused(tar: Tar, text: &str) {
    with_canary(
        |_| Image::new(&[tar]),
        |scratch, ran| {
            assert!(!ran.ok, "accepted; expected: {text}");
            assert!(ran.err.contains(text), "said {} and not: {text}", ran.err);
            scratch.assert_store_empty();
        },
    );
}

fn accepted(layers: Vec<Tar>, look: impl FnOnce(&std::path::Path, &Ran)) {
    with_canary(
        |_| Image::new(&layers),
        |scratch, ran| {
            assert!(ran.ok, "{}", ran.err);
            scratch.ok(&["save", "t", "-o", &format!("dir:{}", scratch.path("flat").display())]);
            look(&scratch.path("flat"), &ran);
        },
    );
}

#[test]
fn writes_through_symlinks_stay_in_the_layer() {
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
fn a_link_below_is_not_followed_by_the_layer_above() {
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
fn chains_of_symlinks_end() {
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
fn the_root_stays_a_directory() {
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
fn metadata_never_follows_a_symlink() {
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
fn hard_links_stay_in_the_image() {
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
        |_, ran| assert!(!ran.ok),
    );
    // Two names of one file, and a write to one of them after: a new file, as everywhere.
    accepted(vec![Tar::new().file("a", "one").hard("b", "a").file("b", "two")], |flat, _| {
        assert_eq!(fs::read(flat.join("a")).unwrap(), b"one");
        assert_eq!(fs::read(flat.join("b")).unwrap(), b"two");
    });
}

#[test]
fn a_parent_that_is_replaced_is_not_remembered() {
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

#[test]
fn whiteouts_name_one_thing() {
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
fn many_opaque_marks_cost_nothing() {
    let mut tar = (0..5_000).fold(Tar::new().dir("d"), |tar, i| tar.file(&format!("d/{i}"), ""));
    for _ in 0..20_000 {
        tar = tar.file("d/.wh..wh..opq", "");
    }
    accepted(vec![tar], |flat, _| assert_eq!(snapshot(&flat.join("d")).len(), 5_001));
}

/// Found by the fuzzer: a dangling symlink's target is made when something lies beneath it, whatever its name.
#[test]
fn no_symlink_makes_the_name_of_a_whiteout() {
    for target in [".wh.b", ".wh.", "c/.wh..wh..opq", "/.wh.b/d"] {
        let scratch = Scratch::new();
        let ran = scratch.pull(&Image::new(&[Tar::new().symlink("a", target).file("a/f", "x")]), "t");
        assert!(!ran.ok && ran.err.contains("the name of a whiteout"), "{target}: {}", ran.err);
        scratch.assert_store_empty();
    }
}

#[test]
fn a_whiteout_behind_a_symlink_hits_nothing() {
    let base = || Tar::new().dir("e").file("e/victim", "x").symlink("d", "e");
    let check = |flat: &std::path::Path, _: &Ran| assert!(flat.join("e/victim").exists());
    accepted(vec![base(), Tar::new().file("d/.wh.victim", "")], check);
    accepted(vec![base(), Tar::new().file("d/.wh..wh..opq", "")], |flat, _| {
        assert!(flat.join("e/victim").exists())
    });
    accepted(vec![base().file("d/.wh.victim", "")], check);
}

#[test]
fn endless_headers_are_cut_off() {
    for kind in [b'x', b'g', b'L', b'K'] {
        refused(Tar::new().entry(header(b"h", kind).size(1 << 30), b"x"), "extended header is larger");
    }
    let records: Vec<(String, Vec<u8>)> = (0..10_001).map(|i| (format!("X.{i}"), vec![b'v'])).collect();
    let records: Vec<(&str, &[u8])> = records.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
    refused(Tar::new().pax(&records).file("f", ""), "records");
    let padded = Tar::new().file("f", "x").raw(&vec![0; 17 << 20]);
    refused(padded, "bytes of padding");
}

#[test]
fn bombs_do_not_go_off() {
    let scratch = Scratch::new();
    // 80 MB of zeros are 80 kB of gzip.
    let mut tar = Tar::new().raw(&header(b"zeros", b'0').size(80 << 20).bytes()).0;
    tar.resize(tar.len() + (80 << 20), 0);
    let tar = Tar(tar).end();
    let mut best = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut best, &tar).unwrap();
    let best = best.finish().unwrap();
    let bomb = Image::of_blob(GZIP, best, Digest::of(&tar));
    let ran = scratch.pull(&bomb, "t");
    assert!(!ran.ok && ran.err.contains("decompression bomb"), "{}", ran.err);
    scratch.assert_store_empty();

    let layout = format!("oci:{}", scratch.path("layout").display());
    Image::new(&[Tar::new().file("a", "x").file("b", "x").file("c", "0123456789")])
        .write_layout(&scratch.path("layout"));
    scratch.refused(&["pull", &layout, "--max-entries", "2"], "more than 2 entries");
    fs::remove_dir_all(scratch.path("layout")).unwrap();
    Image::new(&[Tar::new().file("a", "x")]).write_layout(&scratch.path("layout"));
    scratch.refused(&["pull", &layout, "--max-layer-size", "1k"], "more than 1024 bytes");
    scratch.assert_store_empty();
}

#[test]
fn a_zstd_window_of_two_gigabytes_is_refused() {
    let mut plain = Tar::new().file("f", "x").end();
    let mut out = vec![0; zstd_safe::compress_bound(plain.len())];
    let n = zstd_safe::compress(&mut out[..], &plain, 3).unwrap();
    out.truncate(n);
    let good = Image::of_blob(ZSTD, out.clone(), Digest::of(&plain));
    let scratch = Scratch::new();
    assert!(scratch.pull(&good, "good").ok);
    // A frame with a window descriptor (no single segment): exponent 21 is 2 GiB.
    plain.clear();
    let bad = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    let ran = scratch.pull(&Image::of_blob(ZSTD, bad.to_vec(), Digest::of(&plain)), "bad");
    assert!(!ran.ok && ran.err.contains("zstd"), "{}", ran.err);
}

#[test]
fn depth_and_names_are_bounded() {
    let deep = vec!["d"; 300].join("/");
    refused(Tar::new().pax(&[("path", deep.as_bytes())]).file("f", ""), "too deep");
    let long = "n".repeat(256);
    refused(Tar::new().pax(&[("path", long.as_bytes())]).file("f", ""), "more than 255 bytes");
    // Symlinks in the layer lengthen paths beyond any name in the archive.
    let half = vec!["d"; 200].join("/");
    let tar = Tar::new()
        .pax(&[("path", half.as_bytes())])
        .dir("f")
        .pax(&[("linkpath", half.as_bytes())])
        .symlink("s", "x");
    let path = format!("s/{}/f", vec!["e"; 100].join("/"));
    refused(tar.pax(&[("path", path.as_bytes())]).file("f", ""), "too deep");
}

#[test]
fn devices_and_ids_in_range() {
    refused(Tar::new().entry(header(b"dev", b'4').device(4096, 0), b""), "out of range");
    refused(Tar::new().entry(header(b"dev", b'3').device(1, 1 << 20), b""), "out of range");
    refused(Tar::new().entry(header(b"f", b'0').owner(u64::from(u32::MAX), 0), b""), "no valid id");
    refused(Tar::new().entry(header(b"f", b'0').owner(0, 1 << 32), b""), "no valid id");
    accepted(vec![Tar::new().entry(header(b"null", b'3').device(1, 3).mode(0o666), b"")], |flat, _| {
        let meta = fs::symlink_metadata(flat.join("null")).unwrap();
        assert!(meta.file_type().is_char_device() && meta.rdev() == nix::sys::stat::makedev(1, 3));
    });
}

#[test]
fn overlay_and_host_attributes_are_dropped() {
    let evil = [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "user.overlay.opaque",
        "user.overlay.redirect",
        "security.selinux",
        "security.ima",
        "security.evm",
        "trusted.x",
    ];
    let mut records: Vec<(String, &[u8])> =
        evil.iter().map(|k| (format!("SCHILY.xattr.{k}"), &b"y"[..])).collect();
    records.push(("SCHILY.xattr.user.kept".to_owned(), b"y"));
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    records.push(("SCHILY.xattr.security.capability".to_owned(), &capability));
    let records: Vec<(&str, &[u8])> = records.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    accepted(vec![Tar::new().pax(&records).file("f", "x").pax(&records[..9]).dir("d")], |flat, _| {
        let dir = fs::File::open(flat).unwrap();
        let mut keys = xattr::list_at(&dir, b"f").unwrap();
        keys.sort();
        assert_eq!(keys, [b"security.capability".to_vec(), b"user.kept".to_vec()]);
        assert_eq!(xattr::list_at(&dir, b"d").unwrap(), [b"user.kept".to_vec()]);
    });
}

#[test]
fn lies_about_digests_are_found() {
    let scratch = Scratch::new();
    let image = Image::new(&[Tar::new().file("f", "x")]);
    let mut wrong = image.clone();
    wrong.layers[0].diff_id = Digest::of(b"something else");
    let ran = scratch.pull(&wrong, "t");
    assert!(!ran.ok && ran.err.contains("does not match its digest"), "{}", ran.err);
    scratch.assert_store_empty();
    let layout = scratch.path("layout");
    for (change, text) in [
        (Box::new(|b: &mut Vec<u8>| b[600] ^= 1) as Box<dyn Fn(&mut Vec<u8>)>, "does not match its digest"),
        (Box::new(|b: &mut Vec<u8>| b.truncate(700)), "ended after 700 of"),
        (Box::new(|b: &mut Vec<u8>| b.push(0)), "longer than"),
    ] {
        let _ = fs::remove_dir_all(&layout);
        image.write_layout(&layout);
        let blob = layout.join("blobs/sha256").join(Digest::of(&image.layers[0].bytes).hex());
        let mut bytes = fs::read(&blob).unwrap();
        change(&mut bytes);
        fs::write(&blob, bytes).unwrap();
        scratch.refused(&["pull", &format!("oci:{}", layout.display())], text);
        scratch.assert_store_empty();
    }
}

#[test]
fn other_compressions_are_named() {
    for (magic, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0\0", "xz")] {
        let image = Image::of_blob(LAYER, magic.to_vec(), Digest::of(b""));
        let scratch = Scratch::new();
        let ran = scratch.pull(&image, "t");
        assert!(!ran.ok && ran.err.contains(name), "{}", ran.err);
    }
}

#[test]
fn a_layer_that_is_there_twice_works() {
    let tar = Tar::new().file("f", "x");
    let other = Tar::new().file("f", "y").file(".wh.g", "");
    accepted(vec![tar.clone(), other.clone(), tar, other], |flat, _| {
        assert_eq!(fs::read(flat.join("f")).unwrap(), b"y")
    });
}

#[test]
fn the_fence_holds() {
    let scratch = Scratch::new();
    let (inside, outside) = (scratch.path("inside"), scratch.path("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    let dir = fs::File::open(&inside).unwrap();
    let result = std::thread::spawn(move || {
        let fenced = lade::sys::fence::restrict_to(&dir).unwrap();
        fs::write(inside.join("f"), "x").unwrap();
        let denied =
            |e: Option<std::io::Error>| e.is_some_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied);
        if fenced.landlock {
            assert!(denied(fs::write(outside.join("f"), "x").err()), "wrote outside");
            assert!(denied(fs::remove_dir(&outside).err()), "removed a directory outside");
        }
        assert!(fenced.seccomp);
        assert!(denied(std::process::Command::new("/bin/true").status().err()), "ran a program");
        assert!(denied(std::net::UdpSocket::bind("127.0.0.1:0").err()), "made a socket");
    })
    .join();
    assert!(result.is_ok());
}

/// Not a test of its own but of the tests: a blob is what its descriptor says.
#[test]
fn crafted_images_are_whole() {
    let image = Image::new(&[Tar::new().file("f", "x")]).gzipped();
    let Blob { bytes, diff_id, .. } = &image.layers[0];
    assert_ne!(&Digest::of(bytes), diff_id);
    assert!(Scratch::new().pull(&image, "t").ok);
}
