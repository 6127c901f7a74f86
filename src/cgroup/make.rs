// SPDX-License-Identifier: Apache-2.0
//! Makes the planned directories, undone on drop until they are kept. The usual case of one new
//! directory below an existing one is a single mkdirat(2) a hierarchy; the rest is looked at only when
//! that call says so.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::os::fd::OwnedFd;

use super::dir::{Dir, value, write_at};
use super::{Cgroup, devices, limit, remove};
use crate::error::{Error, Result, While};
use crate::plan::cgroup::{CgroupPlan, Place, Stage, is_systemds};
use crate::sys::fs::CWD;
use crate::sys::{self, Errno};

/// The cgroups of a container that is being created.
pub struct Made<'p> {
    pub(super) plan: &'p CgroupPlan,
    pub(super) cgroup: Cgroup,
    /// Directories that were not there: the hierarchy's index and the path below its mount, parents first.
    created: RefCell<Vec<(usize, String)>>,
    /// The unit was asked for: from here on it is ours to stop.
    pub(super) started: Cell<bool>,
}

/// Where a container's processes will be killed by cgroup, no others may be: to be called before these
/// paths go into a state that `delete --force` would act upon.
pub fn refuse_used(plan: &CgroupPlan) -> Result<()> {
    let key = ["freezer", "devices", ""].iter().find_map(|c| plan.places.iter().find(|place| place.has(c)));
    let Some(place) = key else { return Ok(()) };
    let path = CString::new(format!("{}/{}", place.mount, place.relative)).unwrap_or_default();
    match sys::fs::lstatat(CWD, &path) {
        // Whatever else is wrong, `create` will find it and say so.
        Err(_) => Ok(()),
        Ok(_) => super::open(&plan.paths())?.refuse_used(),
    }
}

/// All that init needs to be born: the v2 cgroup, whose directory is for clone3(2) with CLONE_INTO_CGROUP. The others can be
/// made while it is (`add_v1`).
pub fn create(plan: &CgroupPlan) -> Result<(Made<'_>, Option<OwnedFd>)> {
    let unit = plan.unit.as_ref().map(|unit| unit.unit.clone());
    let cgroup = Cgroup { dirs: Vec::with_capacity(plan.places.len()), unit };
    let created = RefCell::new(Vec::new());
    let mut made = Made { plan, cgroup, created, started: Cell::new(false) };
    if plan.unit.is_some() {
        let dirs =
            plan.places.iter().map(|place| Dir::new(&place.controllers, &place.mount, &place.relative));
        made.cgroup.dirs.extend(dirs);
        return Ok((made, None));
    }
    made.add_all(Place::is_unified)?;
    if plan.is_v2() {
        made.apply_first()?;
    }
    let birth_place = made.cgroup.birth_place()?;
    Ok((made, birth_place))
}

