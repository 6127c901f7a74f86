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

mod call;
pub mod close;
pub mod cred;
pub mod device;
pub mod entry;
pub mod fs;
pub mod keyring;
pub mod mount;
pub mod net;
pub mod netlink;
pub mod packet;
pub mod process;
pub mod signal;
pub mod socket;
pub mod tty;

pub use nix::errno::Errno;

pub use call::Result;
use call::{Newer, check, check_unit, own, owned, retry};

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

/// As the kernel numbers it.
pub fn number(errno: Errno) -> i32 {
    errno as i32
}
