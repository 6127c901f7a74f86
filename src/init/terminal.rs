// SPDX-License-Identifier: Apache-2.0
//! The container's terminal, out of its own devpts, and the standard streams.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Done, Init, old_mount};
use crate::step::Slot;
use crate::sys::close::Brief;
use crate::sys::fs::{self, O_NOCTTY, O_RDWR, Resolve, S_IFCHR};
use crate::sys::mount::{self, Depth};
use crate::sys::tty::{self, Size};
use crate::sys::{self, Errno, Result};

const DEVPTS_MAGIC: u64 = 0x1cd1;

impl Init<'_> {
    /// The master goes to who asked for it; the slave stays, and is /dev/console as well. `exec`
    /// has no root of its own making: it is in the container's.
    pub(super) fn allocate_terminal(&mut self, console: Slot, size: Option<Size>, uid: u32) -> Done {
        let slash;
        let (root, new) = match &self.root {
            Some(root) => (root.as_fd(), true),
            None => {
                slash = fs::open(c"/", fs::O_PATH | fs::O_DIRECTORY)?;
                (slash.as_fd(), false)
            }
        };
        let master = open_master(root)?;
        tty::unlock(master.as_fd())?;
        let slave = tty::peer(master.as_fd())?;
        if let Some(size) = size {
            tty::set_size(slave.as_fd(), size)?;
        }
        give(&slave, uid)?;
        if new {
            bind_console(root, &slave)?;
        }
        sys::packet::send_fd(self.fd(console), b"/dev/pts/ptmx", master.as_fd())?;
        self.terminal = Some(slave);
        Ok(())
    }

    pub(super) fn take_terminal(&mut self) -> Done {
        let slave = self.terminal.take().ok_or(Errno::ENXIO)?;
        tty::make_controlling(slave.as_fd())?;
        for number in 0..3 {
            fs::dup_to(slave.as_fd(), number)?;
        }
        Ok(())
    }
}

impl Init<'_> {
    pub(super) fn reopen_null(&mut self) -> Done {
        let mut null = None;
        for number in 0..3 {
            if is_null(fs::stream(number))? {
                let null = match &null {
                    Some(null) => null,
                    None => null.insert(self.open_null()?),
                };
                fs::dup_to(null.as_fd(), number)?;
            }
        }
        Ok(())
    }

    /// The container's own. In a /dev that we have filled it is what the config says; elsewhere a file of
    /// the image's in its place would get the container's output (CVE-2026-88265).
    fn open_null(&self) -> Done<Brief> {
        let flags = O_RDWR | O_NOCTTY | fs::O_NOFOLLOW | fs::O_NONBLOCK;
        if let Some(dev) = &self.dev {
            return Ok(fs::openat(dev.as_fd(), c"null", flags, 0)?.into());
        }
        let (root, path) = (self.root()?, c"dev/null");
        let found = fs::openat2(root, path, fs::O_PATH | fs::O_NOFOLLOW, 0, Resolve::InRoot)?;
        if !is_null(found.as_fd())? {
            return Err(Errno::ENXIO.into());
        }
        Ok(fs::openat2(root, path, flags, 0, Resolve::InRoot)?.into())
    }
}

fn is_null(file: BorrowedFd<'_>) -> Result<bool> {
    let stat = fs::fstat(file)?;
    Ok(stat.is(S_IFCHR) && stat.rdev == fs::makedev(1, 3))
}

/// The multiplexer of the devpts that is on the container's /dev/pts, and no other file: an image
/// could have put anything there (CVE-2025-52565).
fn open_master(root: BorrowedFd<'_>) -> Result<OwnedFd> {
    let path = c"dev/pts/ptmx";
    let found = fs::openat2(root, path, fs::O_PATH | fs::O_NOFOLLOW, 0, Resolve::InRoot)?;
    let stat = fs::fstat(found.as_fd())?;
    let real = stat.is(S_IFCHR)
        && stat.rdev == fs::makedev(5, 2)
        && stat.inode == 2
        && fs::filesystem_magic(found.as_fd())? == DEVPTS_MAGIC;
    if !real {
        return Err(Errno::ENXIO);
    }
    fs::openat2(root, path, O_RDWR | O_NOCTTY | fs::O_NOFOLLOW, 0, Resolve::InRoot)
}

fn give(slave: &OwnedFd, uid: u32) -> Result<()> {
    match fs::fchown(slave.as_fd(), Some(uid), None) {
        Err(Errno::EPERM | Errno::EINVAL) => Ok(()),
        result => result,
    }
}

/// From descriptor to descriptor: /dev/pts/N is never looked up by that name.
fn bind_console(root: BorrowedFd<'_>, slave: &OwnedFd) -> Done {
    let dir = fs::openat2(root, c"dev", fs::O_PATH | fs::O_DIRECTORY, 0, Resolve::InRoot)?;
    let name = c"console";
    let target = match fs::openat(
        dir.as_fd(),
        name,
        fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW | fs::O_WRONLY,
        0o666,
    ) {
        Ok(made) => made,
        Err(Errno::EEXIST) => fs::openat(dir.as_fd(), name, fs::O_PATH | fs::O_NOFOLLOW, 0)?,
        Err(e) => return Err(e.into()),
    };
    let kind = fs::fstat(target.as_fd())?;
    if kind.is(fs::S_IFLNK) || kind.is(fs::S_IFDIR) {
        // CVE-2026-88264: through a link the console would land outside.
        return Err(Errno::ELOOP.into());
    }
    match mount::clone_tree(slave.as_fd(), c"", Depth::One) {
        Err(Errno::ENOSYS) => {
            let (from, to) = (old_mount::FdPath::of(slave.as_fd()), old_mount::FdPath::of(target.as_fd()));
            Ok(mount::mount(Some(from.path()), to.path(), None, libc::MS_BIND, None)?)
        }
        tree => Ok(mount::move_mount(tree?.as_fd(), target.as_fd())?),
    }
}
