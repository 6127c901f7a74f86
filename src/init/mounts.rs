// SPDX-License-Identifier: Apache-2.0
//! `mounts[]`: made detached, with their flags on, and attached last, by descriptor to descriptor.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::{Done, Fault, Init, copy_up, devices, old_mount, resolve};
use crate::channel::{Note, Report};
use crate::step::{BindMount, CgroupTree, FsMount, Source, Step};
use crate::sys::close::Brief;
use crate::sys::fs::{self, S_IFDIR};
use crate::sys::mount::{self, Attr, Depth};
use crate::sys::{self, Errno};

impl Init<'_> {
    pub(super) fn mount(&mut self, fs: &FsMount) -> Done {
        if fs.is_plain() && self.mount_in_own_dev(fs) {
            return Ok(());
        }
        let root = self.root()?;
        // A directory that we make has no mode to hand on.
        let inherit = fs.inherit_mode && resolve::target(root, &fs.target).is_ok();
        let target = target_of(root, fs)?;
        let like = inherit.then(|| target.as_fd());
        if fs.remount {
            return Ok(old_mount::remount_filesystem(fs, target.as_fd())?);
        }
        // A call for what takes five and more; and where it fails, the new API has the kernel's words.
        if fs.is_plain() && old_mount::filesystem(fs, target.as_fd()).is_ok() {
            return Ok(());
        }
        let made = match make(fs, like) {
            Err(Fault { errno: Errno::ENOSYS, .. }) => {
                return self.mount_the_old_way(fs, target.as_fd(), inherit);
            }
            Err(fault) => match &fs.bind_fallback {
                Some(host) if fault.errno == Errno::EPERM => {
                    let tree = self.open_source(host, Depth::Tree)?;
                    set(tree.as_fd(), Depth::One, &Attr { set: fs.attrs, ..Attr::default() })?;
                    tree
                }
                _ => return Err(fault),
            },
            Ok(made) => made,
        };
        fill(fs, made.as_fd())?;
        if fs.copy_up {
            copy_up::tree(target.as_fd(), made.as_fd())?;
            set(made.as_fd(), Depth::One, &Attr { set: fs.attrs, ..Attr::default() })?;
        }
        mount::move_mount(made.as_fd(), target.as_fd())?;
        spread(made.as_fd(), fs.propagation, Depth::One)?;
        if !fs.dirs.is_empty() {
            self.dev = Some(made.keep());
        }
        Ok(())
    }

    /// In the /dev that we have just filled ourselves nothing needs to be resolved: the directory is ours.
    fn mount_in_own_dev(&self, fs: &FsMount) -> bool {
        let (Some(dev), Some(name)) = (&self.dev, fs.name_in_dev()) else { return false };
        sys::fs::fchdir(dev.as_fd()).is_ok() && old_mount::filesystem_at(fs, name).is_ok()
    }

    fn mount_the_old_way(&self, fs: &FsMount, target: BorrowedFd<'_>, inherit: bool) -> Done {
        if fs.copy_up {
            // It takes a filesystem that is made before it is mounted.
            return Err(Errno::ENOSYS.into());
        }
        old_mount::filesystem(fs, target)?;
        let made = resolve::target(self.root()?, &fs.target)?;
        if inherit {
            fs::chmodat(made.as_fd(), c".", fs::fstat(target)?.mode & 0o7777)?;
        }
        fill(fs, made.as_fd())?;
        spread(made.as_fd(), fs.propagation, Depth::One)
    }

    pub(super) fn bind(&mut self, bind: &BindMount) -> Done {
        let root = self.root()?;
        let opened;
        let tree = match &bind.source {
            Source::Opened(slot) => self.fd(*slot),
            Source::InRoot(path) => {
                let from = resolve::open(root, path)?;
                match mount::clone_tree(from.as_fd(), c"", bind.depth) {
                    Err(Errno::ENOSYS) if bind.idmap.is_none() => {
                        return old_mount::bind(root, bind, old_mount::FdPath::of(from.as_fd()).path());
                    }
                    result => {
                        opened = Brief::from(result?);
                        opened.as_fd()
                    }
                }
            }
            Source::Path(path) => match self.open_source(path, bind.depth) {
                Err(Errno::ENOSYS) => return old_mount::bind(root, bind, path),
                result => {
                    opened = result?;
                    opened.as_fd()
                }
            },
        };
        if bind.idmap.is_some() {
            let own = |step: &Step| matches!(step, Step::Bind(other) if std::ptr::eq(other, bind));
            let step = self.work.steps.iter().position(|planned| own(&planned.step)).unwrap_or(usize::MAX);
            self.channel.send(&Report::Mount { fd: tree.as_raw_fd(), step })?;
            self.await_go()?;
        }
        resolve::procfs_on_proc(bind, tree)?;
        let directory = fs::fstat(tree)?.is(S_IFDIR);
        let target = if directory {
            resolve::target_dir(root, &bind.target)?
        } else {
            resolve::target_file(root, &bind.target)?
        };
        if let Err(fault) = set_all(tree, bind) {
            return match &bind.source {
                Source::Path(path) if fault.errno == Errno::ENOSYS => old_mount::bind(root, bind, path),
                _ => Err(fault),
            };
        }
        let (propagation, depth) = bind.propagation;
        if let Err(errno) = mount::move_mount(tree, target.as_fd()) {
            // The kernel's EINVAL for a directory on a file or the reverse is mount(2)'s ENOTDIR, which
            // Docker explains to its user.
            let unlike = errno == Errno::EINVAL && fs::fstat(target.as_fd())?.is(S_IFDIR) != directory;
            return Err(if unlike { Errno::ENOTDIR.into() } else { errno.into() });
        }
        if matches!(bind.source, Source::Opened(_)) {
            leave_peers(tree)?;
        }
        spread(tree, propagation, depth)
    }

    /// A small tmpfs with a bind of each hierarchy in it; or on v2 the one directory itself.
    pub(super) fn cgroup_tree(&mut self, tree: &CgroupTree) -> Done {
        let target = resolve::target_dir(self.root()?, &tree.target)?;
        if let [only] = tree.hierarchies.as_slice()
            && only.name.is_empty()
        {
            let own = match (self.open_cgroup(&only.path), &only.otherwise) {
                (Err(Errno::ENOENT), Some(other)) => self.open_cgroup(other)?,
                (own, _) => own?,
            };
            set(own.as_fd(), Depth::One, &tree.attr)?;
            return Ok(mount::move_mount(own.as_fd(), target.as_fd())?);
        }
        let top = match tmpfs(c"755", tree.label.as_deref()) {
            Err(Errno::ENOSYS) if tree.label.is_none() => {
                fs::fchdir(target.as_fd())?;
                mount::mount(Some(c"tmpfs"), c".", Some(c"tmpfs"), 0, Some(c"mode=755"))?;
                resolve::target(self.root()?, &tree.target)?
            }
            top => {
                let top = top?;
                mount::move_mount(top.as_fd(), target.as_fd())?;
                top
            }
        };
        fs::fchdir(top.as_fd())?;
        for dir in &tree.hierarchies {
            fs::mkdirat(fs::CWD, &dir.name, 0o755)?;
            let bind = |path: &CStr| match self.cgroups {
                None => mount::mount(Some(path), &dir.name, None, libc::MS_BIND, None),
                Some(_) => mount::move_mount_at(self.open_cgroup(path)?.as_fd(), top.as_fd(), &dir.name),
            };
            match (bind(&dir.path), &dir.otherwise) {
                (Err(Errno::ENOENT), Some(other)) => bind(other)?,
                (bound, _) => bound?,
            }
        }
        for (to, name) in &tree.links {
            fs::symlinkat(to, top.as_fd(), name)?;
        }
        match set(top.as_fd(), Depth::Tree, &tree.attr) {
            Err(Fault { errno: Errno::ENOSYS, .. }) => {
                for dir in &tree.hierarchies {
                    let one = fs::openat(top.as_fd(), &dir.name, fs::O_PATH, 0)?;
                    old_mount::remount(one.as_fd(), &tree.attr)?;
                }
                Ok(old_mount::remount(top.as_fd(), &tree.attr)?)
            }
            done => done,
        }
    }
}

