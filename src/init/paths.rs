// SPDX-License-Identifier: Apache-2.0
//! Masked and read-only paths, directories to make.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Done, Init, in_force, old_mount, resolve};
use crate::step::InRoot;
use crate::sys::close::Brief;
use crate::sys::fs::{self, O_PATH, S_IFCHR};
use crate::sys::mount::{self, ATTR_RDONLY, Attr, Depth};
use crate::sys::{Errno, Result};

const READONLY: Attr = Attr { set: ATTR_RDONLY, clear: 0, propagation: 0, userns: 0 };

impl Init<'_> {
    pub(super) fn make_directory(&mut self, path: &InRoot) -> Done {
        match resolve::make_dirs(self.root()?, path) {
            // A root that is read-only on disk may well have it behind a link; the chdir will tell.
            Ok(_) | Err(Errno::EROFS | Errno::ENOTDIR | Errno::EEXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// The host's /dev/null over a file, an empty directory over a directory. The image's own
    /// /dev/null, which could be anything, has no part in it (CVE-2025-31133).
    pub(super) fn mask(&mut self, path: &InRoot, label: Option<&CStr>) -> Done {
        match resolve::open_dir(self.root()?, path) {
            Ok(directory) => self.mask_directory(directory.as_fd(), label),
            Err(Errno::ENOENT) => self.is_absent(),
            Err(Errno::ENOTDIR) => match existing(self.root()?, path)? {
                Some(file) => self.mask_file(file.as_fd()),
                None => self.is_absent(),
            },
            Err(e) => Err(e.into()),
        }
    }

    /// The parent, which looks for what is over the paths, hears how many need nothing.
    fn is_absent(&mut self) -> Done {
        self.absent += 1;
        Ok(())
    }

    fn mask_file(&mut self, target: BorrowedFd<'_>) -> Done {
        let null = match self.null.take() {
            Some(null) => null,
            None => open_null(c"/dev/null")?,
        };
        let mask = bind_of(null.as_fd(), target);
        self.null = Some(null);
        mask
    }

    fn mask_directory(&mut self, target: BorrowedFd<'_>, label: Option<&CStr>) -> Done {
        match &self.empty {
            Some(empty) => bind_of(empty.as_fd(), target),
            None => {
                self.empty = empty_directory(target, label)?;
                Ok(())
            }
        }
    }

    pub(super) fn make_readonly(&mut self, path: &InRoot) -> Done {
        let Some(target) = existing(self.root()?, path)? else { return self.is_absent() };
        let tree = match mount::clone_tree(target.as_fd(), c"", Depth::Tree) {
            Err(Errno::ENOSYS) => {
                let over = old_mount::FdPath::of(target.as_fd());
                mount::mount(Some(over.path()), over.path(), None, libc::MS_BIND | libc::MS_REC, None)?;
                let made = resolve::open(self.root()?, path)?;
                return Ok(old_mount::remount(made.as_fd(), &READONLY)?);
            }
            result => Brief::from(result?),
        };
        match mount::set_attr(tree.as_fd(), Depth::One, &READONLY) {
            Err(Errno::ENOSYS) => {
                mount::move_mount(tree.as_fd(), target.as_fd())?;
                Ok(old_mount::remount(tree.as_fd(), &READONLY)?)
            }
            result => {
                result?;
                Ok(mount::move_mount(tree.as_fd(), target.as_fd())?)
            }
        }
    }
}

/// What is not there needs no mask. A link is followed inside the root: what it leads to is covered.
fn existing(root: BorrowedFd<'_>, path: &InRoot) -> Result<Option<Brief>> {
    match resolve::open(root, path) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(e) => Err(e),
    }
}

pub(super) fn open_null(path: &CStr) -> Done<OwnedFd> {
    let null = fs::open(path, O_PATH)?;
    let stat = fs::fstat(null.as_fd())?;
    in_force(stat.is(S_IFCHR) && stat.rdev == fs::makedev(1, 3))?;
    Ok(null)
}

/// A bind of what `source` is open on, over `target`.
fn bind_of(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Done {
    match mount::clone_tree(source, c"", Depth::One) {
        Err(Errno::ENOSYS) => {
            let (from, to) = (old_mount::FdPath::of(source), old_mount::FdPath::of(target));
            Ok(mount::mount(Some(from.path()), to.path(), None, libc::MS_BIND, None)?)
        }
        tree => Ok(mount::move_mount(Brief::from(tree?).as_fd(), target)?),
    }
}

/// One tmpfs with room for nothing masks every directory: the first is covered by it, the others by
/// binds of it. None where the old API left us no descriptor of it.
fn empty_directory(target: BorrowedFd<'_>, label: Option<&CStr>) -> Result<Option<OwnedFd>> {
    let context = match mount::fsopen(c"tmpfs") {
        Err(Errno::ENOSYS) if label.is_none() => {
            fs::fchdir(target)?;
            let options = Some(c"nr_blocks=1,nr_inodes=1");
            mount::mount(Some(c"tmpfs"), c".", Some(c"tmpfs"), libc::MS_RDONLY, options)?;
            fs::chdir(c"/")?;
            return Ok(None);
        }
        context => Brief::from(context?),
    };
    mount::fsconfig_string(context.as_fd(), c"nr_blocks", c"1")?;
    mount::fsconfig_string(context.as_fd(), c"nr_inodes", c"1")?;
    if let Some(label) = label {
        mount::fsconfig_string(context.as_fd(), c"context", label)?;
    }
    mount::fsconfig_create(context.as_fd())?;
    let empty = mount::fsmount(context.as_fd(), ATTR_RDONLY)?;
    mount::move_mount(empty.as_fd(), target)?;
    Ok(Some(empty))
}
