// SPDX-License-Identifier: Apache-2.0
//! One node, copied with everything it has: data (holes stay holes, blocks are shared where they can be), owner, mode,
//! attributes, times.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, copy_file_range, openat, readlinkat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, Whence, fchownat, ftruncate, geteuid, lseek, symlinkat};

use crate::error::{Context, Result};
use crate::sys::{reflink, xattr};

/// Copies the leaf `name` of `from` (not a directory) to `to`/`as_name`, which must not exist.
pub fn clone_node(from: &OwnedFd, name: &[u8], stat: &FileStat, to: &OwnedFd, as_name: &[u8]) -> Result<()> {
    let what = || format!("unable to copy {}", String::from_utf8_lossy(name));
    let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    match kind {
        SFlag::S_IFREG => {
            let read = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let source = openat(from, name, read, Mode::empty()).context(what)?;
            let write =
                OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let target = openat(to, as_name, write, Mode::S_IRUSR | Mode::S_IWUSR).context(what)?;
            copy_data(source.into(), target.into(), u64::try_from(stat.st_size).unwrap_or(0))
                .context(what)?;
        }
        SFlag::S_IFLNK => {
            let target = readlinkat(from, name).context(what)?;
            symlinkat(target.as_os_str(), to, as_name).context(what)?;
        }
        _ => mknodat(to, as_name, kind, Mode::S_IRUSR, stat.st_rdev).context(what)?,
    }
    clone_meta(from, name, stat, to, as_name).context(what)
}

/// Gives `to`/`as_name` the owner, mode, attributes and times of `from`/`name`.
pub fn clone_meta(from: &OwnedFd, name: &[u8], stat: &FileStat, to: &OwnedFd, as_name: &[u8]) -> Result<()> {
    if geteuid().is_root() {
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        fchownat(to, as_name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
            .context(|| "unable to set an owner")?;
    }
    if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFLNK.bits() {
        let mode = Mode::from_bits_truncate(stat.st_mode & 0o7777);
        // The name is not a symlink: it was made here. (fchmodat cannot be told so before Linux 6.6.)
        fchmodat(to, as_name, mode, FchmodatFlags::FollowSymlink).context(|| "unable to set a mode")?;
    }
    for key in xattr::list_at(from, name).context(|| "unable to list attributes")? {
        if is_overlay(&key) {
            continue;
        }
        let Some(value) = xattr::get_at(from, name, &key).context(|| "unable to read an attribute")? else {
            continue;
        };
        match xattr::set_at(to, as_name, &key, &value).map_err(|e| e.raw_os_error()) {
            Ok(()) | Err(Some(libc::EOPNOTSUPP)) => {}
            // Labels are the host's to give; a process without privilege cannot copy them.
            Err(Some(libc::EPERM)) if !key.starts_with(b"user.") => {}
            Err(errno) => {
                return Err(Errno::from_raw(errno.unwrap_or(libc::EIO)))
                    .context(|| format!("unable to set the attribute {}", String::from_utf8_lossy(&key)));
            }
        }
    }
    let mtime = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
    utimensat(to, as_name, &mtime, &mtime, UtimensatFlags::NoFollowSymlink).context(|| "unable to set a time")
}

fn is_overlay(key: &[u8]) -> bool {
    key.starts_with(b"trusted.overlay.") || key.starts_with(b"user.overlay.")
}

fn copy_data(mut from: File, mut to: File, size: u64) -> Result<()> {
    if reflink(&from, &to).is_ok() {
        return Ok(());
    }
    ftruncate(&to, i64::try_from(size).unwrap_or(0)).context(|| "unable to set a length")?;
    let mut end = 0;
    loop {
        let start = match lseek(&from, end, Whence::SeekData) {
            Ok(start) => start,
            Err(Errno::ENXIO) => return Ok(()),
            Err(e) => return Err(e).context(|| "unable to find data"),
        };
        end = lseek(&from, start, Whence::SeekHole).context(|| "unable to find a hole")?;
        copy_range(&mut from, &mut to, start, end)?;
    }
}

fn copy_range(from: &mut File, to: &mut File, start: i64, end: i64) -> Result<()> {
    let at = SeekFrom::Start(u64::try_from(start).unwrap_or(0));
    from.seek(at).and_then(|_| to.seek(at)).context(|| "unable to seek")?;
    let mut left = usize::try_from(end - start).unwrap_or(0);
    while left > 0 {
        match copy_file_range(&*from, None, &*to, None, left) {
            Ok(0) => return Ok(()),
            Ok(n) => left -= n,
            Err(Errno::EXDEV | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
                let mut rest = std::io::Read::take(&*from, left as u64);
                return std::io::copy(&mut rest, to).map(drop).context(|| "unable to copy data");
            }
            Err(e) => return Err(e).context(|| "unable to copy data"),
        }
    }
    Ok(())
}
