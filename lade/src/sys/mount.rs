// SPDX-License-Identifier: Apache-2.0
//! An overlay mount by the new mount API: no option string, so no limit of one page and no escaping of ':' and ','.
//! Before Linux 6.5, which brought `lowerdir+`, by mount(2): there the directories go by descriptor, so that neither a
//! long name nor a ':' in one is a matter, and a page holds about two hundred of them.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
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

/// What mount(2) takes of options, the NUL included.
const OPTIONS_MAX: usize = 4096;

impl Overlay<'_> {
    pub fn mount(&self, target: &Path) -> io::Result<()> {
        match self.by_layers(target).map_err(|e| (e.raw_os_error(), e)) {
            // No `lowerdir+`, or no fsopen at all; and whatever else EINVAL says, mount(2) says it too.
            Err((Some(libc::EINVAL | libc::ENOSYS), _)) => self.by_options(target),
            other => other.map_err(|(_, e)| e),
        }
    }

    fn by_options(&self, target: &Path) -> io::Result<()> {
        let open = |dir: &Path| {
            let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            std::fs::OpenOptions::new().read(true).custom_flags(flags).open(dir)
        };
        let named = |dir: &File| format!("/proc/self/fd/{}", dir.as_raw_fd());
        let lower = self.lower.iter().map(|dir| open(dir)).collect::<io::Result<Vec<_>>>()?;
        let (upper, work) = (open(self.upper)?, open(self.work)?);
        let lowerdir = lower.iter().map(named).collect::<Vec<_>>().join(":");
        let mut options = format!("lowerdir={lowerdir},upperdir={},workdir={}", named(&upper), named(&work));
        if self.userxattr {
            options.push_str(",userxattr");
        }
        if options.len() >= OPTIONS_MAX {
            return Err(io::Error::from_raw_os_error(libc::E2BIG));
        }
        nix::mount::mount(
            Some("lade"),
            target,
            Some("overlay"),
            nix::mount::MsFlags::empty(),
            Some(options.as_str()),
        )?;
        Ok(())
    }

    fn by_layers(&self, target: &Path) -> io::Result<()> {
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
