// SPDX-License-Identifier: Apache-2.0
//! The mount API by descriptors (Linux 5.2 and 5.12) and the old mount(2) that stands in for it.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use serde::{Deserialize, Serialize};

use super::{Newer, Result, check_unit, own, owned};

pub const ATTR_RDONLY: u64 = 0x1;
pub const ATTR_NOSUID: u64 = 0x2;
pub const ATTR_NODEV: u64 = 0x4;
pub const ATTR_NOEXEC: u64 = 0x8;
/// The three access-time modes share a field: to set one, clear the field first.
pub const ATTR_ATIME: u64 = 0x70;
pub const ATTR_RELATIME: u64 = 0x0;
pub const ATTR_NOATIME: u64 = 0x10;
pub const ATTR_STRICTATIME: u64 = 0x20;
pub const ATTR_NODIRATIME: u64 = 0x80;
pub const ATTR_IDMAP: u64 = 0x0010_0000;
pub const ATTR_NOSYMFOLLOW: u64 = 0x0020_0000;

const AT_RECURSIVE: i32 = 0x8000;

/// Just the mount that a call names, or all below it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Depth {
    One,
    Tree,
}

impl Depth {
    fn at(self) -> i32 {
        match self {
            Depth::One => 0,
            Depth::Tree => AT_RECURSIVE,
        }
    }
}

/// struct mount_attr of mount_setattr(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attr {
    pub set: u64,
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0 for no change.
    pub propagation: u64,
    pub userns: u64,
}

pub fn fsopen(kind: &CStr) -> Result<OwnedFd> {
    const FSOPEN_CLOEXEC: u32 = 1;
    static FSOPEN: Newer = Newer::new();
    FSOPEN.ask(|| unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) }).map(own)
}

pub fn fsconfig_flag(fs: BorrowedFd<'_>, key: &CStr) -> Result<()> {
    fsconfig(fs, 0, key.as_ptr(), ptr::null())
}

pub fn fsconfig_string(fs: BorrowedFd<'_>, key: &CStr, value: &CStr) -> Result<()> {
    fsconfig(fs, 1, key.as_ptr(), value.as_ptr())
}

pub fn fsconfig_create(fs: BorrowedFd<'_>) -> Result<()> {
    fsconfig(fs, 6, ptr::null(), ptr::null())
}

fn fsconfig(fs: BorrowedFd<'_>, command: u32, key: *const i8, value: *const i8) -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_fsconfig, fs.as_raw_fd(), command, key, value, 0) })
}

/// The mount of a filesystem that `fsconfig_create` has made, attached nowhere yet.
pub fn fsmount(fs: BorrowedFd<'_>, attrs: u64) -> Result<OwnedFd> {
    const FSMOUNT_CLOEXEC: u32 = 1;
    owned(unsafe { libc::syscall(libc::SYS_fsmount, fs.as_raw_fd(), FSMOUNT_CLOEXEC, attrs) })
}

/// The kernel's own words on why the last call on this context failed, a line of "e message".
pub fn fs_log<'b>(fs: BorrowedFd<'_>, buf: &'b mut [u8]) -> &'b [u8] {
    let n = super::fs::read(fs, buf).unwrap_or(0);
    buf[..n].trim_ascii_end().strip_prefix(b"e ").unwrap_or(&buf[..n])
}

/// A copy of the mount at `path` that is attached nowhere yet.
pub fn clone_tree(dir: BorrowedFd<'_>, path: &CStr, depth: Depth) -> Result<OwnedFd> {
    const OPEN_TREE_CLONE: i32 = 1;
    static OPEN_TREE: Newer = Newer::new();
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC | libc::AT_EMPTY_PATH | depth.at();
    OPEN_TREE
        .ask(|| unsafe { libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), path.as_ptr(), flags) })
        .map(own)
}

