// SPDX-License-Identifier: Apache-2.0
//! PAX extended headers: `LENGTH KEY=VALUE\n` records, parsed to the byte.

use super::Time;
use crate::corrupt;
use crate::error::{Error, Result};

const RECORDS_MAX: usize = 10_000;

/// What one extended header says about the entry after it.
#[derive(Default)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Time>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: SparsePax,
}

#[derive(Default)]
pub(super) struct SparsePax {
    pub major: Option<u64>,
    pub minor: Option<u64>,
    pub name: Option<Vec<u8>>,
    /// What versions 0 call the file's length, and version 1.
    pub size: Option<u64>,
    pub real_size: Option<u64>,
    /// Format 0.1: the map as one comma-separated list.
    pub map: Option<Vec<u8>>,
    /// Format 0.0: offsets and lengths as they came.
    pub pairs: Vec<u64>,
    pub seen: bool,
}

impl Pax {
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self> {
        let mut pax = Pax::default();
        let mut count = 0;
        while !bytes.is_empty() {
            count += 1;
            if count > RECORDS_MAX {
                corrupt!("a PAX header has more than {RECORDS_MAX} records");
            }
            let (key, value, rest) = record(bytes)?;
            bytes = rest;
            pax.apply(key, value)?;
        }
        Ok(pax)
    }

    fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            if name.is_empty() || name.contains(&0) {
                corrupt!("a PAX header names an attribute badly");
            }
            self.xattrs.retain(|(n, _)| n != name);
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        if key.starts_with(b"GNU.sparse.") {
            return self.sparse.apply(&key[11..], value);
        }
        match key {
            // To POSIX the header's own value counts then; to Python and libarchive it is zero.
            b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"mtime" if value.is_empty() => {
                corrupt!("a PAX header has a record without a value")
            }
            b"path" => self.path = Some(text(value)?),
            b"linkpath" => self.link = Some(text(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            // Star's own sparse files: to libarchive this is the size, to others nothing.
            b"SCHILY.realsize" => corrupt!("a PAX header has star's record of a sparse file"),
            // Times nobody can set, names nobody looks up, vendors' own keys.
            _ => {}
        }
        Ok(())
    }

    /// A global header may say what no reader applies; GNU tar and Python apply the rest to each entry, Go and
    /// libarchive do not.
    pub(super) fn require_harmless(&self) -> Result<()> {
        let Pax { path, link, size, uid, gid, mtime, xattrs, sparse } = self;
        let names = path.is_some() || link.is_some() || size.is_some() || sparse.seen;
        if names || uid.is_some() || gid.is_some() || mtime.is_some() || !xattrs.is_empty() {
            corrupt!("a global PAX header gives more than a comment");
        }
        Ok(())
    }
}

impl SparsePax {
    fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.seen = true;
        match key {
            b"major" => self.major = Some(decimal(value)?),
            b"minor" => self.minor = Some(decimal(value)?),
            b"name" => self.name = Some(text(value)?),
            b"realsize" => self.real_size = Some(decimal(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"map" => self.map = Some(value.to_vec()),
            b"offset" | b"numbytes" => self.pairs.push(decimal(value)?),
            b"numblocks" => {}
            _ => corrupt!("a PAX header has an unknown GNU.sparse record"),
        }
        Ok(())
    }
}

fn record(bytes: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let bad = || Error::corrupt("a PAX header has a malformed record");
    let space = bytes.iter().take(20).position(|b| *b == b' ').ok_or_else(bad)?;
    let len = usize::try_from(decimal(&bytes[..space])?).map_err(|_| bad())?;
    if len <= space + 1 || len > bytes.len() || bytes[len - 1] != b'\n' {
        return Err(bad());
    }
    let body = &bytes[space + 1..len - 1];
    let equals = body.iter().position(|b| *b == b'=').ok_or_else(bad)?;
    if equals == 0 {
        return Err(bad());
    }
    Ok((&body[..equals], &body[equals + 1..], &bytes[len..]))
}

fn text(value: &[u8]) -> Result<Vec<u8>> {
    if value.contains(&0) {
        corrupt!("a PAX header has a NUL in a name");
    }
    Ok(value.to_vec())
}

pub(super) fn decimal(value: &[u8]) -> Result<u64> {
    let bad = || Error::corrupt("a PAX header has a malformed number");
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(bad());
    }
    std::str::from_utf8(value).ok().and_then(|v| v.parse().ok()).ok_or_else(bad)
}

/// `[-]seconds[.fraction]`, the fraction cut at nanoseconds; a negative time rounds towards the past.
fn time(value: &[u8]) -> Result<Time> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |b| *b == b'.');
    let sec = decimal(parts.next().unwrap_or_default())?;
    let mut nsec = 0;
    if let Some(fraction) = parts.next() {
        if !fraction.iter().all(u8::is_ascii_digit) {
            corrupt!("a PAX header has a malformed time");
        }
        for i in 0..9 {
            nsec = nsec * 10 + u32::from(fraction.get(i).map_or(0, |b| b - b'0'));
        }
    }
    let sec = i64::try_from(sec).map_err(|_| Error::corrupt("a PAX header has a time out of range"))?;
    Ok(match (negative, nsec) {
        (false, _) => Time { sec, nsec },
        (true, 0) => Time { sec: -sec, nsec: 0 },
        (true, _) => Time { sec: -sec - 1, nsec: 1_000_000_000 - nsec },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_are_exact() {
        let pax =
            Pax::parse(b"12 path=a/b\n30 mtime=1350244992.023960108\n22 SCHILY.xattr.a=b\nc\n").unwrap();
        assert_eq!(pax.path.unwrap(), b"a/b");
        assert_eq!(pax.mtime.unwrap(), Time { sec: 1_350_244_992, nsec: 23_960_108 });
        assert_eq!(pax.xattrs, [(b"a".to_vec(), b"b\nc".to_vec())]);
        for bad in [
            &b"11 path=a/b\n"[..],
            b"13 path=a/b\n",
            b"path=a/b\n",
            b"7 path\n",
            b"6 =ab\n",
            b"99999999999999999999 path=a\n",
            b"10 path=\0\n\n",
            b"13 size=-0x1\n",
            b"9 size=1",
            b"3 a",
        ] {
            assert!(Pax::parse(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn times_before_1970() {
        assert_eq!(time(b"-1.5").unwrap(), Time { sec: -2, nsec: 500_000_000 });
        assert_eq!(time(b"-1").unwrap(), Time { sec: -1, nsec: 0 });
        assert!(time(b"1.x").is_err() && time(b"").is_err() && time(b".5").is_err());
    }
}
