// SPDX-License-Identifier: Apache-2.0
//! Writes tar: ustar where it fits, with a PAX header before the entry where it does not.

use std::io::{Read, Write};

use super::{BLOCK, Entry, Kind};
use crate::bail;
use crate::error::{Context, Result};

pub struct Writer<W: Write> {
    out: W,
    /// Bytes of data the current entry still expects.
    left: u64,
    padding: usize,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W) -> Self {
        Writer { out, left: 0, padding: 0 }
    }

    /// Starts an entry; `entry.size` bytes of data must follow for a file.
    pub fn start(&mut self, entry: &Entry) -> Result<()> {
        let size = if entry.kind == Kind::File { entry.size } else { 0 };
        let records = pax_records(entry, size);
        if !records.is_empty() {
            let mut header = block(b"pax", b'x', records.len() as u64);
            checksum(&mut header);
            self.put(&header)?;
            self.put(&records)?;
            self.put(&[0; BLOCK][..pad(records.len() as u64)])?;
        }
        let mut header = block(&entry.path, typeflag(entry.kind), size);
        field(&mut header[100..108], u64::from(entry.mode));
        field(&mut header[108..116], entry.uid);
        field(&mut header[116..124], entry.gid);
        field(&mut header[136..148], u64::try_from(entry.mtime.sec).unwrap_or(0));
        copy(&mut header[157..257], &entry.link);
        field(&mut header[329..337], entry.major);
        field(&mut header[337..345], entry.minor);
        checksum(&mut header);
        self.put(&header)?;
        (self.left, self.padding) = (size, pad(size));
        Ok(())
    }

    pub fn data(&mut self, from: impl Read) -> Result<()> {
        let copied = std::io::copy(&mut from.take(self.left), &mut self.out)
            .context(|| "unable to write the archive")?;
        self.left -= copied;
        if self.left != 0 {
            bail!("a file became shorter while it was archived");
        }
        self.put(&[0; BLOCK][..self.padding])
    }

    pub fn finish(mut self) -> Result<W> {
        self.put(&[0; 2 * BLOCK])?;
        self.out.flush().context(|| "unable to write the archive")?;
        Ok(self.out)
    }

    /// A small file, whole.
    pub fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.start(&plain(path, bytes.len() as u64))?;
        self.data(bytes)
    }

    /// A file of known length from a reader.
    pub fn stream(&mut self, path: &str, size: u64, from: impl Read) -> Result<()> {
        self.start(&plain(path, size))?;
        self.data(from)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).context(|| "unable to write the archive")
    }
}

fn plain(path: &str, size: u64) -> Entry {
    Entry {
        path: path.as_bytes().to_vec(),
        kind: Kind::File,
        link: Vec::new(),
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: super::Time::default(),
        major: 0,
        minor: 0,
        size,
        xattrs: Vec::new(),
        sparse: None,
    }
}

fn typeflag(kind: Kind) -> u8 {
    match kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::Char => b'3',
        Kind::Block => b'4',
        Kind::Dir => b'5',
        Kind::Fifo => b'6',
    }
}

fn pad(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

fn block(path: &[u8], typeflag: u8, size: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    copy(&mut header[..100], path);
    header[156] = typeflag;
    field(&mut header[124..136], size);
    header[257..265].copy_from_slice(b"ustar\x0000");
    header
}

fn copy(to: &mut [u8], from: &[u8]) {
    let n = to.len().min(from.len());
    to[..n].copy_from_slice(&from[..n]);
}

/// Octal with a NUL at the end; what does not fit is zero here and exact in the PAX header.
fn field(to: &mut [u8], value: u64) {
    let digits = to.len() - 1;
    let text = format!("{value:0digits$o}");
    let text = if text.len() > digits { "0".repeat(digits) } else { text };
    to[..digits].copy_from_slice(text.as_bytes());
}

fn checksum(header: &mut [u8; BLOCK]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn pax_records(entry: &Entry, size: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if entry.path.len() > 100 {
        record(&mut out, b"path", &entry.path);
    }
    if entry.link.len() > 100 {
        record(&mut out, b"linkpath", &entry.link);
    }
    if size >= 1 << 33 {
        record(&mut out, b"size", size.to_string().as_bytes());
    }
    for (key, id) in [(&b"uid"[..], entry.uid), (b"gid", entry.gid)] {
        if id >= 1 << 21 {
            record(&mut out, key, id.to_string().as_bytes());
        }
    }
    let time = entry.mtime;
    if time.nsec != 0 || time.sec < 0 || time.sec >= 1 << 33 {
        // A negative time with a fraction counts down from zero: -2 s + 0.5e9 ns is -1.5.
        let text = match (time.sec < 0, time.nsec) {
            (true, n) if n != 0 => format!("-{}.{:09}", -(time.sec + 1), 1_000_000_000 - n),
            (_, n) => format!("{}.{n:09}", time.sec),
        };
        record(&mut out, b"mtime", text.as_bytes());
    }
    for (key, value) in &entry.xattrs {
        record(&mut out, &[b"SCHILY.xattr.", key.as_slice()].concat(), value);
    }
    out
}

/// The length counts its own digits.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let body = key.len() + value.len() + 3;
    let mut len = body + 1;
    while len != body + len.to_string().len() {
        len = body + len.to_string().len();
    }
    out.extend_from_slice(format!("{len} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}
