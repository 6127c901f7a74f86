// SPDX-License-Identifier: Apache-2.0
//! The state directory (--root): a directory for each container.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use super::lock::Locked;
use super::{Container, ContainerId};
use crate::error::{Error, Kind, Result, While};
use crate::sys::{Errno, cred, fs};

/// The sticky bit keeps what cleans up XDG_RUNTIME_DIR away (XDG Base Directory Specification).
const ROOT_MODE: u32 = 0o1700;
/// Others may pass through but not look: the container's root user reaches what is bound from here.
const CONTAINER_MODE: u32 = 0o711;

/// The open state directory, which nobody but us can write to.
pub struct Store {
    pub(super) root: Rc<OwnedFd>,
}

impl Store {
    /// None when the directory is not there: then there is no container.
    pub fn open(root: &Path) -> Result<Option<Store>> {
        match fs::open(&c_path(root)?, fs::O_PATH | fs::O_DIRECTORY) {
            Err(Errno::ENOENT) => Ok(None),
            result => {
                let fd = result.or_unable(|| format!("open the state directory {}", root.display()))?;
                refuse_unsafe(root, &fd)?;
                Ok(Some(Store { root: Rc::new(fd) }))
            }
        }
    }

    /// Opens the directory, and makes it, and those above it, when it is not there.
    pub fn make(root: &Path) -> Result<Store> {
        if let Some(store) = Store::open(root)? {
            return Ok(store);
        }
        make_directories(root, ROOT_MODE)
            .or_unable(|| format!("make the state directory {}", root.display()))?;
        Store::open(root)?.ok_or_else(|| {
            Error::sys(format!("unable to open the state directory {}", root.display()), Errno::ENOENT)
        })
    }

    /// Makes the container's directory and locks it. Of many that try the same id one succeeds.
    pub fn create(&self, id: &ContainerId, verb: &str) -> Result<Locked> {
        let name = id.name();
        match fs::mkdirat(self.root.as_fd(), &name, CONTAINER_MODE) {
            Err(Errno::EEXIST) => return Err(taken(id)),
            result => result.or_unable(|| format!("make the directory of container {id}"))?,
        }
        self.claim(id, &name, verb).map_err(|error| match error.kind() {
            Kind::NotFound => Error::new(format!("unable to create container {id}"))
                .because("it was deleted while its directory was being made"),
            _ => error,
        })
    }

    /// Opens and locks the directory just made, or removes it. If it was deleted and made again meanwhile, it
    /// is claimed by whoever makes the lock file.
    fn claim(&self, id: &ContainerId, name: &CStr, verb: &str) -> Result<Locked> {
        let container = Container::open(&self.root, id).inspect_err(|_| {
            let _ = fs::rmdirat(self.root.as_fd(), name);
        })?;
        // The umask may have taken bits away.
        let claimed = fs::chmodat(container.dir(), c".", CONTAINER_MODE)
            .or_unable(|| format!("set the mode of the directory of container {id}"))
            .and_then(|()| container.claim(verb));
        match claimed {
            Ok(Some(lock)) => Ok(Locked::new(container, lock)),
            Ok(None) => Err(taken(id)),
            Err(error) => {
                // It is empty, or this does not succeed.
                if container.is_there().unwrap_or(false) {
                    let _ = fs::rmdirat(self.root.as_fd(), name);
                }
                Err(error)
            }
        }
    }

    /// # Errors
    /// `NotFound`.
    pub fn get(&self, id: &ContainerId) -> Result<Container> {
        Container::open(&self.root, id)
    }

    /// All containers, in order. What else is in the directory has no name that is an id.
    pub fn ids(&self) -> Result<Vec<ContainerId>> {
        let entries = fs::entries(self.root.as_fd()).or_unable(|| "list the state directory".into())?;
        let directories = entries.iter().filter(|entry| entry.kind == fs::S_IFDIR);
        let names = directories.filter_map(|entry| entry.name.to_str().ok());
        let mut ids: Vec<_> = names.filter_map(|name| ContainerId::parse(name).ok()).collect();
        ids.sort();
        Ok(ids)
    }
}

fn taken(id: &ContainerId) -> Error {
    Error::new("container with given ID already exists")
        .because(format!("{:?}", id.as_str()))
        .hint("choose another id, or delete that container first")
}

/// The checks are made on the open directory: whatever path led to it, this is what we shall use.
fn refuse_unsafe(root: &Path, fd: &OwnedFd) -> Result<()> {
    let unable = || format!("examine the state directory {}", root.display());
    let stat = fs::fstat(fd.as_fd()).or_unable(unable)?;
    let top = fs::lstatat(fs::CWD, c"/").or_unable(unable)?;
    if (stat.device, stat.inode) == (top.device, top.inode) {
        return Err(Error::new("the --root option must not be /")
            .hint("every directory in it would be taken for a container"));
    }
    let refused = || Error::new(format!("unable to use {} as the state directory", root.display()));
    let euid = cred::effective_uid();
    if stat.uid != euid {
        return Err(refused()
            .because(format!("it belongs to user {}, not to user {euid}", stat.uid))
            .hint("choose another with --root, or run as its owner"));
    }
    if stat.mode & 0o022 != 0 {
        return Err(refused()
            .because(format!("others may write to it (mode {:04o})", stat.mode & 0o7777))
            .hint(format!("chmod go-w {}", root.display())));
    }
    Ok(())
}

/// From the first that is missing on down; others may be at it too.
fn make_directories(path: &Path, mode: u32) -> std::result::Result<(), Errno> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let made = match (fs::mkdirat(fs::CWD, &name, mode), path.parent()) {
        (Err(Errno::ENOENT), Some(above)) if !above.as_os_str().is_empty() => {
            make_directories(above, 0o700)?;
            fs::mkdirat(fs::CWD, &name, mode)
        }
        (made, _) => made,
    };
    match made {
        Err(Errno::EEXIST) => Ok(()),
        made => made,
    }
}

fn c_path(root: &Path) -> Result<CString> {
    if root.as_os_str().is_empty() {
        return Err(Error::new("the --root option must not be empty"));
    }
    CString::new(root.as_os_str().as_bytes())
        .map_err(|_| Error::new("the --root option must not contain a NUL byte"))
}
