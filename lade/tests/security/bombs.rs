// SPDX-License-Identifier: Apache-2.0
//! U8, U9, U16, U21: what is endless, what grows, what is cut off, what is deep or many.

use std::fs;

use lade::digest::Digest;

use super::{GZIP, LAYER, ZSTD, accepted, refused};
use crate::support::Scratch;
use crate::support::image::{Image, Tar, gzip, header};
use crate::support::server::{Response, Server, registry_of};

#[test]
fn u08_endless_headers_are_cut_off() {
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
fn u09_bombs_do_not_go_off() {
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
fn u09_a_zstd_window_of_two_gigabytes_is_refused() {
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
fn u09_depth_and_names_are_bounded() {
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
fn u16_other_compressions_are_named() {
    for (magic, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0\0", "xz")] {
        let image = Image::of_blob(LAYER, magic.to_vec(), Digest::of(b""));
        let scratch = Scratch::new();
        let ran = scratch.pull(&image, "t");
        assert!(!ran.ok && ran.err.contains(name), "{}", ran.err);
    }
}

/// A gigabyte where a manifest, a config, a token, an error or a layer should be: refused, and never held in memory.
#[test]
fn u08_endless_answers_are_not_held() {
    const ENDLESS: u64 = 1 << 30;
    let image = Image::new(&[Tar::new().file("f", "x")]).gzipped();
    let config = Digest::of(&image.config_bytes()).to_string();
    let layer = Digest::of(&image.layers[0].bytes).to_string();
    let cases: [(&str, u16, String, &str); 5] = [
        ("manifest", 200, "/manifests/".into(), "larger than 4194304 bytes"),
        ("config", 200, config, "larger than"),
        ("error", 404, "/manifests/".into(), "answered 404"),
        ("token", 200, "/token".into(), "the token is larger than 1048576 bytes"),
        ("layer", 200, layer, "longer than"),
    ];
    for (what, status, part, text) in cases {
        let (answer, token) = (registry_of(&image), what == "token");
        let port = std::sync::Arc::new(std::sync::OnceLock::<u16>::new());
        let own = port.clone();
        let server = Server::start(move |request| {
            if request.target.contains(&part) {
                let body = answer(request).body;
                return Response::new(status, &body).zeros(ENDLESS);
            }
            if token {
                let realm = format!("Bearer realm=\"http://127.0.0.1:{}/token\"", own.get().unwrap());
                return Response::new(401, b"").header("www-authenticate", &realm);
            }
            answer(request)
        });
        port.set(server.port).unwrap();
        let scratch = Scratch::new();
        let (host, name) = (server.host(), format!("{}/repo:t", server.host()));
        let (ran, peak) = scratch.measured(&["pull", "--plain-http", &host, &name]);
        assert!(!ran.ok && ran.err.contains(text), "{what}: {}", ran.err);
        assert!(peak > 0 && peak < 64 << 10, "{what}: {peak} kB");
        scratch.assert_store_empty();
    }
}

/// Headers that claim a gigabyte, in a stream that would deliver it: nothing is reserved for what is only claimed.
#[test]
fn u08_claims_reserve_nothing() {
    for kind in [b'x', b'L'] {
        let claim = Tar::new().raw(&header(b"h", kind).size(1 << 30).bytes()).0;
        let blob = gzip(&[claim, vec![b'a'; 32 << 20]].concat());
        let scratch = Scratch::new();
        Image::of_blob(GZIP, blob, Digest::of(b"")).write_layout(&scratch.path("layout"));
        let layout = format!("oci:{}", scratch.path("layout").display());
        // As far as the flag goes, it is read; and no further.
        for (flag, text) in [("1m", "extended header is larger"), ("16m", "larger than 16777216")] {
            let (ran, peak) = scratch.measured(&["pull", &layout, "--max-header-size", flag]);
            assert!(!ran.ok && ran.err.contains(text), "{}", ran.err);
            assert!(peak < 64 << 10, "{peak} kB");
        }
    }
}

#[test]
fn u09_many_members_are_one_bomb() {
    let zeros = vec![0; 1 << 20];
    let mut plain = Tar::new().raw(&header(b"zeros", b'0').size(70 << 20).bytes()).0;
    let mut blob = gzip(&plain);
    for _ in 0..70 {
        blob.extend(gzip(&zeros));
        plain.extend(&zeros);
    }
    blob.extend(gzip(&[0; 1024]));
    plain.extend([0; 1024]);
    let image = Image::of_blob(GZIP, blob, Digest::of(&plain));
    let scratch = Scratch::new();
    let layout = format!("oci:{}", scratch.path("layout").display());
    image.write_layout(&scratch.path("layout"));
    scratch.refused(&["pull", &layout, "--max-ratio", "10"], "decompression bomb");
    scratch.refused(&["pull", &layout, "--max-layer-size", "60m"], "unpacks to more than");
    scratch.assert_store_empty();
    // It is a layer like another, and what follows the first member belongs to it.
    scratch.ok(&["pull", &layout]);
}

#[test]
fn u09_a_sparse_file_of_exabytes_is_refused() {
    let claim = (i64::MAX as u64).to_string();
    let records: &[(&str, &[u8])] = &[("GNU.sparse.map", b"0,1"), ("GNU.sparse.size", claim.as_bytes())];
    refused(Tar::new().pax(records).entry(header(b"s", b'0'), b"x"), "larger than 1099511627776 bytes");
    let old = Tar::new().raw(&{
        let mut block = header(b"s", b'S').bytes();
        block[257..265].copy_from_slice(b"ustar  \0");
        block[483..495].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        crate::support::image::checksum(&mut block);
        block
    });
    refused(old, "larger than 1099511627776 bytes");
}

#[test]
fn u09_every_limit_has_a_flag() {
    let scratch = Scratch::new();
    let long = "n".repeat(200);
    let tar = Tar::new().file("a/b/c/d", "x").pax(&[("path", long.as_bytes())]).file("f", "0123456789");
    Image::new(&[tar]).write_layout(&scratch.path("layout"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    for (flag, low, high, text) in [
        ("--max-size", "1k", "1m", "more than --max-size"),
        ("--max-layer-size", "1k", "1m", "--max-layer-size raises"),
        ("--max-file-size", "9", "10", "--max-file-size raises"),
        ("--max-entries", "1", "2", "--max-entries raises"),
        ("--max-depth", "3", "4", "--max-depth raises"),
        ("--max-header-size", "100", "1k", "--max-header-size raises"),
    ] {
        scratch.refused(&["pull", &layout, flag, low], text);
        scratch.assert_store_empty();
        scratch.ok(&["pull", &layout, flag, high]);
        scratch.ok(&["prune", "--all"]);
    }
    // What was let in by a flag is not damage to those who do not give it.
    let deep = vec!["d"; 300].join("/");
    Image::new(&[Tar::new().pax(&[("path", deep.as_bytes())]).file("f", "x")])
        .write_layout(&scratch.path("deep"));
    let layout = format!("oci:{}", scratch.path("deep").display());
    scratch.refused(&["pull", &layout], "too deep");
    scratch.ok(&["pull", &layout, "--max-depth", "400"]);
    scratch.ok(&["verify", "--deep"]);
    scratch.ok(&["prune", "--all"]);
    scratch.assert_store_empty();
}

/// Many names in one directory, and each of them again: nothing looks through all the others for one.
#[test]
fn u21_many_entries_of_one_directory() {
    let files = |tar| (0..2_000).fold(tar, |tar: Tar, i| tar.file(&format!("d/{i}"), ""));
    accepted(vec![files(files(Tar::new().dir("d")))], |flat, _| {
        assert_eq!(fs::read_dir(flat.join("d")).unwrap().count(), 2_000);
    });
}

/// A tree as deep as any layer may be is removed without a stack that grows with it.
#[test]
fn u21_a_deep_tree_is_refused_and_removed() {
    let path = vec!["d"; 2_000].join("/");
    refused(Tar::new().pax(&[("path", path.as_bytes())]).file("f", ""), "too deep");
    // Deeper by way of symlinks: each step leads on where the last one ended.
    let mut tar = Tar::new().dir("d").symlink("s", "d");
    for _ in 0..300 {
        tar = tar.dir("s/d").symlink("s/s", "d").symlink("s", "d/s");
    }
    accepted(vec![tar], |flat, _| assert!(flat.join("d").is_dir()));
}
