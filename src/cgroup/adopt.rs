// SPDX-License-Identifier: Apache-2.0
//! How processes get into a cgroup that systemd makes: init with the unit, others by being moved.

use std::time::{Duration, Instant};

use super::dir::Dir;
use super::systemd::{self, Started};
use super::{Cgroup, Made};
use crate::error::{Error, Result, While};
use crate::host::systemd::Bus;
use crate::plan::cgroup::{Kind, is_systemds};
use crate::sys::{self, Errno};

/// For a job that systemd has taken up when it was executed anew.
const JOB: Duration = Duration::from_secs(10);

impl Made<'_> {
    /// systemd makes a unit with its cgroup around a process that waits for it.
    pub fn adopt(&self, pid: i32) -> Result<()> {
        let (Some(unit), Some(dir)) = (&self.plan.unit, self.cgroup.of_systemd()) else { return Ok(()) };
        self.started.set(true);
        match systemd::start(unit, &self.plan.limits.properties, pid)? {
            Started::Ours => {}
            Started::Perhaps(_) if comes_into(dir, pid) => {}
            Started::Another(error) | Started::Perhaps(error) => {
                self.started.set(false);
                return Err(error);
            }
        }
        if unit.kind == Kind::Slice {
            for dir in self.cgroup.dirs.iter().filter(|dir| is_systemds(dir.controllers())) {
                dir.write("cgroup.procs", &pid.to_string())
                    .or_unable(|| format!("move init into the cgroup {}", dir.path()))?;
            }
        }
        // Whatever its name and its manager's cgroup have led us to: is this where it is?
        let pids = dir.pids().or_unable(|| format!("read the processes of the cgroup {}", dir.path()))?;
        if !pids.contains(&pid) {
            let error = Error::new(format!("systemd has not put init into the cgroup {}", dir.path()));
            return Err(error.at("/linux/cgroupsPath"));
        }
        if self.plan.is_v2() { self.enable_controllers(dir) } else { self.complete(pid) }
    }
}

/// Does systemd, whose job that is, put a process into the cgroup? Not if it is there because we are.
fn comes_into(dir: &Dir, pid: i32) -> bool {
    let deadline = Instant::now() + JOB;
    loop {
        match dir.pids() {
            Ok(pids) if pids.contains(&pid) => return !pids.contains(&sys::process::getpid()),
            _ if Instant::now() >= deadline => return false,
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

impl Cgroup {
    /// Below the manager of a user: a process from another part of the tree, as a login session's, cannot
    /// be born there but must be moved, by systemd.
    pub fn is_users(&self) -> bool {
        self.unit.as_ref().is_some_and(|unit| unit.bus == Bus::User)
    }

    /// Moves a process that waits for it into the unit.
    pub fn admit(&self, pid: i32) -> Result<()> {
        let (Some(unit), [dir]) = (&self.unit, self.dirs.as_slice()) else { return Ok(()) };
        match dir.write("cgroup.procs", &pid.to_string()) {
            Err(Errno::EACCES | Errno::EPERM) => systemd::attach(unit, &dir.below_unit(&unit.name), pid),
            result => result.or_unable(|| format!("move a process into the cgroup {}", dir.path())),
        }
    }
}
