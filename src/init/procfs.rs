// SPDX-License-Identifier: Apache-2.0
//! A procfs of our own for every write that matters: no mount, link or race of the container's can
//! put another file in its place (CVE-2019-16884, CVE-2025-52881).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Done, Init};
use crate::sys::fs::{self, O_WRONLY, Resolve};
use crate::sys::mount::{self, ATTR_NODEV, ATTR_NOEXEC, ATTR_NOSUID, Depth};
use crate::sys::{Errno, Result};

impl Init<'_> {
    /// `file` is below /proc.
    pub(super) fn write_sysctl(&mut self, file: &CStr, value: &CStr) -> Done {
        let file = fs::openat2(self.procfs()?, file, O_WRONLY, 0, Resolve::Beneath)?;
        Ok(fs::write_all(file.as_fd(), value.to_bytes())?)
    }

    pub(super) fn procfs(&mut self) -> Result<BorrowedFd<'_>> {
        if self.proc.is_none() {
            self.proc = Some(private_procfs()?);
        }
        self.proc.as_ref().map(AsFd::as_fd).ok_or(Errno::EBADF)
    }
}

/// New and attached nowhere; where that cannot be, a copy of the host's, which is still in view.
fn private_procfs() -> Result<OwnedFd> {
    let made = mount::fsopen(c"proc").and_then(|context| {
        mount::fsconfig_create(context.as_fd())?;
        mount::fsmount(context.as_fd(), ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)
    });
    let proc = match made {
        Ok(proc) => proc,
        Err(_) => match mount::clone_tree(fs::CWD, c"/proc", Depth::One) {
            Ok(proc) => proc,
            Err(_) => fs::open(c"/proc", fs::O_PATH | fs::O_DIRECTORY)?,
        },
    };
    // The root of a procfs has inode 1.
    let real = fs::filesystem_magic(proc.as_fd())? == fs::PROC_MAGIC && fs::fstat(proc.as_fd())?.inode == 1;
    if real { Ok(proc) } else { Err(Errno::EXDEV) }
}
