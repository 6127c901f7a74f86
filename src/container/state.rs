// SPDX-License-Identifier: Apache-2.0
//! What is kept of a container between two commands: the journal of a creation, and then the state.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::file::{self, Refused};
use super::process::ProcessRef;
use super::{Container, ContainerId, Locked, not_found, time};
use crate::error::{Error, Result, While};
use crate::host::systemd::Unit;
use crate::sys::{Errno, cred, fs};

const NAME: &CStr = c"state.json";

/// More than any config can make it: the annotations are the one part without a bound.
const LIMIT: usize = 4 << 20;

/// How far the container has come. What is so now, and may change by itself, is the `Status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    #[default]
    Creating,
    /// Its init waits for `start`, as long as the fifo is there.
    Created,
    Running,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    Cgroupfs,
    Systemd,
}

/// Where the container's cgroup is. Whoever uses a path of these verifies that it is in cgroupfs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupRecord {
    pub driver: Driver,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The absolute path of the directory in each hierarchy, by its controllers as /proc/self/cgroup has them.
    pub paths: BTreeMap<String, String>,
}

/// The group of `linux.intelRdt`, and what of it goes with the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResctrlRecord {
    pub group: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub id: String,
    /// Pids and cgroups of another boot are none of ours.
    pub boot_id: String,
    pub phase: Phase,
    /// Who creates it; None in a state that was not yet written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<ProcessRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<ProcessRef>,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    /// RFC 3339 in UTC with nanoseconds.
    pub created: String,
    /// The user who created it.
    pub owner: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupRecord>,
    /// The `CLONE_NEW*` flags of the namespaces in which init is not with its creator.
    pub namespaces: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resctrl: Option<ResctrlRecord>,
}

impl State {
    /// The journal of a creation that begins now, by this process. The rest is the caller's to fill in.
    pub fn creating(id: &ContainerId, creator: ProcessRef) -> Result<State> {
        let boot = boot_id()?;
        Ok(State { boot_id: boot, creator: Some(creator), ..State::unwritten(id) })
    }

    /// What is known of a container whose creator has not come to write its journal: it has had no effect
    /// outside of the directory then.
    fn unwritten(id: &ContainerId) -> State {
        State {
            id: id.as_str().to_owned(),
            created: time::now(),
            owner: cred::effective_uid(),
            ..State::default()
        }
    }

    /// A pidfd of the container's init; None when there is none, or none any more.
    ///
    /// # Errors
    /// When it cannot be told whether it lives.
    pub fn open_init(&self) -> Result<Option<OwnedFd>> {
        self.find(self.init)
    }

    pub(super) fn find(&self, process: Option<ProcessRef>) -> Result<Option<OwnedFd>> {
        let Some(process) = process else { return Ok(None) };
        // The boot id last: for a process that has ended it is not needed.
        match process.open()? {
            Some(pidfd) if boot_id()? == self.boot_id => Ok(Some(pidfd)),
            _ => Ok(None),
        }
    }
}

/// Changes with every boot of the machine.
fn boot_id() -> Result<String> {
    let mut buf = [0; 64];
    let path = c"/proc/sys/kernel/random/boot_id";
    let read = fs::open(path, fs::O_RDONLY).and_then(|file| fs::read(file.as_fd(), &mut buf));
    let n = read.or_unable(|| "read /proc/sys/kernel/random/boot_id".into())?;
    Ok(String::from_utf8_lossy(buf[..n].trim_ascii_end()).into_owned())
}

impl Container {
    /// Without a lock: the file is replaced whole.
    ///
    /// # Errors
    /// `NotFound` when the container was deleted after it was opened.
    pub fn state(&self) -> Result<State> {
        let data = match file::read(self.dir(), NAME, LIMIT) {
            Err(Refused::Errno(Errno::ENOENT)) if !self.is_there()? => return Err(not_found()),
            Err(Refused::Errno(Errno::ENOENT)) => return Ok(State::unwritten(&self.id)),
            result => result.map_err(|refused| self.unreadable("state.json", refused))?,
        };
        let broken = |why: String| self.unreadable("state.json", Refused::Because(why));
        match serde_json::from_slice::<State>(&data) {
            Ok(state) if state.id == self.id.as_str() => Ok(state),
            Ok(state) => Err(broken(format!("it tells of container {:?}", state.id))),
            // Cut short, by a crash of the machine or a full disk: nothing lives that it could tell of.
            Err(error) if error.is_eof() => Ok(State::unwritten(&self.id)),
            Err(error) => Err(broken(error.to_string())),
        }
    }
}

/// A state that is written, and not yet the container's.
#[must_use]
pub struct Pending(file::Pending);

impl Locked {
    pub fn save(&self, state: &State) -> Result<()> {
        self.publish(self.prepare(state)?)
    }

    pub fn prepare(&self, state: &State) -> Result<Pending> {
        let json = serde_json::to_vec(state)
            .map_err(|e| Error::new(format!("unable to {}", self.saving())).because(e.to_string()))?;
        file::write(self.dir(), &json).map(Pending).or_unable(|| self.saving())
    }

    pub fn publish(&self, pending: Pending) -> Result<()> {
        file::publish(self.dir(), pending.0, NAME).or_unable(|| self.saving())
    }

    fn saving(&self) -> String {
        format!("save the state of container {}", self.id())
    }
}
