// SPDX-License-Identifier: Apache-2.0
//! The session keyring of a container.

use std::ffi::CStr;

use super::{Result, check};

/// Joins the session keyring of this name, making it if need be.
pub fn join_session(name: &CStr) -> Result<i32> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })
        .map(|id| id as i32)
}

/// Lets the user's other processes search the keyring: a process that joins it by name needs that.
pub fn allow_search(keyring: i32) -> Result<()> {
    const KEYCTL_SETPERM: i32 = 5;
    const KEY_POS_ALL: u32 = 0x3f00_0000;
    const KEY_USR_VIEW_READ_SEARCH: u32 = 0x000b_0000;
    let mode = KEY_POS_ALL | KEY_USR_VIEW_READ_SEARCH;
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_SETPERM, keyring, mode) }).map(drop)
}
