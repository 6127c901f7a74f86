// SPDX-License-Identifier: Apache-2.0
//! Puts the device rules in force: lines for a v1 devices cgroup, an eBPF program on v2.

use std::os::fd::{AsFd, OwnedFd};

use super::Cgroup;
use super::dir::Dir;
use crate::error::{Error, Result, While};
use crate::plan::cgroup::{Change, Devices, Limits, compile};
use crate::sys::fs::{O_DIRECTORY, O_RDONLY, O_WRONLY};
use crate::sys::{self, Errno};

const PLACE: &str = "/linux/resources/devices";

/// For a container that has not started: whatever was allowed before is forgotten first.
pub(super) fn set(cgroup: &Cgroup, limits: &Limits) -> Result<()> {
    let dir = cgroup.dir("devices");
    let result = match (cgroup.v2(), dir) {
        (Some(dir), _) => attach(dir, &limits.devices),
        (None, Some(dir)) => write(dir, &limits.devices.changes(None)),
        (None, None) => Err(Error::new("unable to restrict devices").because("no devices cgroup")),
    };
    if limits.devices_optional { Ok(()) } else { result.map_err(|e| e.at(PLACE)) }
}

/// For a container that may be running: nothing that stays allowed is shut in between.
pub(super) fn update(cgroup: &Cgroup, devices: &Devices) -> Result<()> {
    let result = match (cgroup.v2(), cgroup.dir("devices")) {
        (Some(dir), _) => attach(dir, devices),
        (None, Some(dir)) => update_v1(dir, devices),
        (None, None) => Err(Error::new("unable to restrict devices").because("no devices cgroup")),
    };
    result.map_err(|e| e.at(PLACE))
}

fn update_v1(dir: &Dir, devices: &Devices) -> Result<()> {
    write(dir, &devices.changes(listed(dir)?.as_ref()))?;
    // The kernel passes over without a word what it cannot express.
    let now = listed(dir)?;
    let same = now.as_ref().is_some_and(|now| if devices.allowed { now.allowed } else { now == devices });
    if same { Ok(()) } else { Err(Error::new("the devices cgroup does not show the rules given to it")) }
}

fn listed(dir: &Dir) -> Result<Option<Devices>> {
    let list = dir.read("devices.list").or_unable(|| format!("read {}/devices.list", dir.path()))?;
    Ok(Devices::parse_list(&list))
}

fn write(dir: &Dir, changes: &[Change]) -> Result<()> {
    let mut open: Option<(&str, OwnedFd)> = None;
    for change in changes {
        let file = if change.allow { "devices.allow" } else { "devices.deny" };
        let unable = || format!("write {:?} to {}/{file}", change.rule, dir.path());
        let fd = match open.take() {
            Some((name, fd)) if name == file => fd,
            _ => dir.open(file, O_WRONLY).or_unable(unable)?,
        };
        sys::fs::write(fd.as_fd(), change.rule.as_bytes()).or_unable(unable)?;
        open = Some((file, fd));
    }
    Ok(())
}

/// Our program takes the place of the only one that is there, in one step. Of several, those that were
/// there before are detached after: every attached program must allow a device.
fn attach(dir: &Dir, devices: &Devices) -> Result<()> {
    let unable = || format!("attach the device filter to the cgroup {}", dir.path());
    let cgroup = dir.open("", O_RDONLY | O_DIRECTORY).or_unable(unable)?;
    let program = load(&compile(devices)).or_unable(|| "load the device filter".to_owned())?;
    let mut old = Vec::new();
    for id in sys::device::attached(cgroup.as_fd()).or_unable(unable)? {
        match sys::device::open_program(id) {
            Ok(program) => old.push(program),
            // Gone meanwhile, or guarded by a security module: not ours to replace.
            Err(Errno::ENOENT | Errno::EACCES) => {}
            Err(e) => return Err(e).or_unable(unable),
        }
    }
    if let [only] = old.as_slice() {
        match sys::device::attach(cgroup.as_fd(), program.as_fd(), Some(only.as_fd())) {
            // One that was attached without ALLOW_MULTI cannot be replaced.
            Err(Errno::EINVAL | Errno::ENOENT | Errno::EPERM) => {}
            result => return result.or_unable(unable),
        }
    }
    sys::device::attach(cgroup.as_fd(), program.as_fd(), None).or_unable(unable)?;
    for program in old {
        sys::device::detach(cgroup.as_fd(), program.as_fd()).or_unable(unable)?;
    }
    Ok(())
}

fn load(program: &[u64]) -> sys::Result<OwnedFd> {
    match sys::device::load(program) {
        Err(Errno::EPERM) => sys::process::with_unlimited_memlock(|| sys::device::load(program)),
        result => result,
    }
}
