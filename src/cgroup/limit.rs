// SPDX-License-Identifier: Apache-2.0
//! Writes the planned values, and takes them back when an update of a running container fails half-way.

use super::dir::Dir;
use super::{Cgroup, devices};
use crate::error::{Error, Result, While};
use crate::plan::cgroup::{Invalid, Limits, Missing, Write, no_cgroup};
use crate::sys::{self, Errno};

/// In order. A value that the kernel refuses because of an old one of its neighbour (period and quota,
/// memory and memory+swap) is written again after that one.
pub(super) fn apply<'w>(cgroup: &Cgroup, writes: impl Iterator<Item = &'w Write>) -> Result<()> {
    let mut deferred: Vec<&Write> = Vec::new();
    for write in writes {
        let dir = cgroup.dir(&write.controller).ok_or_else(|| no_cgroup(write))?;
        match (put(dir, write), write.invalid) {
            (Err(Errno::EINVAL), Invalid::Defer) => deferred.push(write),
            (Err(errno), _) => return Err(explain(dir, write, errno)),
            (Ok(()), Invalid::Defer) => {}
            (Ok(()), Invalid::Fatal) => {
                for write in deferred.drain(..) {
                    put(dir, write).map_err(|errno| explain(dir, write, errno))?;
                }
            }
        }
    }
    Ok(())
}

fn put(dir: &Dir, write: &Write) -> sys::Result<()> {
    match (dir.write(&write.file, &write.value), &write.missing) {
        (Err(Errno::ENOENT), Missing::Skip) => Ok(()),
        (Err(Errno::ENOENT), Missing::Instead { file, value }) => dir.write(file, value),
        (result, _) => result,
    }
}

fn explain(dir: &Dir, write: &Write, errno: Errno) -> Error {
    let Write { file, value, place, controller, .. } = write;
    if errno == Errno::EBUSY && file == "memory.limit_in_bytes" {
        let number = |file: &str| dir.read(file).unwrap_or_default().trim().to_owned();
        let (usage, peak) = (number("memory.usage_in_bytes"), number("memory.max_usage_in_bytes"));
        let what = format!("unable to set memory limit to {value}");
        return Error::new(format!("{what} (current usage: {usage}, peak usage: {peak})")).at(place.as_str());
    }
    let error = Error::sys(format!("unable to write {value:?} to {}/{file}", dir.path()), errno);
    let error = error.at(place.as_str());
    if errno == Errno::ENOENT && dir.is_unified() {
        return error.because(format!("controller {controller:?} not available"));
    }
    error
}

/// `memory.checkBeforeUpdate`, on v2, where a limit below the usage ends in OOM kills. The words are runc's.
pub(super) fn check_usage(cgroup: &Cgroup, limits: &Limits) -> Result<()> {
    let (Some(check), Some(dir)) = (limits.usage, cgroup.v2()) else { return Ok(()) };
    let Some(usage) = dir.read("memory.current").ok().and_then(|text| text.trim().parse::<u64>().ok()) else {
        return Ok(());
    };
    for (what, field, limit) in [("memory+swap", "swap", check.swap), ("memory", "limit", check.limit)] {
        if limit > 0 && limit <= usage {
            let error = Error::new(format!("rejecting {what} limit {limit} <= usage {usage}"));
            return Err(error.at(format!("/linux/resources/memory/{field}")));
        }
    }
    Ok(())
}

impl Cgroup {
    /// Gives a container new limits. When one is refused, those that `old` has for the container are
    /// written back.
    pub fn update(&self, new: &Limits, old: &Limits) -> Result<()> {
        let change = |limits: &Limits| {
            check_usage(self, limits)?;
            apply(self, limits.writes.iter())?;
            if new.devices == old.devices { Ok(()) } else { devices::update(self, &limits.devices) }
        };
        change(new).inspect_err(|_| {
            let _ = change(old);
        })
    }

    /// Single values, for messages and statistics.
    pub fn value(&self, controller: &str, file: &str) -> Result<String> {
        let dir = self.dir(controller).ok_or_else(|| Error::new(format!("no {controller} cgroup")))?;
        dir.read(file).or_unable(|| format!("read {}/{file}", dir.path()))
    }
}
