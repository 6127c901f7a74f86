// SPDX-License-Identifier: Apache-2.0
//! The view as a tar: what `lade save tar:` writes and `lade import` stores.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, major, minor};

use super::{Dir, Node};
use crate::error::{Context, Error, Result};
use crate::sys::xattr;
use crate::tar::{Entry, Kind, Time, Writer};
use crate::unpack::stat_at;

type Links = HashMap<(usize, u64), Vec<u8>>;

/// Writes every entry of the view, in the order of their names: the same tree gives the same bytes.
pub fn export<W: Write>(dir: &Dir, out: &mut Writer<W>) -> Result<()> {
    export_dir(dir, out, b"", &mut Links::new())
}

fn export_dir<W: Write>(dir: &Dir, out: &mut Writer<W>, path: &[u8], links: &mut Links) -> Result<()> {
    let top = dir.top().ok_or_else(|| Error::new("there is nothing to export"))?;
    let stat = stat_at(top, b".")?.ok_or_else(|| Error::new("a directory vanished"))?;
    let mut entry = entry(top, b".", &stat, Kind::Dir)?;
    entry.path = if path.is_empty() { b"./".to_vec() } else { [path, b"/"].concat() };
    out.start(&entry)?;
    for name in dir.names()? {
        let here = if path.is_empty() { name.clone() } else { [path, b"/", name.as_slice()].concat() };
        match dir.child(&name)? {
            Node::Nothing => {}
            Node::Dir(sub) => export_dir(&sub, out, &here, links)?,
            Node::Leaf { layer, dir: from, stat } => {
                leaf(&from, &name, &stat, here.clone(), links.get(&(layer, stat.st_ino)), out)
                    .context(|| format!("unable to export {}", String::from_utf8_lossy(&here)))?;
                if stat.st_nlink > 1 {
                    links.entry((layer, stat.st_ino)).or_insert(here);
                }
            }
        }
    }
    Ok(())
}

fn leaf<W: Write>(
    from: &OwnedFd,
    name: &[u8],
    stat: &FileStat,
    path: Vec<u8>,
    first: Option<&Vec<u8>>,
    out: &mut Writer<W>,
) -> Result<()> {
    let kind = match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => Kind::File,
        SFlag::S_IFLNK => Kind::Symlink,
        SFlag::S_IFCHR => Kind::Char,
        SFlag::S_IFBLK => Kind::Block,
        SFlag::S_IFIFO => Kind::Fifo,
        // A socket is a process's, not an image's.
        _ => return Ok(()),
    };
    let mut entry = entry(from, name, stat, kind)?;
    entry.path = path;
    if let Some(first) = first {
        (entry.kind, entry.link, entry.xattrs) = (Kind::HardLink, first.clone(), Vec::new());
        return out.start(&entry);
    }
    if kind == Kind::Symlink {
        entry.link = readlinkat(from, name).context(|| "unable to read a symlink")?.into_vec();
    }
    if kind != Kind::File {
        return out.start(&entry);
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let file = File::from(openat(from, name, flags, Mode::empty()).context(|| "unable to open")?);
    out.start(&entry)?;
    out.data(file)
}

fn entry(dir: &OwnedFd, name: &[u8], stat: &FileStat, kind: Kind) -> Result<Entry> {
    let mut xattrs = Vec::new();
    for key in xattr::list_at(dir, name).context(|| "unable to list attributes")? {
        let wanted = key == b"security.capability"
            || key.starts_with(b"system.posix_acl_")
            || key.starts_with(b"user.") && !key.starts_with(b"user.overlay.");
        if wanted
            && let Some(value) = xattr::get_at(dir, name, &key).context(|| "unable to read an attribute")?
        {
            xattrs.push((key, value));
        }
    }
    let size = if kind == Kind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    let device = matches!(kind, Kind::Char | Kind::Block);
    Ok(Entry {
        path: Vec::new(),
        kind,
        link: Vec::new(),
        mode: stat.st_mode & 0o7777,
        uid: u64::from(stat.st_uid),
        gid: u64::from(stat.st_gid),
        mtime: Time { sec: stat.st_mtime, nsec: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) },
        major: if device { major(stat.st_rdev) } else { 0 },
        minor: if device { minor(stat.st_rdev) } else { 0 },
        size,
        xattrs,
        sparse: None,
    })
}
