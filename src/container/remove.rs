// SPDX-License-Identifier: Apache-2.0
//! The end of a container: in one step it is gone for everybody, then what it leaves is removed.
//!
//! What is left bears a name that is no id, made from the id alone. So whoever comes after a `delete` that was
//! killed finds it, and two may remove it at once: all in it is to go.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

use super::{ContainerId, Locked, Store};
use crate::error::{Result, While};
use crate::sys::{Errno, fs};

/// `notify/` and a checkpoint's directories; ours are no deeper.
const DEEPEST: usize = 4;

impl Locked {
    /// Whoever waits for the lock finds out once this is dropped. After a failure it goes on where it was.
    pub fn remove(&self) -> Result<()> {
        let (root, leftover) = (self.root.as_fd(), leftover_name(&self.id));
        let mut moved = fs::renameat(root, &self.name, &leftover);
        if let Err(Errno::ENOTEMPTY | Errno::EEXIST) = moved {
            sweep(root, &leftover).or_unable(|| format!("remove what a deletion of {} left", self.id))?;
            moved = fs::renameat(root, &self.name, &leftover);
        }
        or_gone(moved)
            .and_then(|()| self.remove_known(&leftover))
            .or_unable(|| format!("remove the directory of container {}", self.id))
    }
}

impl Locked {
    /// The files that every container has, by the descriptor that we hold; a look into the directory only
    /// when that was not all.
    fn remove_known(&self, leftover: &CStr) -> std::result::Result<(), Errno> {
        for name in [c"state.json", c"config.json", super::lock::LOCK] {
            or_gone(fs::unlinkat(self.dir(), name))?;
        }
        match or_gone(fs::rmdirat(self.root.as_fd(), leftover)) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => sweep(self.root.as_fd(), leftover),
            result => result,
        }
    }
}

impl Store {
    /// Removes what a killed `delete` of this id may have left; for a `delete` that finds no container.
    pub fn sweep(&self, id: &ContainerId) -> Result<()> {
        sweep(self.root.as_fd(), &leftover_name(id))
            .or_unable(|| format!("remove what a deletion of {id} left"))
    }
}

/// The colon is in no id. Long ids are cut, to be a name still: to share it with another is no harm.
fn leftover_name(id: &ContainerId) -> CString {
    CString::new(format!(".deleting:{:.200}", id.as_str())).unwrap_or_default()
}

fn sweep(root: BorrowedFd<'_>, name: &CStr) -> std::result::Result<(), Errno> {
    // Again when someone who waits for the lock makes a lock file in it.
    for _ in 0..16 {
        match remove_directory(root, name, DEEPEST) {
            Err(Errno::ENOTEMPTY) => {}
            result => return result,
        }
    }
    Err(Errno::ENOTEMPTY)
}

/// Never into a link or another filesystem (ELOOP, EXDEV).
fn remove_directory(parent: BorrowedFd<'_>, name: &CStr, depth: usize) -> std::result::Result<(), Errno> {
    let flags = fs::O_PATH | fs::O_DIRECTORY | fs::O_NOFOLLOW;
    let dir = match fs::openat2(parent, name, flags, 0, fs::Resolve::Beneath) {
        Err(Errno::ENOENT) => return Ok(()),
        result => result?,
    };
    let entries = match fs::entries(dir.as_fd()) {
        Err(Errno::ENOENT) => return Ok(()),
        result => result?,
    };
    for entry in entries {
        if entry.kind == fs::S_IFDIR {
            remove_directory(dir.as_fd(), &entry.name, depth.checked_sub(1).ok_or(Errno::ELOOP)?)?;
        } else {
            or_gone(fs::unlinkat(dir.as_fd(), &entry.name))?;
        }
    }
    or_gone(fs::rmdirat(parent, name))
}

fn or_gone(result: std::result::Result<(), Errno>) -> std::result::Result<(), Errno> {
    match result {
        Err(Errno::ENOENT) => Ok(()),
        result => result,
    }
}
