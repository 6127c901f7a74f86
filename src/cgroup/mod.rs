// SPDX-License-Identifier: Apache-2.0
//! The cgroups of a container: made and limited as planned, joined, frozen, killed, removed. Runs in the
//! parent only; the child joins by descriptors that were opened here.
//!
//! Every file is opened with openat2(2) by a clean path below what has proven to be a cgroup
//! filesystem, and without links, so a path in a config or in the state can name nothing else
//! (CVE-2023-6476, CVE-2025-47291). May name: plan, host, sys, error.

mod adopt;
mod devices;
mod dir;
mod freeze;
mod kill;
mod limit;
mod make;
mod remove;
pub mod systemd;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dir::{Dir, open_at};
pub use make::{Made, create, refuse_used};

use crate::error::{Error, Result, While};
use crate::host::systemd::Unit;
use crate::sys::fs::{CGROUP1_MAGIC, CGROUP2_MAGIC, CWD, O_DIRECTORY, O_PATH, O_RDONLY, O_WRONLY};
use crate::sys::{self, Errno};

/// One directory in each hierarchy.
pub struct Cgroup {
    dirs: Vec<Dir>,
    /// The systemd unit that they belong to, v2's only directory then.
    unit: Option<Unit>,
}

/// How a process gets into a container's cgroups.
#[derive(Default)]
pub struct Join {
    tasks: Vec<OwnedFd>,
    unified: Option<OwnedFd>,
}

impl Drop for Join {
    fn drop(&mut self) {
        let tasks = std::mem::take(&mut self.tasks);
        sys::close::close_all(tasks.into_iter().chain(self.unified.take()).collect());
    }
}

impl Join {
    /// The `tasks` file of each v1 hierarchy. A process with one thread that writes "0" moves itself
    /// without the lock and the RCU grace period that a write to cgroup.procs costs.
    pub fn tasks(&self) -> &[OwnedFd] {
        &self.tasks
    }

    /// The v2 directory, for clone3(2) with CLONE_INTO_CGROUP.
    pub fn into_cgroup(&self) -> Option<BorrowedFd<'_>> {
        self.unified.as_ref().map(AsFd::as_fd)
    }
}

/// The cgroups of an existing container, from the paths in its state. What is gone is no error: it may
/// have been removed by a delete that was cut short.
pub fn open(paths: &BTreeMap<String, String>) -> Result<Cgroup> {
    let mut dirs = Vec::new();
    for (controllers, path) in paths {
        let what = || format!("open the parent of the cgroup {path}");
        let (parent, name) = split(path).ok_or(Errno::EINVAL).or_unable(what)?;
        let base = match open_at(CWD, parent, O_PATH | O_DIRECTORY) {
            Err(Errno::ENOENT) => continue,
            result => result.or_unable(what)?,
        };
        // The parent is on a cgroup filesystem too: so the cgroup is never a root, with all the host's
        // processes in it.
        let magic = if controllers.is_empty() { CGROUP2_MAGIC } else { CGROUP1_MAGIC };
        if sys::fs::filesystem_magic(base.as_fd()).or_unable(what)? != magic {
            return Err(
                Error::new(format!("unable to {}", what())).because("it is not in a cgroup filesystem")
            );
        }
        dirs.push(Dir::new(controllers, parent, name));
    }
    Ok(Cgroup { dirs, unit: None })
}

/// An absolute, clean path as its directory and last name.
fn split(path: &str) -> Option<(&str, &str)> {
    let clean = path.strip_prefix('/')?.split('/').all(|part| !matches!(part, "" | "." | ".."));
    path.rsplit_once('/').filter(|_| clean)
}

impl Cgroup {
    /// That of a systemd unit, if there is one.
    pub fn of_unit(self, unit: Option<&Unit>) -> Cgroup {
        Cgroup { unit: unit.cloned(), ..self }
    }

    pub fn join(&self) -> Result<Join> {
        let mut join = Join::default();
        for dir in &self.dirs {
            dir.open_join(&mut join)?;
        }
        Ok(join)
    }

    /// The cgroup at a path below this one, in the hierarchies of `controller` or in all (exec --cgroup).
    pub fn below(self, controller: Option<&str>, path: &str) -> Result<Cgroup> {
        if path.split('/').any(|part| part == "..") || path.contains('\0') {
            return Err(Error::new(format!("bad sub cgroup path: {path}")));
        }
        if controller.is_some_and(|controller| self.dir(controller).is_none()) {
            let controller = controller.unwrap_or_default();
            return Err(Error::new(format!("unknown controller {controller} in the sub cgroup path")));
        }
        let selected = |dir: &Dir| controller.is_none_or(|controller| dir.has(controller));
        let dirs = self.dirs.into_iter();
        let dirs = dirs.map(|dir| if selected(&dir) { dir.below(path) } else { dir }).collect();
        Ok(Cgroup { dirs, unit: self.unit })
    }

    /// Controllers to the absolute path of the directory, as a container's state has them.
    pub fn paths(&self) -> BTreeMap<String, String> {
        self.dirs.iter().map(|dir| (dir.controllers().to_owned(), dir.path())).collect()
    }

    /// Processes that the kernel's OOM killer has ended here.
    pub fn oom_kills(&self) -> u64 {
        let Some(dir) = self.dir("memory") else { return 0 };
        let file = if dir.is_unified() { "memory.events" } else { "memory.oom_control" };
        let text = dir.read(file).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// The directory with a controller's files: on v2 there is but one.
    fn dir(&self, controller: &str) -> Option<&Dir> {
        self.dirs.iter().find(|dir| dir.has(controller)).or_else(|| self.v2())
    }

    /// The directory of a host with v2 alone.
    fn v2(&self) -> Option<&Dir> {
        self.unified().filter(|_| self.dirs.len() == 1)
    }

    /// The v2 directory, on a hybrid host too.
    fn unified(&self) -> Option<&Dir> {
        self.dirs.iter().find(|dir| dir.is_unified())
    }

    /// Where the container's processes are counted and frozen.
    fn main(&self) -> Option<&Dir> {
        let v1 = || ["freezer", "devices"].iter().find_map(|c| self.dirs.iter().find(|dir| dir.has(c)));
        self.v2().or_else(v1).or_else(|| self.dirs.first())
    }
}

impl Dir {
    fn open_join(&self, join: &mut Join) -> Result<()> {
        if self.is_unified() {
            let fd = self.open("", O_RDONLY | O_DIRECTORY);
            join.unified = Some(fd.or_unable(|| format!("open the cgroup {}", self.path()))?);
        } else {
            let fd = self.open("tasks", O_WRONLY);
            join.tasks.push(fd.or_unable(|| format!("open {}/tasks", self.path()))?);
        }
        Ok(())
    }
}
