// SPDX-License-Identifier: Apache-2.0
//! The only unsafe code of tare: one thin function a system call.
//!
//! Runs in every process, also between clone and exec: nothing here allocates unless it returns a
//! `String` or a `Vec`, nothing locks, prints or formats. Paths come as `&CStr`, descriptors as
//! `BorrowedFd`, and every new descriptor is close-on-exec. May name: libc, nix.
#![allow(unsafe_code)]
#![expect(clippy::undocumented_unsafe_blocks, reason = "one Safety section for the module, as below")]
//!
//! # Safety
//! Every block here makes one system call with arguments that outlive it: pointers come from
//! references or `CStr`s held across the call, lengths from the same slices, descriptors from
//! `BorrowedFd`. A block that needs more than that says so beside it.

pub mod close;
pub mod cred;
pub mod device;
pub mod entry;
pub mod fs;
pub mod keyring;
pub mod mount;
pub mod net;
pub mod netlink;
pub mod process;
pub mod signal;
pub mod socket;
pub mod tty;

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

pub use nix::errno::Errno;

/// strerror(3)'s words, which clients know, where nix has others; as `&'static str`, for init.
pub fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::EIO => "Input/output error",
        Errno::EBADF => "Bad file descriptor",
        Errno::EAGAIN => "Resource temporarily unavailable",
        Errno::ENOMEM => "Cannot allocate memory",
        Errno::EXDEV => "Invalid cross-device link",
        Errno::ENFILE => "Too many open files in system",
        Errno::ENOTTY => "Inappropriate ioctl for device",
        Errno::EDOM => "Numerical argument out of domain",
        Errno::ERANGE => "Numerical result out of range",
        Errno::EDEADLK => "Resource deadlock avoided",
        Errno::ENOLCK => "No locks available",
        Errno::ELOOP => "Too many levels of symbolic links",
        Errno::EBADMSG => "Bad message",
        Errno::EOPNOTSUPP => "Operation not supported",
        Errno::EILSEQ => "Invalid or incomplete multibyte or wide character",
        Errno::ENETRESET => "Network dropped connection on reset",
        Errno::EDQUOT => "Disk quota exceeded",
        errno => errno.desc(),
    }
}

pub type Result<T> = std::result::Result<T, Errno>;

/// Turns the -1 of a libc call into the errno it left.
fn check(ret: libc::c_long) -> Result<libc::c_long> {
    if ret == -1 { Err(Errno::last()) } else { Ok(ret) }
}

fn check_unit(ret: libc::c_long) -> Result<()> {
    check(ret).map(drop)
}

/// Owns the descriptor that a call has just made.
fn owned(ret: libc::c_long) -> Result<OwnedFd> {
    check(ret).map(own)
}

fn own(fd: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just given us this descriptor; nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// A call that an old kernel or an outer filter may not know: after one ENOSYS this process, and what it clones
/// afterwards, makes it no more.
struct Newer(AtomicBool);

impl Newer {
    const fn new() -> Newer {
        Newer(AtomicBool::new(false))
    }

    fn ask(&self, call: impl FnOnce() -> libc::c_long) -> Result<libc::c_long> {
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
fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