/// How many mounts there are in the mount namespace that a descriptor is open on (Linux 6.11).
pub fn count(namespace: BorrowedFd<'_>) -> Result<u32> {
    #[repr(C)]
    struct MountNamespaceInfo {
        size: u32,
        mounts: u32,
        id: u64,
    }
    const NS_MNT_GET_INFO: libc::c_ulong = 0x8010_b70a;
    let mut info = MountNamespaceInfo { size: 16, mounts: 0, id: 0 };
    // SAFETY: the kernel writes no more than the size that is part of the request's number.
    check_unit(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_MNT_GET_INFO, &raw mut info) }.into())?;
    Ok(info.mounts)
}

pub fn set_attr(mount: BorrowedFd<'_>, depth: Depth, attr: &Attr) -> Result<()> {
    mount_setattr(mount.as_raw_fd(), c"", libc::AT_EMPTY_PATH | depth.at(), attr)
}

/// The same of the mount at a path of the host.
pub fn set_attr_at(path: &CStr, depth: Depth, attr: &Attr) -> Result<()> {
    mount_setattr(libc::AT_FDCWD, path, depth.at(), attr)
}

fn mount_setattr(dir: i32, path: &CStr, flags: i32, attr: &Attr) -> Result<()> {
    static MOUNT_SETATTR: Newer = Newer::new();
    let (attr, size) = (ptr::from_ref(attr), size_of::<Attr>());
    let call = || unsafe { libc::syscall(libc::SYS_mount_setattr, dir, path.as_ptr(), flags, attr, size) };
    MOUNT_SETATTR.ask(call).map(drop)
}

/// The owners that the files of a mount have, as the maps of a user namespace say (Linux 5.12). Only
/// while the mount is attached nowhere.
pub fn map_ids(mount: BorrowedFd<'_>, depth: Depth, user: BorrowedFd<'_>) -> Result<()> {
    let userns = user.as_raw_fd() as u64;
    set_attr(mount, depth, &Attr { set: ATTR_IDMAP, userns, ..Attr::default() })
}

/// The access-time mode among a mount's flags, in the bits of mount_setattr(2).
pub fn access_time(flags: u64) -> u64 {
    let mode = match flags & (libc::ST_NOATIME | libc::ST_RELATIME) {
        0 => ATTR_STRICTATIME,
        libc::ST_RELATIME => ATTR_RELATIME,
        _ => ATTR_NOATIME,
    };
    mode | if flags & libc::ST_NODIRATIME != 0 { ATTR_NODIRATIME } else { 0 }
}

/// Attaches a mount on what `target` is open on.
pub fn move_mount(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    const T_EMPTY_PATH: u32 = 0x40;
    attach(mount, target, c"", T_EMPTY_PATH)
}

/// Attaches a mount on an entry of a directory of ours that no image can have touched.
pub fn move_mount_at(mount: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    attach(mount, dir, name, 0)
}

fn attach(mount: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr, flags: u32) -> Result<()> {
    const F_EMPTY_PATH: u32 = 0x4;
    static MOVE_MOUNT: Newer = Newer::new();
    let (from, to, flags) = (mount.as_raw_fd(), dir.as_raw_fd(), flags | F_EMPTY_PATH);
    let (empty, name) = (c"".as_ptr(), name.as_ptr());
    MOVE_MOUNT.ask(|| unsafe { libc::syscall(libc::SYS_move_mount, from, empty, to, name, flags) }).map(drop)
}

/// The old mount(2).
pub fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> Result<()> {
    let or_null = |s: Option<&CStr>| s.map_or(ptr::null(), CStr::as_ptr);
    check_unit(
        unsafe { libc::mount(or_null(source), target.as_ptr(), or_null(kind), flags, or_null(data).cast()) }
            .into(),
    )
}

/// Detaches the mount at the working directory; it goes when its last user does.
pub fn unmount_cwd() -> Result<()> {
    check_unit(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) }.into())
}

pub fn unmount(path: &CStr) -> Result<()> {
    check_unit(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW) }.into())
}

/// pivot_root(2) of the working directory over itself: the old root is then mounted on the new one.
pub fn pivot_to_cwd() -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })
}

pub fn chroot_cwd() -> Result<()> {
    check_unit(unsafe { libc::chroot(c".".as_ptr()) }.into())
}
