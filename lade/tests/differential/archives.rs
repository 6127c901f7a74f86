// SPDX-License-Identifier: Apache-2.0
//! Archives at random, from a seed: with the headers on which readers have differed, and broken in their fields and blocks.

use crate::support::image::{Tar, checksum, header};

/// xorshift64*
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

const NAMES: [&str; 9] =
    ["a", "d/b", "./c", "d", "with space", "caf\u{e9}", "d/./e", "a-name-with-digits-0123456789", "x.wh.y"];
const VALUES: [&str; 12] =
    ["0", "7", "1000", "3000000", "1.5", "-1", "", "00012", "9223372036854775807", "1e3", " 5", "0x10"];
const KEYS: [&str; 14] = [
    "path",
    "linkpath",
    "size",
    "uid",
    "gid",
    "mtime",
    "atime",
    "comment",
    "SCHILY.xattr.user.x",
    "SCHILY.realsize",
    "GNU.sparse.name",
    "GNU.sparse.realsize",
    "hdrcharset",
    "uname",
];

fn record(random: &mut Random) -> (&'static str, Vec<u8>) {
    let key = random.of(&KEYS);
    let value = match key {
        "path" | "linkpath" | "comment" | "uname" | "GNU.sparse.name" => random.of(&NAMES),
        "hdrcharset" => random.of(&["BINARY", "ISO-IR 10646 2000 UTF-8"]),
        _ => random.of(&VALUES),
    };
    (key, value.as_bytes().to_vec())
}

pub(super) fn archive(random: &mut Random) -> Vec<u8> {
    let mut tar = Tar::new();
    for _ in 0..=random.below(4) {
        let records: Vec<_> = (0..=random.below(2)).map(|_| record(random)).collect();
        let records: Vec<(&str, &[u8])> = records.iter().map(|(k, v)| (*k, v.as_slice())).collect();
        tar = match random.below(12) {
            0..=3 => tar.pax(&records),
            4 => tar.entry(header(b"long", b'L'), b"d/a name that came before it\0"),
            5 => tar.entry(header(b"long", b'K'), b"a target that came before it\0"),
            6..=8 => {
                let body = Tar::new().pax(&records).0;
                let mut global: [u8; 512] = body[..512].try_into().unwrap();
                global[156] = b'g';
                checksum(&mut global);
                tar.raw(&global).raw(&body[512..])
            }
            _ => tar,
        };
        let kind = *random.of(&[b"0", b"0", b"0", b"\0", b"5", b"2", b"1", b"3", b"6", b"7", b"S", b"V"]);
        let mut name = random.of(&NAMES).to_owned();
        name += random.of(&["", "", "", "/"]);
        let mut head = header(name.as_bytes(), kind[0]).mode(0o100_644).owner(7, 8);
        if matches!(kind[0], b'1' | b'2') {
            head = head.link(random.of(&NAMES).as_bytes());
        }
        let data = vec![b'x'; *random.of(&[&0usize, &3, &512, &700])];
        tar = tar.entry(head, if matches!(kind[0], b'0' | 0 | b'7') { &data } else { b"" });
    }
    tar.end()
}

/// What a field may hold, rightly or not.
const FIELDS: [&[u8]; 13] = [
    b"\0\0\0\0\0\0\0\0\0\0\0\0",
    b"00000001750\0",
    b"1750\x00777 7  ",
    b"        17 \0",
    b"\x80\0\0\0\0\0\0\0\0\0\x02\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"-0000000017\0",
    b"ustar  \0    ",
    b"ustar\x0000    ",
    b"0x17\0\0\0\0\0\0\0\0",
    b"prefix\0\0\0\0\0\0",
    b"5xgL10\0\0\0\0\0\0",
    b"777777777777",
];

/// One header of it in another way: a field, the magic, the type; or blocks that are too many or too few.
pub(super) fn broken(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let blocks = bytes.len() / 512;
    let at = random.below(blocks) * 512;
    let fields: [(usize, usize); 11] = [
        (0, 100),
        (100, 8),
        (108, 8),
        (116, 8),
        (124, 12),
        (136, 12),
        (156, 1),
        (157, 100),
        (257, 8),
        (329, 16),
        (345, 155),
    ];
    match random.below(8) {
        0 => bytes.truncate(at + random.below(512)),
        1 => drop(bytes.splice(at..at, [0; 512])),
        2 => bytes.extend_from_within(at..at + 512),
        3 => drop(bytes.drain(at..at + 512)),
        _ => {
            let (start, len) = fields[random.below(fields.len())];
            let new = random.of(&FIELDS);
            let len = len.min(new.len());
            bytes[at + start..at + start + len].copy_from_slice(&new[..len]);
            let mut block: [u8; 512] = bytes[at..at + 512].try_into().unwrap();
            checksum(&mut block);
            bytes[at..at + 512].copy_from_slice(&block);
        }
    }
    bytes
}
