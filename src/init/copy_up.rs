// SPDX-License-Identifier: Apache-2.0
//! `tmpcopyup`: what a tmpfs will cover is copied into it first.
//!
//! By descriptors all the way, links as links, and no deeper than any sane tree: the image wrote it.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::fs::{
    self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_WRONLY, S_IFDIR, S_IFLNK,
    S_IFREG, Stat,
};
use crate::sys::{Errno, Result};

const DEEPEST: usize = 64;

pub(super) fn tree(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    // What is there to be read is opened anew: a target is held by O_PATH.
    let from = fs::openat(from, c".", O_RDONLY | O_DIRECTORY, 0)?;
    directory(from.as_fd(), to, 0)
}

fn directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> Result<()> {
    if depth == DEEPEST {
        return Err(Errno::ELOOP);
    }
    let mut buffer = [0; 2048];
    while let Some(names) = fs::names(from, &mut buffer)? {
        for name in names {
            entry(from, to, name, depth)?;
        }
    }
    Ok(())
}

fn entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
    let stat = fs::lstatat(from, name)?;
    let mode = stat.mode & 0o7777;
    if stat.is(S_IFDIR) {
        fs::mkdirat(to, name, mode)?;
        let inner = fs::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)?;
        let made = fs::openat(to, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0)?;
        directory(inner.as_fd(), made.as_fd(), depth + 1)?;
    } else if stat.is(S_IFREG) {
        let source = fs::openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0)?;
        let made = fs::openat(to, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, mode)?;
        while fs::sendfile(made.as_fd(), &source, 1 << 30)? > 0 {}
    } else if stat.is(S_IFLNK) {
        let mut target = [0; 4097];
        let n = fs::readlinkat(from, name, &mut target[..4096])?.len();
        let target = CStr::from_bytes_with_nul(&target[..=n]).map_err(|_| Errno::EINVAL)?;
        fs::symlinkat(target, to, name)?;
    } else {
        fs::mknodat(to, name, stat.mode, stat.rdev)?;
    }
    own(to, name, &stat)
}

fn own(to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<()> {
    let made = fs::openat(to, name, O_PATH | O_NOFOLLOW, 0)?;
    fs::fchown(made.as_fd(), Some(stat.uid), Some(stat.gid))?;
    if stat.is(S_IFLNK) { Ok(()) } else { fs::chmodat(to, name, stat.mode & 0o7777) }
}
