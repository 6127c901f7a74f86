// SPDX-License-Identifier: Apache-2.0
//! One 512-byte header block: its checksum, its numbers, its names.

use super::{BLOCK, SparseMap};
use crate::corrupt;
use crate::error::{Error, Result};

#[derive(Clone)]
pub(super) struct Header {
    block: Box<[u8; BLOCK]>,
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    V7,
    Ustar,
    Gnu,
    Star,
}

impl Header {
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self> {
        let format = match (&block[257..265], &block[508..512]) {
            (b"ustar\x0000", b"tar\0") => Format::Star,
            (b"ustar\x0000", _) => Format::Ustar,
            (b"ustar  \0", _) => Format::Gnu,
            (magic, _) if magic.iter().all(|b| *b == 0) => Format::V7,
            _ => corrupt!("a tar header has no known magic"),
        };
        let header = Header { block: Box::new(*block), format };
        header.check_sum()?;
        header.check_numbers()?;
        Ok(header)
    }

    /// Of every header, also those nobody asks for: where one is malformed, Go and Python refuse or stop.
    fn check_numbers(&self) -> Result<()> {
        self.mode()?;
        self.uid()?;
        self.gid()?;
        self.size()?;
        self.mtime()?;
        self.device().map(drop)
    }

    fn check_sum(&self) -> Result<()> {
        let (mut unsigned, mut signed) = (0u32, 0i32);
        for (i, byte) in self.block.iter().enumerate() {
            let byte = if (148..156).contains(&i) { b' ' } else { *byte };
            unsigned += u32::from(byte);
            signed += i32::from(byte.cast_signed());
        }
        let want = octal(&self.block[148..156]).ok_or_else(|| bad("checksum"))?;
        // Some old writers summed signed bytes; every reader accepts both.
        if want == u64::from(unsigned) || i64::try_from(want) == Ok(i64::from(signed)) {
            return Ok(());
        }
        Err(Error::corrupt("the checksum of a tar header is wrong"))
    }

    pub(super) fn typeflag(&self) -> u8 {
        self.block[156]
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = until_nul(&self.block[..100]);
        let prefix = match self.format {
            Format::Ustar => until_nul(&self.block[345..500]),
            Format::Star => until_nul(&self.block[345..476]),
            Format::Gnu | Format::V7 => b"",
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        until_nul(&self.block[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32> {
        let mode = number(&self.block[100..108], "mode")?;
        // Some writers store the whole st_mode; the type bits say nothing here.
        Ok(u32::try_from(mode & 0o7777).unwrap_or(0))
    }

    pub(super) fn uid(&self) -> Result<u64> {
        number(&self.block[108..116], "uid")
    }

    pub(super) fn gid(&self) -> Result<u64> {
        number(&self.block[116..124], "gid")
    }

    pub(super) fn size(&self) -> Result<u64> {
        number(&self.block[124..136], "size")
    }

    /// The one number that may be negative: a time before 1970.
    pub(super) fn mtime(&self) -> Result<i64> {
        let field = &self.block[136..148];
        if field[0] == 0xff {
            let low = i64::from_be_bytes(field[4..12].try_into().map_err(|_| bad("mtime"))?);
            if field[..4] == [0xff; 4] && low < 0 {
                return Ok(low);
            }
            return Err(bad("mtime"));
        }
        i64::try_from(number(field, "mtime")?).map_err(|_| bad("mtime"))
    }

    pub(super) fn device(&self) -> Result<(u64, u64)> {
        if self.format == Format::V7 {
            return Ok((0, 0));
        }
        Ok((number(&self.block[329..337], "devmajor")?, number(&self.block[337..345], "devminor")?))
    }

    /// The old GNU sparse map: four pairs, whether more blocks of them follow, and the real size.
    pub(super) fn gnu_sparse(&self) -> Result<(SparseMap, bool, u64)> {
        let pairs = sparse_pairs(&self.block[386..482])?;
        Ok((pairs, self.block[482] != 0, number(&self.block[483..495], "real size")?))
    }
}

/// Pairs of 12-byte numbers, up to the first empty one.
pub(super) fn sparse_pairs(bytes: &[u8]) -> Result<SparseMap> {
    let mut pairs = Vec::new();
    for pair in bytes.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        pairs.push((number(&pair[..12], "sparse offset")?, number(&pair[12..], "sparse length")?));
    }
    Ok(pairs)
}

fn bad(what: &str) -> Error {
    Error::corrupt(format!("a tar header has a malformed {what}"))
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or(field)
}

/// Octal text, or base 256 when the top bit is set; never negative.
fn number(field: &[u8], what: &str) -> Result<u64> {
    if field[0] & 0x80 == 0 {
        return octal(field).ok_or_else(|| bad(what));
    }
    if field[0] != 0x80 {
        return Err(bad(what));
    }
    let digits = &field[1..];
    let (high, low) = digits.split_at(digits.len().saturating_sub(8));
    if high.iter().any(|b| *b != 0) {
        return Err(bad(what));
    }
    Ok(low.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
}

/// Leading spaces, digits, then nothing but spaces and NULs; an empty field is zero.
fn octal(field: &[u8]) -> Option<u64> {
    let text = field.trim_ascii_start();
    let digits = text.iter().take_while(|b| matches!(b, b'0'..=b'7')).count();
    if !text[digits..].iter().all(|b| matches!(b, b' ' | 0)) {
        return None;
    }
    text[..digits].iter().try_fold(0u64, |n, b| n.checked_mul(8)?.checked_add(u64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers() {
        for (field, want) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"77777777777\0", Some(0o77_777_777_777)),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", Some(256)),
            (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", Some(u64::MAX)),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x81\0\0\0\0\0\0\0", None),
            (b"000064x\0", None),
            (b"-000644\0", None),
            (b"00\x0044\0\0\0", None),
        ] {
            assert_eq!(number(field, "x").ok(), want, "{field:?}");
        }
    }
}
