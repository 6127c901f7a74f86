// SPDX-License-Identifier: Apache-2.0
//! The tar reader alone: what two parsers could read in two ways is refused, and truncation is always noticed.

use std::io::Read;

use lade::digest::Digest;
use lade::tar::{Entry, Kind, Reader};
use lade::unpack::Decompress;

use crate::support::image::{Image, Tar, gzip, header};

fn read(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, String> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(|e| e.to_string())? {
        let mut data = Vec::new();
        loop {
            let chunk = reader.data().map_err(|e| e.to_string())?;
            if chunk.is_empty() {
                break;
            }
            data.extend_from_slice(chunk);
        }
        all.push((entry, data));
    }
    Ok(all)
}

fn refused(tar: Tar, text: &str) {
    match read(&tar.end()) {
        Ok(entries) => panic!("read {} entries; expected: {text}", entries.len()),
        Err(e) => assert!(e.contains(text), "said {e} and not: {text}"),
    }
}

#[test]
fn u10_nothing_can_be_smuggled() {
    // The inner archive is data or entries, depending on which size counts: PAX's does, for everyone.
    let inner = Tar::new().file("smuggled", "x");
    let outer = Tar::new()
        .pax(&[("size", inner.0.len().to_string().as_bytes())])
        .raw(&header(b"outer", b'0').bytes());
    let entries = read(&outer.raw(&inner.0).end()).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].1, inner.0);

    refused(
        Tar::new().pax(&[("path", b"a")]).pax(&[("path", b"b")]).file("c", ""),
        "more than one PAX header",
    );
    let long = |name: &str| Tar::new().entry(header(b"l", b'L'), name.as_bytes());
    refused(long("a").pax(&[("path", b"b")]).file("c", ""), "both a GNU and a PAX name");
    refused(long("a").entry(header(b"l", b'L'), b"b").file("c", ""), "more than one GNU long name");
    refused(long("a"), "not followed by an entry");
    refused(Tar::new().entry(header(b"g", b'g'), b"9 path=a\n").file("c", ""), "global PAX header");
    refused(Tar::new().entry(header(b"d", b'5'), b"data"), "has data and is not a file");
    refused(Tar::new().entry(header(b"l", b'1').link(b"x"), b"data"), "has data and is not a file");
    refused(Tar::new().file("a", "").raw(&[0; 512]).file("b", ""), "data after the end");
    refused(Tar::new().file("a", "").raw(&[0; 1024]).file("b", ""), "data after the end");
    refused(Tar::new().entry(header(b"v", b'V'), b""), "unknown type");
    refused(Tar::new().entry(header(b"f/", b'0'), b"x"), "a directory's name");
    let mut broken = Tar::new().file("f", "");
    broken.0[0] ^= 1;
    refused(broken, "checksum");
    assert_eq!(
        read(&Tar::new().entry(header(b"g", b'g'), b"20 comment=whatever\n").file("c", "").end())
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn u09_sparse_maps_account_for_every_byte() {
    let sparse = |map: &str, size: &str, data: &[u8]| {
        Tar::new()
            .pax(&[
                ("GNU.sparse.map", map.as_bytes()),
                ("GNU.sparse.size", size.as_bytes()),
                ("GNU.sparse.numblocks", b"1"),
            ])
            .entry(header(b"s", b'0'), data)
    };
    let entries = read(&sparse("0,1,100,2", "200", b"abc").end()).unwrap();
    assert_eq!((entries[0].0.size, entries[0].0.sparse.clone().unwrap()), (200, vec![(0, 1), (100, 2)]));
    refused(sparse("0,1,100,2", "101", b"abc"), "outside its file");
    refused(sparse("100,2,0,1", "200", b"abc"), "out of order");
    refused(sparse("0,2,1,1", "200", b"abc"), "out of order");
    refused(sparse("0,1", "200", b"abc"), "accounts for");
    refused(sparse("0,18446744073709551615,5,3", "200", b"abc"), "outside its file");
    refused(sparse("0,1,2", "200", b"abc"), "odd number");
}

#[test]
fn long_names_and_types() {
    let name = "n".repeat(60) + "/" + &"m".repeat(120);
    let tar = Tar::new()
        .entry(header(b"l", b'L'), name.as_bytes())
        .file("cut", "1")
        .pax(&[("path", "p".repeat(200).as_bytes()), ("uid", b"3000000"), ("mtime", b"1.5")])
        .file("cut", "2")
        .entry(header(b"old/", 0), b"")
        .entry(header(b"fifo", b'6'), b"");
    let entries = read(&tar.end()).unwrap();
    assert_eq!(entries[0].0.path, name.as_bytes());
    assert_eq!((entries[1].0.uid, entries[1].0.mtime.nsec), (3_000_000, 500_000_000));
    assert_eq!((entries[2].0.kind, entries[3].0.kind), (Kind::Dir, Kind::Fifo));
}

/// Cut anywhere, a compressed stream gives an error and not a shorter layer; and it gives it, it does not wait.
#[test]
fn u16_truncation_is_noticed_at_every_byte() {
    let plain = Tar::new().file("f", "some text that does not compress to nothing").end();
    let mut zstd = vec![0; zstd_safe::compress_bound(plain.len())];
    let n = zstd_safe::compress(&mut zstd[..], &plain, 3).unwrap();
    zstd.truncate(n);
    for whole in [gzip(&plain), zstd] {
        for cut in 0..whole.len() {
            let mut out = Vec::new();
            let result = Decompress::new(&whole[..cut])
                .map_err(std::io::Error::from)
                .and_then(|mut d| d.read_to_end(&mut out));
            // A head too short to be recognised is plain bytes, which are not the layer either.
            assert!(result.is_err() || Digest::of(&out) != Digest::of(&plain), "cut at {cut}");
        }
    }
}

/// Whatever is flipped, the reader ends, and with entries or an error.
#[test]
fn flipped_bits_never_panic() {
    let image = Image::new(&[Tar::new()
        .pax(&[("path", b"pax/name"), ("SCHILY.xattr.user.a", b"b")])
        .file("f", "data")
        .dir("d")
        .symlink("l", "t")
        .entry(header(b"s", b'S'), b"")]);
    let whole = &image.layers[0].bytes;
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            let _ = read(&bytes);
        }
    }
}
