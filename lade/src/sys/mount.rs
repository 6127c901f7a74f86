// SPDX-License-Identifier: Apache-2.0
//! An overlay mount by the new mount API: no option string, so no limit of one page and no escaping of ':' and ','.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::check;

pub struct Overlay<'a> {
    /// Top first.
    pub lower: Vec<&'a Path>,
    pub upper: &'a Path,
    pub work: &'a Path,
    /// Overlayfs keeps its own attributes in `user.` and not in `trusted.` (rootless).
    pub userxattr: bool,
}

const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSOPEN_CLOEXEC: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;

fn path(p: &Path) -> io::Result<CString> {
    CString::new(p.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn config(fs: &OwnedFd, command: u32, key: Option<&CStr>, value: Option<&CStr>) -> io::Result<()> {
    let key = key.map_or(std::ptr::null(), CStr::as_ptr);
    let value = value.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: key and value are NULL or NUL-terminated, and outlive the call.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, fs.as_raw_fd(), command, key, value, 0) })?;
    Ok(())
}

impl Overlay<'_> {
    /// Needs Linux 6.5 (`lowerdir+`); older kernels answer EINVAL.
    pub fn mount(&self, target: &Path) -> io::Result<()> {
        // SAFETY: the name is NUL-terminated.
        let fd = check(unsafe { libc::syscall(libc::SYS_fsopen, c"overlay".as_ptr(), FSOPEN_CLOEXEC) })?;
        // SAFETY: a fresh descriptor that nobody else owns.
        let fs = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) };
        let string = |key: &CStr, value: &CStr| config(&fs, FSCONFIG_SET_STRING, Some(key), Some(value));
        string(c"source", c"lade")?;
        for lower in &self.lower {
            string(c"lowerdir+", &path(lower)?)?;
        }
        string(c"upperdir", &path(self.upper)?)?;
        string(c"workdir", &path(self.work)?)?;
        if self.userxattr {
            config(&fs, FSCONFIG_SET_FLAG, Some(c"userxattr"), None)?;
        }
        config(&fs, FSCONFIG_CMD_CREATE, None, None)?;
        // SAFETY: takes a descriptor and integers.
        let mnt = check(unsafe { libc::syscall(libc::SYS_fsmount, fs.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })?;
        // SAFETY: a fresh descriptor that nobody else owns.
        let mnt = unsafe { OwnedFd::from_raw_fd(i32::try_from(mnt).unwrap_or(-1)) };
        let target = path(target)?;
        // SAFETY: both strings are NUL-terminated and outlive the call.
        check(unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                mnt.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_FDCWD,
                target.as_ptr(),
                MOVE_MOUNT_F_EMPTY_PATH,
            )
        })?;
        Ok(())
    }
}
