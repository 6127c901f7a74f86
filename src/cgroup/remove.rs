// SPDX-License-Identifier: Apache-2.0
//! Removes a container's cgroups, with those that it has made below them. Kills nothing.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::dir::{open_at, open_child};
use super::{Cgroup, systemd};
use crate::error::{Result, While};
use crate::sys::fs::{CWD, O_DIRECTORY, O_RDONLY};
use crate::sys::{self, Errno};

/// A killed process leaves its cgroup a moment after it can be waited for.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

impl Cgroup {
    /// May be called again: what is gone is no error. Tries every hierarchy before it tells of a failure.
    pub fn remove(&self) -> Result<()> {
        self.stop_unit()?;
        let deadline = deadline();
        let mut outcome = Ok(());
        for dir in &self.dirs {
            let removed = tree(&dir.path(), deadline);
            let removed =
                removed.or_unable(|| format!("remove the cgroup {}", dir.path())).map_err(|error| {
                    let pids = dir.pids().unwrap_or_default();
                    if pids.is_empty() {
                        error
                    } else {
                        error.hint(format!("processes still in it: {pids:?}"))
                    }
                });
            outcome = outcome.and(removed);
        }
        outcome
    }

    /// systemd removes the cgroup of a unit that it stops, and forgets the unit. One without a cgroup has
    /// ended by itself.
    pub(super) fn stop_unit(&self) -> Result<()> {
        let (Some(unit), Some(dir)) = (&self.unit, self.of_systemd()) else { return Ok(()) };
        match dir.open("", O_RDONLY | O_DIRECTORY) {
            Err(Errno::ENOENT | Errno::ENODEV) => Ok(()),
            _ => {
                let cgroup = dir.below_mount().or_unable(|| format!("find the mount of {}", dir.path()))?;
                systemd::stop(unit, &cgroup)
            }
        }
    }
}

/// EBUSY when there is anything in it.
pub(super) fn empty(path: &str) -> sys::Result<()> {
    rmdir(CWD, &CString::new(path).map_err(|_| Errno::EINVAL)?)
}

/// One rmdir(2) for what has no cgroups below it and no processes.
pub(super) fn tree(path: &str, deadline: Instant) -> sys::Result<()> {
    let name = CString::new(path).map_err(|_| Errno::EINVAL)?;
    match rmdir(CWD, &name) {
        Err(Errno::EBUSY | Errno::ENOTEMPTY) => {}
        result => return result,
    }
    match open_at(CWD, path, O_RDONLY | O_DIRECTORY) {
        Err(Errno::ENOENT) => return Ok(()),
        top => children(top?, deadline)?,
    }
    rmdir_patiently(CWD, &name, deadline)
}

/// Everything below a directory, deepest first, with one descriptor and no recursion: a container may
/// have nested its own cgroups as deep as it likes.
fn children(top: OwnedFd, deadline: Instant) -> sys::Result<()> {
    let mut at = top;
    let mut below: Vec<CString> = Vec::new();
    loop {
        let mut busy = None;
        for child in sys::fs::subdirectories(at.as_fd())? {
            match rmdir(at.as_fd(), &child) {
                Err(Errno::EBUSY | Errno::ENOTEMPTY) => busy = Some(child),
                result => result?,
            }
        }
        if let Some(child) = busy {
            at = open_child(at.as_fd(), &child)?;
            below.push(child);
            continue;
        }
        let Some(child) = below.pop() else { return Ok(()) };
        at = sys::fs::openat(at.as_fd(), c"..", O_RDONLY | O_DIRECTORY, 0)?;
        rmdir_patiently(at.as_fd(), &child, deadline)?;
    }
}

fn rmdir_patiently(dir: BorrowedFd<'_>, name: &CStr, deadline: Instant) -> sys::Result<()> {
    let mut pause = Duration::from_millis(1);
    loop {
        match rmdir(dir, name) {
            Err(Errno::EBUSY) if Instant::now() < deadline => {}
            result => return result,
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn rmdir(dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<()> {
    match sys::fs::rmdirat(dir, name) {
        Err(Errno::ENOENT) => Ok(()),
        result => result,
    }
}
