// SPDX-License-Identifier: Apache-2.0
//! What a system call has given back.

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::Errno;

pub type Result<T> = std::result::Result<T, Errno>;

/// Turns the -1 of a libc call into the errno it left.
pub(super) fn check(ret: libc::c_long) -> Result<libc::c_long> {
    if ret == -1 { Err(Errno::last()) } else { Ok(ret) }
}

pub(super) fn check_unit(ret: libc::c_long) -> Result<()> {
    check(ret).map(drop)
}

/// Owns the descriptor that a call has just made.
pub(super) fn owned(ret: libc::c_long) -> Result<OwnedFd> {
    check(ret).map(own)
}

pub(super) fn own(fd: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just given us this descriptor; nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// A call that an old kernel or an outer filter may not know: after one ENOSYS this process, and what it clones
/// afterwards, makes it no more.
pub(super) struct Newer(AtomicBool);

impl Newer {
    pub(super) const fn new() -> Newer {
        Newer(AtomicBool::new(false))
    }

    pub(super) fn ask(&self, call: impl FnOnce() -> libc::c_long) -> Result<libc::c_long> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Errno::ENOSYS);
        }
        check(call()).inspect_err(|errno| {
            if *errno == Errno::ENOSYS {
                self.0.store(true, Ordering::Relaxed);
            }
        })
    }
}

/// Repeats a call that a signal interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
