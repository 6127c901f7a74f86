// SPDX-License-Identifier: Apache-2.0
//! One directory of a cgroup filesystem, by its absolute path on the host: nothing of a container's is in
//! that path, and every file is opened without following a link.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::fs::{CGROUP1_MAGIC, CGROUP2_MAGIC, CWD, O_DIRECTORY, O_RDONLY, O_WRONLY, Resolve};
use crate::sys::{self, Errno};

/// A file of the kernel with a line a process or a device; more would not be a cgroup's.
const FILE_LIMIT: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Dir {
    controllers: String,
    /// Where the hierarchy is mounted, or a directory of it.
    base: String,
    relative: String,
}

impl Dir {
    /// `relative` is clean and not empty.
    pub(super) fn new(controllers: &str, base: &str, relative: &str) -> Dir {
        Dir { controllers: controllers.to_owned(), base: base.to_owned(), relative: relative.to_owned() }
    }

    /// A path of another cgroup in it; it has no "..".
    pub(super) fn below(self, path: &str) -> Dir {
        Dir { relative: format!("{}/{path}", self.relative), ..self }
    }

    pub(super) fn controllers(&self) -> &str {
        &self.controllers
    }

    pub(super) fn is_unified(&self) -> bool {
        self.controllers.is_empty()
    }

    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|c| c == controller)
    }

    pub(super) fn relative(&self) -> &str {
        &self.relative
    }

    /// What of its path is below the cgroup of the unit, with a slash in front; nothing for that itself.
    pub(super) fn below_unit(&self, unit: &str) -> String {
        let below = self.relative.split_once(unit).map_or("", |(_, below)| below);
        below.to_owned()
    }

    /// Its path as systemd and /proc/PID/cgroup have it, wherever `relative` begins.
    pub(super) fn below_mount(&self) -> sys::Result<String> {
        let path = self.path();
        for (end, _) in path.match_indices('/').skip(1) {
            let dir = CString::new(&path[..end]).map_err(|_| Errno::EINVAL)?;
            if matches!(sys::fs::magic_of(&dir)?, CGROUP1_MAGIC | CGROUP2_MAGIC) {
                return Ok(path[end..].to_owned());
            }
        }
        Err(Errno::ENOENT)
    }

    pub(super) fn path(&self) -> String {
        self.sibling(&self.relative)
    }

    /// Another path in the same hierarchy; the empty one is its mount.
    pub(super) fn sibling(&self, relative: &str) -> String {
        format!("{}/{relative}", self.base)
    }

    /// A file in it, or with an empty name the directory itself.
    pub(super) fn open(&self, file: &str, flags: i32) -> sys::Result<OwnedFd> {
        open_at(CWD, &format!("{}/{file}", self.path()), flags)
    }

    pub(super) fn read(&self, file: &str) -> sys::Result<String> {
        read_at(CWD, &format!("{}/{file}", self.path()))
    }

    pub(super) fn write(&self, file: &str, value: &str) -> sys::Result<()> {
        write_at(CWD, &format!("{}/{file}", self.path()), value)
    }

    /// Calls `visit` with this directory and each one below it, parents first. One descriptor and no
    /// recursion, as a container may have nested its own cgroups as deep as it likes. What vanishes
    /// meanwhile is passed over.
    pub(super) fn walk(&self, visit: &mut dyn FnMut(BorrowedFd<'_>) -> sys::Result<()>) -> sys::Result<()> {
        let mut at = match self.open("", O_RDONLY | O_DIRECTORY) {
            Err(Errno::ENOENT | Errno::ENODEV) => return Ok(()),
            result => result?,
        };
        let mut pending: Vec<Vec<CString>> = Vec::new();
        loop {
            match visit(at.as_fd()).and_then(|()| sys::fs::subdirectories(at.as_fd())) {
                Ok(children) => pending.push(children),
                Err(Errno::ENOENT | Errno::ENODEV) => pending.push(Vec::new()),
                Err(e) => return Err(e),
            }
            at = loop {
                let Some(children) = pending.last_mut() else { return Ok(()) };
                let next = match children.pop() {
                    Some(child) => open_child(at.as_fd(), &child),
                    None => {
                        pending.pop();
                        if pending.is_empty() {
                            return Ok(());
                        }
                        at = sys::fs::openat(at.as_fd(), c"..", O_RDONLY | O_DIRECTORY, 0)?;
                        continue;
                    }
                };
                match next {
                    Err(Errno::ENOENT | Errno::ENODEV) => {}
                    result => break result?,
                }
            };
        }
    }
}

pub(super) fn open_child(dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<OwnedFd> {
    sys::fs::openat2(dir, name, O_RDONLY | O_DIRECTORY, 0, Resolve::Beneath)
}

pub(super) fn open_at(base: BorrowedFd<'_>, path: &str, flags: i32) -> sys::Result<OwnedFd> {
    let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
    sys::fs::openat2(base, &path, flags, 0, Resolve::NoLinks)
}

pub(super) fn read_at(base: BorrowedFd<'_>, path: &str) -> sys::Result<String> {
    let fd = open_at(base, path, O_RDONLY)?;
    let data = sys::fs::read_to_end(fd.as_fd(), FILE_LIMIT)?;
    Ok(String::from_utf8_lossy(&data).into_owned())
}

/// A value that fits into one page, as all do that can also be written: one read(2) brings it whole.
pub(super) fn value(path: &str) -> sys::Result<String> {
    let fd = open_at(CWD, path, O_RDONLY)?;
    let mut page = [0u8; 4096];
    let n = sys::fs::read(fd.as_fd(), &mut page)?;
    Ok(String::from_utf8_lossy(&page[..n]).trim().to_owned())
}

pub(super) fn write_at(base: BorrowedFd<'_>, path: &str, value: &str) -> sys::Result<()> {
    let fd = open_at(base, path, O_WRONLY)?;
    sys::fs::write(fd.as_fd(), value.as_bytes()).map(drop)
}
