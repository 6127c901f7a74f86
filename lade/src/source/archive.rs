// SPDX-License-Identifier: Apache-2.0
//! A tar file used as a directory: scanned once, then read at random. A stream is spooled first.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::corrupt;
use crate::error::{Context, Error, Result};
use crate::tar::{Kind, Reader};
use crate::unpack::Decompress;

const ENTRIES_MAX: usize = 200_000;
const LINKS_MAX: usize = 8;

#[derive(Clone)]
enum Member {
    File { at: u64, size: u64 },
    Link(String),
}

pub struct Archive {
    file: File,
    members: HashMap<String, Member>,
}

impl Archive {
    /// Opens the tar at `path`; a compressed one is unpacked to `spool` first, where it vanishes when closed.
    pub fn open(path: &Path, spool: &Path) -> Result<Self> {
        let what = || format!("unable to open {}", path.display());
        let mut file = File::open(path).context(what)?;
        let mut head = [0; 512];
        let n = io::Read::take(&mut file, 512).read(&mut head).context(what)?;
        if n >= 262 && &head[257..262] == b"ustar" {
            file.seek(SeekFrom::Start(0)).context(what)?;
            return Archive::scan(file).context(|| format!("unable to read {}", path.display()));
        }
        file.seek(SeekFrom::Start(0)).context(what)?;
        Archive::spool(file, spool).context(|| format!("unable to read {}", path.display()))
    }

    /// Takes a stream, compressed or not.
    pub fn spool(from: impl Read, spool: &Path) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let what = || format!("unable to spool the archive in {}", spool.display());
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_TMPFILE).mode(0o600);
        let mut file = options.open(spool).context(what)?;
        let mut plain = Decompress::new(from)?;
        io::copy(&mut plain, &mut file).context(what)?;
        file.seek(SeekFrom::Start(0)).context(what)?;
        Archive::scan(file)
    }

    fn scan(file: File) -> Result<Self> {
        let mut members = HashMap::new();
        let reader = file.try_clone().context(|| "unable to duplicate a descriptor")?;
        let mut tar = Reader::seekable(reader);
        while let Some(entry) = tar.next_entry()? {
            if members.len() >= ENTRIES_MAX {
                corrupt!("the archive has more than {ENTRIES_MAX} entries");
            }
            let Ok(path) = String::from_utf8(entry.path) else { continue };
            let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
            let member = match entry.kind {
                Kind::File if entry.sparse.is_none() => Member::File { at: tar.position(), size: entry.size },
                Kind::Symlink => {
                    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
                    Member::Link(join(dir, &String::from_utf8_lossy(&entry.link))?)
                }
                Kind::HardLink => Member::Link(join("", &String::from_utf8_lossy(&entry.link))?),
                _ => continue,
            };
            // Which of two would be read depends on the reader.
            if members.insert(path.clone(), member).is_some() {
                corrupt!("the archive has two members called {path}");
            }
        }
        Ok(Archive { file, members })
    }

    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    fn member(&self, name: &str) -> Result<(u64, u64)> {
        let mut at = name;
        for _ in 0..LINKS_MAX {
            match self.members.get(at) {
                Some(Member::File { at, size }) => return Ok((*at, *size)),
                Some(Member::Link(target)) => at = target,
                None => return Err(Error::not_found(format!("the archive has no member {at}"))),
            }
        }
        corrupt!("the archive's member {name} is a loop of links")
    }

    pub fn size(&self, name: &str) -> Result<u64> {
        Ok(self.member(name)?.1)
    }

    pub fn open_at(&self, name: &str, from: u64) -> Result<MemberReader<'_>> {
        let (at, size) = self.member(name)?;
        let from = from.min(size);
        Ok(MemberReader { file: &self.file, at: at + from, left: size - from })
    }
}

/// A path of the archive relative to `dir`; it cannot leave the archive.
fn join(dir: &str, target: &str) -> Result<String> {
    let mut parts: Vec<&str> = dir.split('/').filter(|c| !c.is_empty()).collect();
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| Error::corrupt("a link of the archive leads out of it"))?;
            }
            other => parts.push(other),
        }
    }
    Ok(parts.join("/"))
}

pub struct MemberReader<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for MemberReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.file.read_at(&mut buf[..n], self.at)?;
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}
