// SPDX-License-Identifier: Apache-2.0
//! What a system call has given back.

use std::os::fd::{FromRawFd, OwnedFd};

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
    let fd = check(ret)? as i32;
    // SAFETY: the kernel has just given us this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
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
