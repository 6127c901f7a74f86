// SPDX-License-Identifier: Apache-2.0
//! A layer of few names and every kind of entry, whiteouts above all: it is refused or unpacked, nothing outside its
//! directory changes, and no whiteout is left as a name. Takes root; a tmpfs for TMPDIR makes it fast.
#![no_main]

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use lade::tar::{Entry, Kind, Time, Writer};
use lade::unpack::{Limits, OverlayXattr, unpack};
use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};

const NAMES: [&str; 12] = [
    "a", "b", "c", ".", "..", "", ".wh.a", ".wh.b", ".wh..wh..opq", ".wh.", ".wh...", "../../canary",
];

#[derive(Debug, Arbitrary)]
struct Piece {
    path: Vec<u8>,
    link: Vec<u8>,
    absolute: bool,
    kind: u8,
    mode: u16,
}

fn path(parts: &[u8], absolute: bool) -> Vec<u8> {
    let names: Vec<&str> = parts.iter().take(5).map(|b| NAMES[usize::from(*b) % NAMES.len()]).collect();
    format!("{}{}", if absolute { "/" } else { "" }, names.join("/")).into_bytes()
}

fn entry(piece: &Piece) -> Entry {
    let kinds = [Kind::File, Kind::Dir, Kind::Symlink, Kind::HardLink, Kind::Fifo, Kind::Char];
    let kind = kinds[usize::from(piece.kind) % kinds.len()];
    let linked = matches!(kind, Kind::Symlink | Kind::HardLink);
    Entry {
        path: path(&piece.path, false),
        kind,
        link: if linked { path(&piece.link, piece.absolute) } else { Vec::new() },
        mode: u32::from(piece.mode) & 0o7777,
        uid: 0,
        gid: 0,
        mtime: Time { sec: 1, nsec: 0 },
        major: u64::from(kind == Kind::Char),
        minor: 3,
        size: 0,
        xattrs: Vec::new(),
        sparse: None,
    }
}

fn no_whiteouts(dir: &Path) {
    for found in fs::read_dir(dir).expect("a directory of ours") {
        let found = found.expect("a directory of ours");
        assert!(!found.file_name().as_encoded_bytes().starts_with(b".wh."), "{:?}", found.path());
        if found.file_type().expect("a directory of ours").is_dir() {
            no_whiteouts(&found.path());
        }
    }
}

fuzz_target!(|pieces: Vec<Piece>| {
    let mut writer = Writer::new(Vec::new());
    for piece in pieces.iter().take(24) {
        if writer.start(&entry(piece)).is_err() {
            return;
        }
    }
    let bytes = writer.finish().expect("in memory");
    let scratch = tempfile::tempdir().expect("a temporary directory");
    fs::write(scratch.path().join("canary"), "alive").expect("a file");
    let layer = scratch.path().join("x/layer");
    fs::create_dir_all(&layer).expect("a directory");
    let dir = OwnedFd::from(fs::File::open(&layer).expect("a directory"));
    let limits = Limits::default();
    // A thread of its own: unpacking fences it in for good.
    let run = || unpack(bytes.as_slice(), &dir, bytes.len() as u64, &limits, OverlayXattr::Trusted);
    let unpacked = std::thread::scope(|scope| scope.spawn(run).join());
    if unpacked.expect("no panic").is_ok() {
        no_whiteouts(&layer);
    }
    let mut outside: Vec<_> = fs::read_dir(scratch.path()).expect("ours").flatten().map(|e| e.file_name()).collect();
    outside.sort();
    assert_eq!(outside, ["canary", "x"]);
    assert_eq!(fs::read_dir(scratch.path().join("x")).expect("ours").count(), 1);
    assert_eq!(fs::read(scratch.path().join("canary")).expect("the canary"), b"alive");
});
