// SPDX-License-Identifier: Apache-2.0
//! Containers as the state directory (--root) keeps them: a directory each, with a lock, the state, the
//! config and the fifo that `start` writes to. Runs in the caller's process, never in init.
//!
//! The state is the journal too: it is there before the first effect outside of the directory, and `delete`
//! undoes what it tells. Whoever changes a container holds its lock; `kill` and `state` never wait for it.
//! May name: host, sys, error. Files go by descriptor, and none is read before it has proven to be ours.

mod fifo;
mod file;
mod id;
mod lock;
mod process;
mod remove;
mod root;
mod state;
mod status;
mod store;
#[cfg(test)]
mod tests;
pub mod time;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use crate::error::{Error, Kind, Result, While};
use crate::sys::{Errno, fs};

pub use fifo::Started;
pub use id::ContainerId;
pub use lock::Locked;
pub use process::{ProcessRef, signal, wait_for_end};
pub use root::default_root;
pub use state::{CgroupRecord, Driver, Pending, Phase, ResctrlRecord, State};
pub use status::Status;
pub use store::Store;

/// A container that was there when it was opened.
pub struct Container {
    id: ContainerId,
    /// The id, as the directory's name.
    name: CString,
    dir: OwnedFd,
    root: Rc<OwnedFd>,
}

impl Container {
    fn open(root: &Rc<OwnedFd>, id: &ContainerId) -> Result<Container> {
        let name = id.name();
        let flags = fs::O_PATH | fs::O_DIRECTORY | fs::O_NOFOLLOW;
        match fs::openat2(root.as_fd(), &name, flags, 0, fs::Resolve::Beneath) {
            Err(Errno::ENOENT) => Err(not_found()),
            result => {
                let dir = result.or_unable(|| format!("open the directory of container {id}"))?;
                Ok(Container { id: id.clone(), name, dir, root: Rc::clone(root) })
            }
        }
    }

    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// The container's own directory.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Is the open directory still the one that bears the id?
    fn is_there(&self) -> Result<bool> {
        let held = fs::fstat(self.dir()).or_unable(|| format!("examine container {}", self.id))?;
        match fs::lstatat(self.root.as_fd(), &self.name) {
            Err(Errno::ENOENT) => Ok(false),
            result => {
                let named = result.or_unable(|| format!("examine container {}", self.id))?;
                Ok((held.device, held.inode) == (named.device, named.inode))
            }
        }
    }

    /// The config.json that the container was created from: what lies in the bundle may have changed since.
    pub fn config(&self) -> Result<Vec<u8>> {
        const LIMIT: usize = 32 << 20;
        file::read(self.dir(), c"config.json", LIMIT).map_err(|e| self.unreadable("config.json", e))
    }

    fn unreadable(&self, name: &str, refused: file::Refused) -> Error {
        let what = format!("unable to read {name} of container {}", self.id);
        match refused {
            file::Refused::Errno(errno) => Error::sys(what, errno),
            file::Refused::Because(why) => Error::new(what)
                .because(why)
                .hint("this is not the file that the runtime wrote: something else changes its directory"),
        }
    }
}

impl Locked {
    /// For the socket of sd_notify; the container sees it as /run/notify.
    pub fn make_notify_dir(&self) -> Result<()> {
        fs::mkdirat(self.dir(), c"notify", 0o755)
            .or_unable(|| format!("make the notification directory of container {}", self.id))
    }

    pub fn save_config(&self, config: &[u8]) -> Result<()> {
        file::replace(self.dir(), c"config.json", config)
            .or_unable(|| format!("save config.json of container {}", self.id))
    }
}

/// Just these words: containerd and Docker look for them.
pub fn not_found() -> Error {
    Error::new("container does not exist").of_kind(Kind::NotFound)
}