impl Made<'_> {
    /// Those that init joins, by the files that are returned.
    pub fn add_v1(&mut self) -> Result<Vec<OwnedFd>> {
        self.add_all(|place| !place.is_unified())?;
        self.apply_first()?;
        self.cgroup.tasks()
    }

    fn add_all(&mut self, selected: impl Fn(&Place) -> bool) -> Result<()> {
        for place in self.plan.places.iter().filter(|place| selected(place)) {
            self.add(place).map_err(|e| e.context("unable to apply cgroup configuration"))?;
        }
        Ok(())
    }

    /// What can be set only as long as nobody is in it.
    fn apply_first(&self) -> Result<()> {
        let writes = &self.plan.limits.writes;
        limit::apply(&self.cgroup, writes.iter().filter(|write| write.stage == Stage::Make))
    }

    pub fn plan(&self) -> &CgroupPlan {
        self.plan
    }

    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// `linux.resources.devices`.
    pub fn restrict_devices(&self) -> Result<()> {
        devices::set(&self.cgroup, &self.plan.limits)
    }

    /// Everything else that `linux.resources` asks for.
    pub fn limit(&self) -> Result<()> {
        let limits = &self.plan.limits;
        limit::check_usage(&self.cgroup, limits)?;
        limit::apply(&self.cgroup, limits.writes.iter().filter(|write| write.stage == Stage::Limit))
    }

    /// They are the container's from here on.
    pub fn keep(mut self) -> Cgroup {
        self.created.get_mut().clear();
        self.started.set(false);
        Cgroup { dirs: std::mem::take(&mut self.cgroup.dirs), unit: self.cgroup.unit.take() }
    }

    fn add(&mut self, place: &Place) -> Result<()> {
        let index = self.cgroup.dirs.len();
        self.cgroup.dirs.push(Dir::new(&place.controllers, &place.mount, &place.relative));
        match self.mkdir(index) {
            Ok(new) => self.prepare(&self.cgroup.dirs[index], new),
            // Without a limit to set, a rootless container goes on in the cgroup of its creator.
            Err(errno @ (Errno::EACCES | Errno::EPERM | Errno::EROFS)) if self.plan.optional => {
                self.undo(|created| created == index);
                self.cgroup.dirs.pop();
                if self.plan.is_v2() && !self.plan.limits.writes.is_empty() {
                    // The words are runc's; on v1 the same is said of the limit itself.
                    let rule = "rootless needs no limits + no cgrouppath when no permission is granted";
                    return Err(Error::sys(format!("{rule} for cgroups"), errno));
                }
                Ok(())
            }
            result => {
                result.or_unable(|| format!("make the cgroup {}/{}", place.mount, place.relative)).map(drop)
            }
        }
    }

    /// The hierarchies of v1 that systemd leaves alone, or makes no cgroup in for this unit: with init in them. After it
    /// has made the unit, as it removes what is empty below a slice that ends.
    pub(super) fn complete(&self, pid: i32) -> Result<()> {
        let others =
            || self.cgroup.dirs.iter().enumerate().filter(|(_, dir)| !is_systemds(dir.controllers()));
        for (index, dir) in others() {
            let new = self.mkdir(index).or_unable(|| format!("make the cgroup {}", dir.path()))?;
            if dir.has("cpuset") {
                self.fill_cpuset(dir, new)?;
            }
        }
        self.apply_first()?;
        for (_, dir) in others() {
            dir.write("tasks", &pid.to_string())
                .or_unable(|| format!("move init into the cgroup {}", dir.path()))?;
        }
        Ok(())
    }

    /// Removes what was made in the selected hierarchies, children first. Should it fail, the state still
    /// names the path for `delete`.
    fn undo(&mut self, selected: impl Fn(usize) -> bool) {
        let deadline = remove::deadline();
        for (index, path) in self.created.borrow().iter().rev().filter(|(index, _)| selected(*index)) {
            let dir = &self.cgroup.dirs[*index];
            let _ = if path == dir.relative() {
                remove::tree(&dir.path(), deadline)
            } else {
                // Another container may have come to live below it.
                remove::empty(&dir.sibling(path))
            };
        }
        self.created.get_mut().retain(|(index, _)| !selected(*index));
    }

    /// True when the cgroup is new; its missing ancestors are made too. Again when another container's
    /// failed create has just taken an ancestor away that both use.
    fn mkdir(&self, index: usize) -> sys::Result<bool> {
        let dir = &self.cgroup.dirs[index];
        let relative = dir.relative();
        let make = |path: &str| match mkdir(&dir.sibling(path)) {
            Err(Errno::EEXIST) => Ok(false),
            result => result.map(|()| {
                self.created.borrow_mut().push((index, path.to_owned()));
                true
            }),
        };
        for _ in 0..100 {
            match make(relative) {
                Err(Errno::ENOENT) => {}
                result => return result,
            }
            for (end, _) in relative.match_indices('/') {
                match make(&relative[..end]) {
                    Err(Errno::ENOENT) => break,
                    result => result?,
                };
            }
        }
        Err(Errno::ENOENT)
    }

    /// Makes a directory one that a process can join.
    fn prepare(&self, dir: &Dir, new: bool) -> Result<()> {
        if !new {
            dir.refuse_used()?;
        }
        if dir.has("cpuset") {
            self.fill_cpuset(dir, new)?;
        }
        if self.plan.is_v2() {
            self.enable_controllers(dir)?;
        }
        Ok(())
    }

    /// A v1 cpuset is born empty. What the config does not set is its parent's, as is all of the parent's
    /// if that is empty too.
    fn fill_cpuset(&self, dir: &Dir, new: bool) -> Result<()> {
        let parent = parent(dir.relative());
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let unable = || format!("copy {file} from the parent of the cgroup {}", dir.path());
            if self.plan.limits.writes.iter().any(|write| write.file == file) {
                if !parent.is_empty() {
                    inherit(dir, parent, file).or_unable(unable)?;
                }
            } else if new {
                let value = inherit(dir, parent, file).or_unable(unable)?;
                dir.write(file, &value).or_unable(unable)?;
            } else {
                inherit(dir, dir.relative(), file).or_unable(unable)?;
            }
        }
        Ok(())
    }

    /// A v2 cgroup has the controllers that its parent hands on, which are those handed on to it.
    pub(super) fn enable_controllers(&self, dir: &Dir) -> Result<()> {
        let unable = || format!("enable the controllers of the cgroup {}", dir.path());
        let available = value(&dir.sibling("cgroup.controllers")).or_unable(unable)?;
        let wanted: Vec<&str> = available.split_whitespace().collect();
        let handed = value(&control(dir, parent(dir.relative()))).or_unable(unable)?;
        if !wanted.iter().all(|controller| handed.split_whitespace().any(|h| h == *controller)) {
            let all = wanted.iter().map(|c| format!("+{c}")).collect::<Vec<_>>();
            let ends = dir.relative().match_indices('/').map(|(i, _)| i);
            for ancestor in [""].into_iter().chain(ends.map(|end| &dir.relative()[..end])) {
                if write_at(CWD, &control(dir, ancestor), &all.join(" ")).is_err() {
                    // One that cannot be had must not keep the others away. What is missing in the end
                    // is told by the write that needs it.
                    for one in &all {
                        let _ = write_at(CWD, &control(dir, ancestor), one);
                    }
                }
            }
        }
        self.settle_type(dir)
    }

    /// Below a threaded cgroup only some controllers work.
    fn settle_type(&self, dir: &Dir) -> Result<()> {
        let kind = value(&format!("{}/cgroup.type", dir.path()));
        let kind = kind.or_unable(|| format!("read cgroup.type of the cgroup {}", dir.path()))?;
        if kind == "domain" {
            return Ok(());
        }
        let domain = ["memory", "io", "cpu", "hugetlb"];
        let Some(write) = self.plan.limits.writes.iter().find(|w| domain.contains(&w.controller.as_str()))
        else {
            if kind == "domain invalid" {
                let _ = dir.write("cgroup.type", "threaded");
            }
            return Ok(());
        };
        let state = if kind == "domain invalid" {
            "in an invalid state".to_owned()
        } else {
            format!("in {kind} mode")
        };
        let error = Error::new(format!("cannot enter cgroupv2 {:?} with domain controllers", dir.path()));
        Err(error.at(write.place.as_str()).because(format!("it is {state}")))
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.started.get() {
            // The state still names the unit for `delete`.
            let _ = self.cgroup.stop_unit();
        }
        self.undo(|_| true);
    }
}

