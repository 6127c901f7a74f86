// SPDX-License-Identifier: Apache-2.0
//! The same mounts by mount(2), where it is one call for many; and for kernels and outer filters without
//! the new API (before 5.2, 5.12).
//!
//! A target is still a descriptor: a directory becomes the working directory, a file is named
//! through /proc/self/fd of the host's procfs, which is there until the root is switched.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{Done, resolve};
use crate::step::{BindMount, FsMount};
use crate::sys::fs::{self, S_IFDIR};
use crate::sys::mount::{
    self, ATTR_NOATIME, ATTR_NODEV, ATTR_NODIRATIME, ATTR_NOEXEC, ATTR_NOSUID, ATTR_NOSYMFOLLOW, ATTR_RDONLY,
    ATTR_STRICTATIME, Attr, Depth,
};
use crate::sys::{Errno, Result};

/// Room for "/proc/self/fd/" and a number.
pub(super) struct FdPath([u8; 32]);

impl FdPath {
    pub(super) fn of(fd: BorrowedFd<'_>) -> FdPath {
        const PREFIX: &[u8] = b"/proc/self/fd/";
        let mut bytes = [0; 32];
        bytes[..PREFIX.len()].copy_from_slice(PREFIX);
        let mut number = fd.as_raw_fd();
        let digits = (1..10).take_while(|n| number >= 10_i32.pow(*n)).count() + 1;
        for place in (0..digits).rev() {
            bytes[PREFIX.len() + place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        FdPath(bytes)
    }

    pub(super) fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

/// Since Linux 5.10; libc has it not.
const MS_NOSYMFOLLOW: u64 = 0x100;

fn flags(attrs: u64) -> u64 {
    [
        (ATTR_RDONLY, libc::MS_RDONLY),
        (ATTR_NOSUID, libc::MS_NOSUID),
        (ATTR_NODEV, libc::MS_NODEV),
        (ATTR_NOEXEC, libc::MS_NOEXEC),
        (ATTR_NOATIME, libc::MS_NOATIME),
        (ATTR_STRICTATIME, libc::MS_STRICTATIME),
        (ATTR_NODIRATIME, libc::MS_NODIRATIME),
        (ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW),
    ]
    .iter()
    .filter(|(attr, _)| attrs & attr != 0)
    .fold(0, |flags, (_, flag)| flags | flag)
}

pub(super) fn propagation(path: &CStr, propagation: u64, depth: Depth) -> Result<()> {
    let depth = if depth == Depth::Tree { libc::MS_REC } else { 0 };
    mount::mount(None, path, None, propagation | depth, None)
}

pub(super) fn filesystem(mount: &FsMount, target: BorrowedFd<'_>) -> Result<()> {
    fs::fchdir(target)?;
    filesystem_at(mount, c".")
}

/// On a name in the working directory that is known to be no link.
pub(super) fn filesystem_at(mount: &FsMount, name: &CStr) -> Result<()> {
    let data = Some(mount.data.as_c_str()).filter(|data| !data.is_empty());
    let flags = flags(mount.attrs) | mount.superblock;
    mount::mount(Some(&mount.source), name, Some(&mount.kind), flags, data)
}

/// Flags and options of the filesystem that is mounted there already.
pub(super) fn remount_filesystem(mount: &FsMount, target: BorrowedFd<'_>) -> Result<()> {
    fs::fchdir(target)?;
    let data = Some(mount.data.as_c_str()).filter(|data| !data.is_empty());
    let flags = libc::MS_REMOUNT | flags(mount.attrs) | mount.superblock;
    mount::mount(Some(&mount.source), c".", Some(&mount.kind), flags, data)
}

/// The mount that is on a directory which was opened before it.
pub(super) fn bind_over_itself(place: BorrowedFd<'_>) -> Result<OwnedFd> {
    fs::fchdir(place)?;
    mount::mount(Some(c"."), c".", None, libc::MS_BIND | libc::MS_REC, None)?;
    let path = FdPath::of(place);
    let mut buffer = [0; 4096];
    fs::readlinkat(fs::CWD, path.path(), &mut buffer[..4095])?;
    // The link's words name the directory as this namespace sees it; opened anew, it is the new mount.
    let again = CStr::from_bytes_until_nul(&buffer).map_err(|_| Errno::ENAMETOOLONG)?;
    fs::chdir(c"/")?;
    fs::open(again, fs::O_PATH | fs::O_DIRECTORY)
}

/// A remount names all flags, so the mount's own are kept.
pub(super) fn remount(target: BorrowedFd<'_>, attr: &Attr) -> Result<()> {
    let now = fs::mount_flags(target)?;
    let kept =
        now & (libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY) & !flags(attr.clear);
    let flags = libc::MS_REMOUNT | libc::MS_BIND | kept | flags(attr.set);
    mount::mount(None, FdPath::of(target).path(), None, flags, None)
}

pub(super) fn bind(root: BorrowedFd<'_>, bind: &BindMount, source: &CStr) -> Done {
    if bind.tree_attr != Attr::default() {
        // Attributes of a whole tree are what only mount_setattr can do (Linux 5.12).
        return Err(Errno::ENOSYS.into());
    }
    let opened = fs::open(source, fs::O_PATH)?;
    resolve::procfs_on_proc(bind, opened.as_fd())?;
    let directory = fs::fstat(opened.as_fd())?.is(S_IFDIR);
    let target = if directory {
        resolve::target_dir(root, &bind.target)?
    } else {
        resolve::target_file(root, &bind.target)?
    };
    let depth = if bind.depth == Depth::Tree { libc::MS_REC } else { 0 };
    let (from, to) = (FdPath::of(opened.as_fd()), FdPath::of(target.as_fd()));
    mount::mount(Some(from.path()), to.path(), None, libc::MS_BIND | depth, None)?;
    let made = resolve::target(root, &bind.target)?;
    if bind.attr != Attr::default() {
        remount(made.as_fd(), &bind.attr)?;
    }
    let (flag, depth) = bind.propagation;
    Ok(propagation(FdPath::of(made.as_fd()).path(), flag, depth)?)
}