/// What a bind mount has been asked for, on the mount and on all below it.
fn set_all(tree: BorrowedFd<'_>, bind: &BindMount) -> Done {
    // statfs(2) and mount_setattr(2) have the same bits for all that can be locked.
    if bind.locked != 0 && fs::mount_flags(tree)? & bind.locked != 0 {
        return Err(Errno::EPERM.into());
    }
    if let Some(wanted) = bind.access_time
        && mount::access_time(fs::mount_flags(tree)?) != wanted
    {
        return Err(Errno::EPERM.into());
    }
    match set(tree, Depth::One, &bind.unnamed) {
        // Locked: the mount comes from a more privileged namespace.
        Err(Fault { errno: Errno::EPERM, .. }) => {}
        done => done?,
    }
    set(tree, Depth::One, &bind.attr)?;
    set(tree, Depth::Tree, &bind.tree_attr)
}

/// The propagation of a mount that is attached; 0 leaves it.
fn spread(mount: BorrowedFd<'_>, propagation: u64, depth: Depth) -> Done {
    if propagation == 0 {
        return Ok(());
    }
    match set(mount, depth, &Attr { propagation, ..Attr::default() }) {
        Err(Fault { errno: Errno::ENOSYS, .. }) => {
            Ok(old_mount::propagation(old_mount::FdPath::of(mount).path(), propagation, depth)?)
        }
        done => done,
    }
}

