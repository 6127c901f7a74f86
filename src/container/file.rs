// SPDX-License-Identifier: Apache-2.0
//! The files in a container's directory: read with suspicion, replaced whole.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::{Errno, cred, fs};

/// Why a file was not read.
pub(super) enum Refused {
    Errno(Errno),
    Because(String),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Refused {
        match errno {
            // What O_NOFOLLOW and RESOLVE_NO_SYMLINKS say of a link.
            Errno::ELOOP => Refused::Because("it is a symbolic link".into()),
            errno => Refused::Errno(errno),
        }
    }
}

/// Only a regular file of our own with one name, and of no more than `limit` bytes.
pub(super) fn read(dir: BorrowedFd<'_>, name: &CStr, limit: usize) -> Result<Vec<u8>, Refused> {
    // O_NONBLOCK: a fifo must not hold us up before it is found out.
    let flags = fs::O_RDONLY | fs::O_NOFOLLOW | fs::O_NONBLOCK | fs::O_NOCTTY;
    let file = fs::openat2(dir, name, flags, 0, fs::Resolve::Beneath)?;
    let stat = fs::fstat(file.as_fd())?;
    if !stat.is(fs::S_IFREG) {
        return Err(Refused::Because("it is not a regular file".into()));
    }
    if stat.uid != cred::effective_uid() {
        return Err(Refused::Because(format!("it belongs to user {}", stat.uid)));
    }
    // 0 when it has just been replaced.
    if stat.links > 1 {
        return Err(Refused::Because("it has more than one name (hard links)".into()));
    }
    if stat.size > limit as u64 {
        return Err(Refused::Because(format!("it has {} bytes, more than {limit}", stat.size)));
    }
    let mut data = vec![0; stat.size as usize];
    let mut length = 0;
    while length < data.len() {
        match fs::read(file.as_fd(), &mut data[length..])? {
            0 => break,
            n => length += n,
        }
    }
    data.truncate(length);
    Ok(data)
}

/// What takes a file's place next. The caller holds the lock: there is one of it.
pub(super) struct Pending(());

const PENDING: &CStr = c".new";

/// The file is the old one or the new one at any moment, whatever happens to us.
pub(super) fn replace(dir: BorrowedFd<'_>, name: &CStr, data: &[u8]) -> Result<(), Errno> {
    publish(dir, write(dir, data)?, name)
}

/// What is found under the temporary name was left by someone who was killed. Nothing is synced to disk: after a crash
/// of the machine no container lives that the state could tell of.
pub(super) fn write(dir: BorrowedFd<'_>, data: &[u8]) -> Result<Pending, Errno> {
    let flags = fs::O_WRONLY | fs::O_CREAT | fs::O_TRUNC | fs::O_NOFOLLOW;
    let file = fs::openat2(dir, PENDING, flags, 0o600, fs::Resolve::Beneath)?;
    match fs::write_all(file.as_fd(), data) {
        Ok(()) => Ok(Pending(())),
        Err(errno) => Err(discard(dir, errno)),
    }
}

pub(super) fn publish(dir: BorrowedFd<'_>, _: Pending, name: &CStr) -> Result<(), Errno> {
    fs::renameat(dir, PENDING, name).map_err(|errno| discard(dir, errno))
}

fn discard(dir: BorrowedFd<'_>, errno: Errno) -> Errno {
    let _ = fs::unlinkat(dir, PENDING);
    errno
}
