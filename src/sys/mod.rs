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

pub use nix::errno::Errno;

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
    let fd = check(ret)? as i32;
    // SAFETY: the kernel has just given us this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
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
