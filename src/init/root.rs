// SPDX-License-Identifier: Apache-2.0
//! The root: opened at the start, switched to at the end.

use std::ffi::CStr;
use std::os::fd::AsFd;

use super::{Done, Init, mounts, old_mount, paths, resolve};
use crate::step::{InRoot, Slot};
use crate::sys::close::Brief;
use crate::sys::fs::{self, CWD, O_DIRECTORY, O_PATH};
use crate::sys::mount::{self, Attr, Depth};
use crate::sys::process::NEWNS;
use crate::sys::{self, Errno};

/// Where the host has its cgroups, wherever it has been asked for them.
const CGROUPS: &CStr = c"/sys/fs/cgroup";

impl Init<'_> {
    /// Of "/": the host's mounts at first, the container's once the root is switched.
    pub(super) fn set_propagation(&mut self, propagation: u64, depth: Depth) -> Done {
        let attr = Attr { propagation, ..Attr::default() };
        match mount::set_attr_at(c"/", depth, &attr) {
            Err(Errno::ENOSYS | Errno::EPERM) => Ok(old_mount::propagation(c"/", propagation, depth)?),
            result => Ok(result?),
        }
    }

    /// Up from the root's directory to the first that is the root of a mount.
    pub(super) fn private_root_parent(&mut self, path: &CStr) -> Done {
        const DEEPEST: usize = 128;
        let attr = Attr { propagation: libc::MS_PRIVATE, ..Attr::default() };
        let mut here = fs::open(path, O_PATH | O_DIRECTORY)?;
        for _ in 0..DEEPEST {
            match mount::set_attr(here.as_fd(), Depth::One, &attr) {
                Err(Errno::ENOSYS) => {
                    let path = old_mount::FdPath::of(here.as_fd());
                    match old_mount::propagation(path.path(), libc::MS_PRIVATE, Depth::One) {
                        Err(Errno::EINVAL) => {}
                        result => return Ok(result?),
                    }
                    here = fs::openat(here.as_fd(), c"..", O_PATH | O_DIRECTORY, 0)?;
                }
                Err(Errno::EINVAL) => here = fs::openat(here.as_fd(), c"..", O_PATH | O_DIRECTORY, 0)?,
                result => return Ok(result?),
            }
        }
        Err(Errno::ELOOP.into())
    }

    /// What the host's paths lead to is out of sight then: its cgroups come along, over the devtmpfs that is "/" there, and
    /// /dev/null is found in that. The step that follows makes slaves of them all.
    pub(super) fn copy_kernels_mounts(&mut self, kernels: Slot, cgroups: bool) -> Done {
        let cgroups = if cgroups { Some(mount::clone_tree(CWD, CGROUPS, Depth::Tree)?) } else { None };
        sys::process::setns(self.fd(kernels), NEWNS)?;
        let theirs = fs::mount_id(c"/")?;
        sys::process::unshare(NEWNS)?;
        // Nothing may be mounted in the kernel's own.
        super::in_force(fs::mount_id(c"/")? != theirs)?;
        self.null = Some(paths::open_null(c"/null")?);
        if let Some(cgroups) = &cgroups {
            let slash = Brief::from(fs::open(c"/", O_PATH | O_DIRECTORY)?);
            mount::move_mount(cgroups.as_fd(), slash.as_fd())?;
        }
        self.cgroups = cgroups;
        Ok(())
    }

    /// A mount of its own, which pivot_root asks for: a copy of the tree, attached over itself.
    pub(super) fn open_root(&mut self, path: &CStr, from: Option<Slot>) -> Done {
        let place = match from {
            None => Brief::from(fs::open(path, O_PATH | O_DIRECTORY)?),
            Some(slot) => match fs::open(path, O_PATH | O_DIRECTORY) {
                Ok(place) => Brief::from(place),
                // The path may be closed to us: the copy goes over "/", which is not.
                Err(_) => {
                    sys::fs::fchdir(self.fd(slot))?;
                    Brief::from(fs::open(c"/", O_PATH | O_DIRECTORY)?)
                }
            },
        };
        let tree = match from {
            None => mount::clone_tree(place.as_fd(), c"", Depth::Tree),
            Some(slot) => Ok(fs::duplicate(self.fd(slot))?),
        };
        let tree = match tree {
            Err(Errno::ENOSYS) => old_mount::bind_over_itself(place.as_fd())?,
            tree => {
                let tree = tree?;
                mount::move_mount(tree.as_fd(), place.as_fd())?;
                if from.is_some() {
                    mounts::leave_peers(tree.as_fd())?;
                }
                tree
            }
        };
        self.root = Some(tree);
        Ok(())
    }

    pub(super) fn remount(&mut self, path: &InRoot, attr: &Attr) -> Done {
        let root = self.root()?;
        let opened;
        let target = if path.0.as_bytes() == b"." {
            root
        } else {
            opened = resolve::open(root, path)?;
            opened.as_fd()
        };
        match mount::set_attr(target, Depth::One, attr) {
            Err(Errno::ENOSYS) => Ok(old_mount::remount(target, attr)?),
            result => Ok(result?),
        }
    }

    /// pivot_root(2) with both arguments ".": the old root ends up over the new one, where "." then is,
    /// and is detached.
    pub(super) fn pivot_root(&mut self, shared: bool) -> Done {
        let old = if shared { Some(fs::open(c"/", O_PATH | O_DIRECTORY)?) } else { None };
        fs::fchdir(self.root()?)?;
        mount::pivot_to_cwd()?;
        if let Some(old) = old {
            // What the umount does must not reach the host. By descriptor: here "." is still what is
            // below the old root, umount2(2) alone looks at what is over it.
            let attr = Attr { propagation: libc::MS_SLAVE, ..Attr::default() };
            match mount::set_attr(old.as_fd(), Depth::Tree, &attr) {
                Err(Errno::ENOSYS) => {
                    fs::fchdir(old.as_fd())?;
                    old_mount::propagation(c".", libc::MS_SLAVE, Depth::Tree)?;
                }
                result => result?,
            }
        }
        if self.cgroups.take().is_some() {
            // They lie over the old root.
            mount::unmount_cwd()?;
        }
        mount::unmount_cwd()?;
        self.switched = true;
        fs::chdir(c"/")?;
        // What is over the root, as the old one was, is seen from above alone.
        self.is_root(c"/..")
    }

    /// A switch that did nothing would leave the container on the host's root.
    fn is_root(&self, path: &CStr) -> Done {
        let (here, root) = (fs::lstatat(CWD, path)?, fs::fstat(self.root()?)?);
        let same = (here.device, here.inode) == (root.device, root.inode);
        super::in_force(same)
    }

    /// For a root on ramfs, where pivot_root cannot be: the mount moves over "/" and becomes the root.
    pub(super) fn move_root(&mut self) -> Done {
        fs::fchdir(self.root()?)?;
        let slash = fs::open(c"/", O_PATH | O_DIRECTORY)?;
        match mount::move_mount(self.root()?, slash.as_fd()) {
            Err(Errno::ENOSYS) => mount::mount(Some(c"."), c"/", None, libc::MS_MOVE, None)?,
            result => result?,
        }
        mount::chroot_cwd()?;
        self.switched = true;
        fs::chdir(c"/")?;
        self.is_root(c"/")
    }

    /// With chroot alone the host's procfs and sysfs would stay in reach of a new mount of theirs:
    /// where one cannot go, a tmpfs covers it.
    pub(super) fn hide_host_mount(&mut self, path: &CStr) -> Done {
        const MOST: usize = 16;
        for _ in 0..MOST {
            match mount::unmount(path) {
                // There may be another below; and that there is none tells that it is gone.
                Ok(()) => {}
                Err(Errno::EINVAL | Errno::ENOENT) => return Ok(()),
                Err(_) => {
                    return Ok(mount::mount(Some(c"tmpfs"), path, Some(c"tmpfs"), libc::MS_RDONLY, None)?);
                }
            }
        }
        Err(super::NOT_IN_FORCE)
    }

    /// A directory of the host's cgroups.
    pub(super) fn open_cgroup(&self, path: &CStr) -> sys::Result<Brief> {
        let Some(all) = &self.cgroups else { return self.open_source(path, Depth::One) };
        let below = path.to_bytes_with_nul().strip_prefix(CGROUPS.to_bytes());
        let below = below.and_then(|path| CStr::from_bytes_with_nul(path.strip_prefix(b"/")?).ok());
        mount::clone_tree(all.as_fd(), below.ok_or(Errno::EXDEV)?, Depth::One).map(Brief::from)
    }

    /// A host path, for sources that the caller named.
    pub(super) fn open_source(&self, path: &CStr, depth: Depth) -> sys::Result<Brief> {
        mount::clone_tree(CWD, path, depth).map(Brief::from)
    }
}