impl Cgroup {
    fn refuse_used(&self) -> Result<()> {
        self.dirs.iter().try_for_each(Dir::refuse_used)
    }
}

impl Dir {
    /// A cgroup that was there before must have no processes and must not be frozen. The words are runc's.
    fn refuse_used(&self) -> Result<()> {
        let pids = self.pids().or_unable(|| format!("read the processes of the cgroup {}", self.path()))?;
        if !pids.is_empty() {
            let count = pids.len();
            let error = Error::new(format!("container's cgroup is not empty: {count} process(es) found"));
            return Err(error.hint(format!("the cgroup is {}", self.path())));
        }
        let frozen = self.is_unified() || self.has("freezer");
        if frozen
            && self.is_frozen().or_unable(|| format!("read the freezer of the cgroup {}", self.path()))?
        {
            let error = Error::new("container's cgroup unexpectedly frozen");
            return Err(error.hint(format!("the cgroup is {}", self.path())));
        }
        Ok(())
    }
}

fn mkdir(path: &str) -> sys::Result<()> {
    sys::fs::mkdirat(CWD, &CString::new(path).map_err(|_| Errno::EINVAL)?, 0o755)
}

fn parent(relative: &str) -> &str {
    relative.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn control(dir: &Dir, relative: &str) -> String {
    format!("{}/cgroup.subtree_control", dir.sibling(relative))
}

/// The value of a cpuset file, filled from above where it is empty.
fn inherit(dir: &Dir, relative: &str, file: &str) -> sys::Result<String> {
    let path = format!("{}/{file}", dir.sibling(relative));
    let here = value(&path)?;
    if !here.is_empty() || relative.is_empty() {
        return Ok(here);
    }
    let above = inherit(dir, parent(relative), file)?;
    write_at(CWD, &path, &above)?;
    Ok(above)
}
