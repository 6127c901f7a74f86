// SPDX-License-Identifier: Apache-2.0
//! Owner, mode, times and extended attributes: what this process may set, and what a layer may ask for.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, UtimensatFlags, fchmod, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, geteuid, unlinkat};

use crate::corrupt;
use crate::error::{Context, Error, Result};
use crate::sys::xattr;
use crate::tar::Entry;

/// The kernel's limit (XATTR_SIZE_MAX).
const XATTR_MAX: usize = 64 << 10;

/// Where overlayfs looks for its own attributes: `trusted.` needs privilege in the first user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayXattr {
    Trusted,
    User,
}

impl OverlayXattr {
    pub fn opaque(self) -> &'static [u8] {
        match self {
            OverlayXattr::Trusted => b"trusted.overlay.opaque",
            OverlayXattr::User => b"user.overlay.opaque",
        }
    }

    /// Asks the kernel, with a directory that is made for it in `dir`.
    pub fn probe(dir: impl AsFd) -> Result<Self> {
        let name = ".lade-probe";
        mkdirat(&dir, name, Mode::S_IRWXU).context(|| "unable to create a directory in the layer")?;
        let trusted = xattr::set_at(&dir, name.as_bytes(), OverlayXattr::Trusted.opaque(), b"y").is_ok();
        unlinkat(&dir, name, UnlinkatFlags::RemoveDir).context(|| "unable to remove a probe directory")?;
        Ok(if trusted { OverlayXattr::Trusted } else { OverlayXattr::User })
    }
}

/// What this process may do to files; without root, owners and devices stay out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Privileges {
    pub root: bool,
    pub overlay: OverlayXattr,
}

impl Privileges {
    pub(super) fn of_process(overlay: OverlayXattr) -> Self {
        Privileges { root: geteuid().is_root(), overlay }
    }
}

/// What a file or directory is to be like.
pub(super) struct Meta {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: TimeSpec,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Default for Meta {
    fn default() -> Self {
        Meta { mode: 0o755, uid: 0, gid: 0, mtime: TimeSpec::new(0, 0), xattrs: Vec::new() }
    }
}

impl Meta {
    pub(super) fn of(entry: &Entry, can: Privileges) -> Result<Self> {
        Ok(Meta {
            mode: entry.mode,
            uid: id(entry, entry.uid, "uid")?,
            gid: id(entry, entry.gid, "gid")?,
            mtime: TimeSpec::new(entry.mtime.sec, i64::from(entry.mtime.nsec)),
            xattrs: wanted_xattrs(entry, can)?,
        })
    }

    /// Owner, then mode (a change of owner clears set-id bits), then attributes (it clears capabilities too), then
    /// the time. The file was created by this thread with the permission bits it should have.
    pub(super) fn set_file(&self, fd: &OwnedFd, can: Privileges) -> Result<()> {
        if can.root && (self.uid, self.gid) != (0, 0) {
            fchown(fd, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
                .map_err(|e| self.owner_error(e))?;
        }
        if self.mode & 0o7000 != 0 {
            fchmod(fd, Mode::from_bits_truncate(self.mode)).context(|| "unable to set a mode")?;
        }
        self.set_open(fd)
    }

    pub(super) fn set_dir(&self, fd: &OwnedFd, can: Privileges) -> Result<()> {
        if can.root {
            fchown(fd, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
                .map_err(|e| self.owner_error(e))?;
        }
        fchmod(fd, Mode::from_bits_truncate(self.mode)).context(|| "unable to set a mode")?;
        self.set_open(fd)
    }

    fn set_open(&self, fd: &OwnedFd) -> Result<()> {
        for (key, value) in &self.xattrs {
            tolerate(xattr::set(fd, key, value), key)?;
        }
        futimens(fd, &self.mtime, &self.mtime).context(|| "unable to set a time")
    }

    /// The same for what must not be opened (symlinks, devices, pipes), by its name in `dir`.
    pub(super) fn set_special(&self, dir: &OwnedFd, name: &[u8], can: Privileges) -> Result<()> {
        if can.root {
            let (uid, gid) = (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)));
            fchownat(dir, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|e| self.owner_error(e))?;
        }
        for (key, value) in &self.xattrs {
            tolerate(xattr::set_at(dir, name, key, value), key)?;
        }
        utimensat(dir, name, &self.mtime, &self.mtime, UtimensatFlags::NoFollowSymlink)
            .context(|| "unable to set a time")
    }

    fn owner_error(&self, errno: Errno) -> Error {
        let text = format!("unable to change the owner to {}:{}: {}", self.uid, self.gid, errno.desc());
        match errno {
            Errno::EINVAL => Error::new(text).hint("the id is not mapped in this user namespace"),
            _ => Error::new(text),
        }
    }
}

/// uid_t is 32 bits, and -1 means "leave as it is": an id out of range once became root (CVE-2024-40635).
fn id(entry: &Entry, value: u64, what: &str) -> Result<u32> {
    match u32::try_from(value) {
        Ok(id) if id < u32::MAX => Ok(id),
        _ => {
            corrupt!("{} has the {what} {value}, which is no valid id", String::from_utf8_lossy(&entry.path))
        }
    }
}

/// A layer brings file capabilities, ACLs and users' attributes. It never brings overlayfs's own (a forged
/// `redirect` reads any file of the store), nor labels and hashes that belong to the host's security modules.
fn wanted_xattrs(entry: &Entry, can: Privileges) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut wanted = Vec::new();
    for (key, value) in &entry.xattrs {
        let keep = match key.as_slice() {
            k if k.starts_with(b"user.overlay.") => false,
            k if k.starts_with(b"user.") => true,
            b"security.capability" => can.root,
            b"system.posix_acl_access" | b"system.posix_acl_default" => true,
            _ => false,
        };
        if value.len() > XATTR_MAX {
            corrupt!("{} has an attribute of more than 64 KiB", String::from_utf8_lossy(&entry.path));
        }
        if keep {
            wanted.push((key.clone(), value.clone()));
        }
    }
    Ok(wanted)
}

/// A filesystem without some kind of attribute is no reason to fail; a full disk is.
fn tolerate(result: std::io::Result<()>, key: &[u8]) -> Result<()> {
    match result.as_ref().map_err(std::io::Error::raw_os_error) {
        Err(Some(libc::EOPNOTSUPP)) => Ok(()),
        // user.* on a symlink or a device (xattr(7)).
        Err(Some(libc::EPERM)) if key.starts_with(b"user.") => Ok(()),
        _ => result.context(|| format!("unable to set the attribute {}", String::from_utf8_lossy(key))),
    }
}
