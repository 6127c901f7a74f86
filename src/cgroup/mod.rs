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
mod oom;
mod remove;
pub mod resctrl;
mod stats;
pub mod systemd;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dir::{Dir, open_at};
pub use make::{Made, create, refuse_used};
pub use oom::{OomWatch, Woken};
pub use stats::Stats;

use crate::error::{Error, Result, While};
use crate::host::cgroup;
use crate::host::systemd::Unit;
use crate::plan::cgroup::is_systemds;
use crate::sys::fs::{CGROUP1_MAGIC, CGROUP2_MAGIC, CWD, O_DIRECTORY, O_PATH, O_RDONLY, O_WRONLY};
use crate::sys::{self, Errno};

/// One directory in each hierarchy.
#[derive(Debug)]
pub struct Cgroup {
    dirs: Vec<Dir>,
    /// The systemd unit that they belong to.
    unit: Option<Unit>,
}

/// How a process gets into a container's cgroups.
#[derive(Debug, Default)]
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
    pub fn tasks(&self) -> &[OwnedFd] {
        &self.tasks
    }

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

/// The v2 cgroup that a process is in.
///
/// # Errors
/// Also when there is none.
pub fn birth_place_of(pid: i32) -> Result<OwnedFd> {
    let none = || Error::new(format!("unable to find the v2 cgroup of process {pid}"));
    let path = cgroup::unified_of(pid)?.ok_or_else(none)?;
    open(&BTreeMap::from([(String::new(), path)]))?.birth_place()?.ok_or_else(none)
}

/// A path without dots, which must not lead out of where it starts.
fn inside(path: &str) -> Result<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        let inside = if part == ".." {
            parts.pop().is_some()
        } else {
            parts.push(part);
            !part.contains('\0')
        };
        if !inside {
            return Err(Error::new(format!("bad sub cgroup path: {path}")));
        }
    }
    Ok(parts.join("/"))
}

/// An absolute, clean path as its directory and last name.
fn split(path: &str) -> Option<(&str, &str)> {
    let clean = path.strip_prefix('/')?.split('/').all(|part| !matches!(part, "" | "." | ".."));
    path.rsplit_once('/').filter(|(parent, _)| clean && !parent.is_empty())
}

/// Whatever the path, it stays below where it starts.
#[cfg(fuzzing)]
pub fn fuzz(path: &str) {
    if let Ok(inside) = inside(path) {
        let clean = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        assert!(inside.is_empty() || inside.split('/').all(clean), "{inside}");
    }
    if let Some((parent, name)) = split(path) {
        assert!(path.starts_with('/') && !name.contains('/') && !format!("{parent}/").contains("/../"));
    }
}

impl Cgroup {
    /// That of a systemd unit, if there is one.
    pub fn of_unit(self, unit: Option<&Unit>) -> Cgroup {
        Cgroup { unit: unit.cloned(), ..self }
    }

    pub fn join(&self) -> Result<Join> {
        Ok(Join { tasks: self.tasks()?, unified: self.birth_place()? })
    }

    /// A `tasks` file of each v1 hierarchy. A process with one thread that writes "0" moves itself
    /// without the lock and the RCU grace period that a write to cgroup.procs costs.
    pub fn tasks(&self) -> Result<Vec<OwnedFd>> {
        let open = |dir: &Dir| dir.open("tasks", O_WRONLY).or_unable(|| format!("open {}/tasks", dir.path()));
        self.dirs.iter().filter(|dir| !dir.is_unified()).map(open).collect()
    }

    /// The v2 directory, for clone3(2) with CLONE_INTO_CGROUP.
    pub fn birth_place(&self) -> Result<Option<OwnedFd>> {
        let open = |dir: &Dir| {
            dir.open("", O_RDONLY | O_DIRECTORY).or_unable(|| format!("open the cgroup {}", dir.path()))
        };
        self.unified().map(open).transpose()
    }

    /// The cgroups at paths below these (exec --cgroup), each of a v1 controller; that of "" is for all.
    pub fn below(self, paths: &BTreeMap<String, String>) -> Result<Cgroup> {
        for controller in paths.keys().filter(|controller| !controller.is_empty()) {
            if !self.dirs.iter().any(|dir| dir.has(controller)) {
                return Err(Error::new(format!("unknown controller {controller} in SubCgroupPaths")));
            }
        }
        let below = |dir: Dir| {
            let path = paths.iter().find(|(controller, _)| controller.is_empty() || dir.has(controller));
            match path.map(|(_, path)| inside(path)).transpose()?.filter(|path| !path.is_empty()) {
                Some(path) => Ok(dir.below(&path)),
                None => Ok(dir),
            }
        };
        let dirs = self.dirs.into_iter().map(below).collect::<Result<_>>()?;
        Ok(Cgroup { dirs, unit: self.unit })
    }

    /// Controllers to the absolute path of the directory, as a container's state has them.
    pub fn paths(&self) -> BTreeMap<String, String> {
        self.dirs.iter().map(|dir| (dir.controllers().to_owned(), dir.path())).collect()
    }

    /// Those of v1 have to be joined by a write, which can be read back.
    pub fn has_v1(&self) -> bool {
        self.dirs.iter().any(|dir| !dir.is_unified())
    }

    /// Is a process in each of those of v1, by its /proc/PID/cgroup?
    pub fn has(&self, text: &str) -> bool {
        let its = cgroup::of_process(text);
        let is_in = |dir: &Dir| {
            let of = |(controllers, _): &&(String, String)| controllers == dir.controllers();
            its.iter().find(of).is_some_and(|(_, path)| {
                path.strip_suffix(dir.relative()).is_some_and(|above| above.ends_with('/'))
            })
        };
        self.dirs.iter().filter(|dir| !dir.is_unified()).all(is_in)
    }

    /// The directory with a controller's files: on v2 there is but one.
    fn dir(&self, controller: &str) -> Option<&Dir> {
        self.dirs.iter().find(|dir| dir.has(controller)).or_else(|| self.v2())
    }

    /// The directory of a host with v2 alone.
    fn v2(&self) -> Option<&Dir> {
        self.unified().filter(|_| self.dirs.len() == 1)
    }

    /// The directory that systemd makes for the unit, and calls it by.
    fn of_systemd(&self) -> Option<&Dir> {
        self.dirs.iter().find(|dir| is_systemds(dir.controllers()))
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