/// What the parent has cloned is a peer of the host's mounts, on which all that is mounted here would appear. The
/// kernel makes slaves of the mounts that a new user namespace's mount namespace starts with; so do we.
pub(super) fn leave_peers(tree: BorrowedFd<'_>) -> Done {
    spread(tree, libc::MS_SLAVE, Depth::Tree)
}

/// A new tmpfs, attached nowhere.
fn tmpfs(mode: &CStr, label: Option<&CStr>) -> sys::Result<Brief> {
    let context = Brief::from(mount::fsopen(c"tmpfs")?);
    mount::fsconfig_string(context.as_fd(), c"source", c"tmpfs")?;
    mount::fsconfig_string(context.as_fd(), c"mode", mode)?;
    if let Some(label) = label {
        mount::fsconfig_string(context.as_fd(), c"context", label)?;
    }
    mount::fsconfig_create(context.as_fd())?;
    mount::fsmount(context.as_fd(), 0).map(Brief::from)
}

/// Does nothing for nothing.
pub(super) fn set(mount: BorrowedFd<'_>, depth: Depth, attr: &Attr) -> Done {
    if *attr == Attr::default() { Ok(()) } else { Ok(mount::set_attr(mount, depth, attr)?) }
}

fn target_of(root: BorrowedFd<'_>, fs: &FsMount) -> Done<Brief> {
    if !fs.strict_target {
        return resolve::target_dir(root, &fs.target);
    }
    match resolve::directory_entry(root, &fs.target) {
        // proc or sysfs on a link or file of the image: the runtime would trust what is behind it.
        Err(Errno::ENOENT) => resolve::target_dir(root, &fs.target),
        result => Ok(result?),
    }
}

/// The filesystem, detached, with its flags, and the mode of the directory that it is `like`.
fn make(fs: &FsMount, like: Option<BorrowedFd<'_>>) -> Done<Brief> {
    let context = Brief::from(mount::fsopen(&fs.kind)?);
    let configured = configure(fs, context.as_fd(), like);
    configured.map_err(|errno| Fault { errno, note: kernel_words(context.as_fd()) })?;
    // What is copied up must be writable until it is there.
    let attrs = if fs.copy_up { fs.attrs & !mount::ATTR_RDONLY } else { fs.attrs };
    let made = mount::fsmount(context.as_fd(), attrs)
        .map_err(|errno| Fault { errno, note: kernel_words(context.as_fd()) })?;
    Ok(made.into())
}

fn configure(fs: &FsMount, context: BorrowedFd<'_>, like: Option<BorrowedFd<'_>>) -> sys::Result<()> {
    mount::fsconfig_string(context, c"source", &fs.source)?;
    for (key, value) in &fs.options {
        match value {
            Some(value) => mount::fsconfig_string(context, key, value)?,
            None => mount::fsconfig_flag(context, key)?,
        }
    }
    if let Some(like) = like {
        let mode = octal(fs::fstat(like)?.mode & 0o7777);
        let mode = CStr::from_bytes_with_nul(&mode).map_err(|_| Errno::EINVAL)?;
        mount::fsconfig_string(context, c"mode", mode)?;
    }
    mount::fsconfig_create(context)
}

/// Five octal digits and the end.
fn octal(mode: u32) -> [u8; 6] {
    let digit = |shift: u32| b'0' + (mode >> shift & 7) as u8;
    [b'0', digit(9), digit(6), digit(3), digit(0), 0]
}

/// Why the kernel refused, in its own words where it has any.
fn kernel_words(context: BorrowedFd<'_>) -> Note {
    let mut buffer = [0; 512];
    let words = mount::fs_log(context, &mut buffer);
    if words.is_empty() {
        return Note::None;
    }
    let mut text = [0; 96];
    let n = words.len().min(text.len());
    text[..n].copy_from_slice(&words[..n]);
    Note::Kernel(text)
}

/// What `/dev` gets before anyone can see it.
fn fill(fs: &FsMount, top: BorrowedFd<'_>) -> Done {
    for name in &fs.dirs {
        sys::fs::mkdirat(top, name, 0o755)?;
    }
    for (i, (name, node)) in fs.nodes.iter().enumerate() {
        devices::make(top, name, node).map_err(|errno| Fault { errno, note: Note::Item(i) })?;
    }
    for (target, name) in &fs.links {
        sys::fs::symlinkat(target, top, name)?;
    }
    if let Some(label) = &fs.label {
        let path = old_mount::FdPath::of(top);
        sys::fs::set_attribute(path.path(), c"security.selinux", label.to_bytes())?;
    }
    Ok(())
}
