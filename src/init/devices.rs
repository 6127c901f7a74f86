// SPDX-License-Identifier: Apache-2.0
//! Device nodes and links in the root.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use super::{Done, Init, resolve};
use crate::step::{InRoot, Node};
use crate::sys::fs::{self, O_NOFOLLOW, O_PATH, S_IFMT};
use crate::sys::mount::{self, Depth};
use crate::sys::{Errno, Result};

impl Init<'_> {
    pub(super) fn make_node(&mut self, path: &InRoot, node: &Node) -> Done {
        let (dir, name) = resolve::parent(self.root()?, path)?;
        Ok(make(dir.as_fd(), name, node)?)
    }

    /// In a user namespace nodes cannot be made: the host's own is bound on an empty file.
    pub(super) fn bind_device(&mut self, source: &CStr, path: &InRoot) -> Done {
        let tree = self.open_source(source, Depth::One)?;
        let target = resolve::target_file(self.root()?, path)?;
        Ok(mount::move_mount(tree.as_fd(), target.as_fd())?)
    }

    /// A link that the image has already is left as it is.
    pub(super) fn make_link(&mut self, target: &CStr, path: &InRoot) -> Done {
        let (dir, name) = resolve::parent(self.root()?, path)?;
        match fs::symlinkat(target, dir.as_fd(), name) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// Makes a node, or finds the same one there; anything else in its place is an error (CVE-2025-31133).
pub(super) fn make(dir: BorrowedFd<'_>, name: &CStr, node: &Node) -> Result<()> {
    match fs::mknodat(dir, name, node.mode, node.device) {
        Ok(()) => {
            if node.uid != 0 || node.gid != 0 {
                let made = fs::openat(dir, name, O_PATH | O_NOFOLLOW, 0)?;
                fs::fchown(made.as_fd(), Some(node.uid), Some(node.gid))?;
                // A change of owner may clear mode bits.
                fs::chmodat(dir, name, node.mode & !S_IFMT)?;
            }
            Ok(())
        }
        Err(Errno::EEXIST) => {
            let there = fs::lstatat(dir, name)?;
            let same = there.mode & S_IFMT == node.mode & S_IFMT && there.rdev == node.device;
            if same { Ok(()) } else { Err(Errno::EEXIST) }
        }
        Err(e) => Err(e),
    }
}
