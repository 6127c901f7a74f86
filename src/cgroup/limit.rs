// SPDX-License-Identifier: Apache-2.0
//! Writes the planned values, and takes them back when an update of a running container fails half-way.

use std::time::Duration;

use super::dir::Dir;
use super::{Cgroup, devices, systemd};
use crate::error::{Error, Result, While};
use crate::plan::cgroup::{Devices, Invalid, Limits, Missing, Write, no_cgroup};
use crate::sys::{self, Errno};

/// In order. A value that the kernel refuses because of an old one of its neighbour (period and quota,
/// memory and memory+swap) is written again after that one.
pub(super) fn apply<'w>(cgroup: &Cgroup, writes: impl Iterator<Item = &'w Write>) -> Result<()> {
    let mut deferred: Vec<&Write> = Vec::new();
    for write in writes {
        let dir = cgroup.dir(&write.controller).ok_or_else(|| no_cgroup(write))?;
        match (put(dir, write), write.invalid) {
            (Err((_, Errno::EINVAL)), Invalid::Defer) => deferred.push(write),
            (Err(failed), _) => return Err(explain(dir, write, failed)),
            (Ok(()), Invalid::Defer) => {}
            (Ok(()), Invalid::Fatal) => {
                for write in deferred.drain(..) {
                    put(dir, write).map_err(|failed| explain(dir, write, failed))?;
                }
            }
        }
    }
    Ok(())
}

/// The file that refused, and how.
type Failed<'w> = (&'w str, Errno);

fn put<'w>(dir: &Dir, write: &'w Write) -> std::result::Result<(), Failed<'w>> {
    match (write_patiently(dir, write), &write.missing) {
        (Err(Errno::ENOENT), Missing::Skip) => Ok(()),
        (Err(Errno::ENOENT), Missing::Instead { file, value }) => {
            dir.write(file, value).map_err(|e| (&**file, e))
        }
        (result, _) => result.map_err(|e| (&*write.file, e)),
    }
}

/// v1: memory is charged 64 pages at a time, and what of them is unused counts until each processor has come to give its
/// own back, which is asked of them and not waited for (mm/memcontrol.c, drain_all_stock): EBUSY, for a limit above the use.
fn write_patiently(dir: &Dir, write: &Write) -> sys::Result<()> {
    const PAUSE: Duration = Duration::from_millis(1);
    for _ in 0..20 {
        match dir.write(&write.file, &write.value) {
            Err(Errno::EBUSY) if write.controller == "memory" => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
    dir.write(&write.file, &write.value)
}

fn explain(dir: &Dir, write: &Write, (file, errno): Failed<'_>) -> Error {
    let Write { value, place, controller, .. } = write;
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
    /// Gives a running container new limits. When one is refused, what the files showed before is
    /// written back, and the device rules are again `old`.
    pub fn update(&self, new: &Limits, old: &Devices) -> Result<()> {
        check_usage(self, new)?;
        let before: Vec<Old> = new.writes.iter().filter_map(|write| Old::read(self, write)).collect();
        let changed = new.devices != *old;
        if changed && self.unit.is_some() && self.v2().is_none() {
            new.devices.refuse_beyond_systemd()?;
        }
        let devices = if changed { devices::update(self, &new.devices) } else { Ok(()) };
        let result =
            devices.and_then(|()| apply(self, new.writes.iter())).and_then(|()| self.tell(new, changed));
        result.inspect_err(|_| {
            if changed {
                let _ = devices::update(self, old);
            }
            // Twice: a value may wait for its neighbour's, as on the way there.
            for old in before.iter().rev().chain(&before) {
                let _ = old.dir.write(old.file, &old.value);
            }
        })
    }

    /// systemd remembers, and sets again what it is told; but it rounds a CPU quota: so once more by hand.
    fn tell(&self, new: &Limits, devices_changed: bool) -> Result<()> {
        let Some(unit) = &self.unit else { return Ok(()) };
        if self.v2().is_some() {
            systemd::set(unit, &new.properties)?;
        } else {
            let (devices, others): (Vec<_>, Vec<_>) =
                new.properties.iter().cloned().partition(|property| property.is_of_devices());
            systemd::set(unit, &others)?;
            if devices_changed {
                self.standing_still(|| {
                    systemd::set(unit, &devices)?;
                    devices::update(self, &new.devices)
                })?;
            }
        }
        apply(self, new.writes.iter())
    }

    /// v1 has one list of devices: systemd empties it before it writes its own, which is not all of ours.
    fn standing_still(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_frozen()? {
            return work();
        }
        self.freeze()?;
        let done = work();
        let thawed = self.thaw();
        done.and(thawed)
    }

    /// Single values, for messages and statistics.
    pub fn value(&self, controller: &str, file: &str) -> Result<String> {
        let dir = self.dir(controller).ok_or_else(|| Error::new(format!("no {controller} cgroup")))?;
        dir.read(file).or_unable(|| format!("read {}/{file}", dir.path()))
    }
}

/// What a file showed before it was written.
struct Old<'a> {
    dir: &'a Dir,
    file: &'a str,
    value: String,
}

impl<'a> Old<'a> {
    fn read(cgroup: &'a Cgroup, write: &'a Write) -> Option<Old<'a>> {
        let dir = cgroup.dir(&write.controller)?;
        let (file, text) = match (dir.read(&write.file), &write.missing) {
            (Ok(text), _) => (&write.file, text),
            (Err(_), Missing::Instead { file, .. }) => (file, dir.read(file).ok()?),
            (Err(_), _) => return None,
        };
        Some(Old { dir, file, value: previous(&text, &write.value) })
    }
}

/// The value that brings a file back to `text` after `written` went into it. Some files have a line a
/// device, "8:0 1048576" or "8:0 rbps=1048576 wbps=max", and show none for a device without a limit.
fn previous(text: &str, written: &str) -> String {
    if let Some((key, limits)) = written.split_once(' ') {
        if let Some(line) = text.lines().find(|line| line.split(' ').next() == Some(key)) {
            return line.to_owned();
        }
        if key.contains(':') {
            let name = limits.split_once('=').map(|(name, _)| name);
            return name.map_or_else(|| format!("{key} 0"), |name| format!("{key} {name}=max"));
        }
    }
    let first = text.lines().next().unwrap_or_default();
    // Of memory.oom_control only this can be written. A write of no bytes would be none at all.
    let value = first.strip_prefix("oom_kill_disable ").unwrap_or(first);
    if value.is_empty() { "\n".to_owned() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::previous;

    #[test]
    fn the_previous_value_of_each_kind_of_file() {
        let cases = [
            ("33554432\n", "1", "33554432"),
            ("\n", "0-1", "\n"),
            ("max 100000\n", "5 10", "max 100000"),
            ("oom_kill_disable 0\nunder_oom 0\n", "1", "0"),
            ("8:0 7\n8:16 9\n", "8:16 5", "8:16 9"),
            ("8:16 9\n", "8:1 5", "8:1 0"),
            ("8:0 rbps=7 wbps=max\n", "8:0 rbps=1", "8:0 rbps=7 wbps=max"),
            ("", "8:0 wiops=1", "8:0 wiops=max"),
            ("default 100\n8:0 50\n", "70", "default 100"),
            ("a hca_handle=1\nb hca_handle=2\n", "b hca_handle=9", "b hca_handle=2"),
            ("5 100000\n", "5 10", "5 100000"),
        ];
        for (text, written, expected) in cases {
            assert_eq!(previous(text, written), expected, "{text:?} {written}");
        }
    }
}
