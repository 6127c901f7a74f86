// SPDX-License-Identifier: Apache-2.0
//! The container's group in the resctrl filesystem: made, limited, joined by pid, removed.

use std::ffi::CString;

use super::dir::{value, write_at};
use crate::error::{Error, Result, While};
use crate::host::resctrl::MAGIC;
use crate::plan::resctrl::Group;
use crate::sys::fs::{CWD, magic_of, mkdirat, rmdirat, statat};
use crate::sys::{Errno, Result as SysResult};

fn c_path(path: &str) -> SysResult<CString> {
    CString::new(path).map_err(|_| Errno::EINVAL)
}

/// What the container's end has to remove: a group of its own, or the monitoring group in another's.
/// Looked up before the group is made, for the journal: a group that is there is somebody else's.
pub fn to_remove(group: &Group) -> Option<&str> {
    let is_there = || c_path(&group.path).and_then(|path| statat(CWD, &path)).is_ok();
    if group.own && !is_there() { Some(&group.path) } else { group.monitor.as_deref() }
}

/// Makes it, and puts the container's first process into it.
pub fn create(group: &Group, pid: i32) -> Result<()> {
    if group.must_exist {
        c_path(&group.path)
            .and_then(|path| statat(CWD, &path))
            .or_unable(|| format!("use the resctrl group {}", group.path))
            .map_err(|error| error.at("/linux/intelRdt/closID"))
            .map_err(|error| error.hint("without a schema the group must have been made before"))?;
    }
    make(&group.path).map_err(|errno| refused(group, "make the resctrl group", errno))?;
    if !group.schemata.is_empty() {
        let file = format!("{}/schemata", group.path);
        write_at(CWD, &file, &group.schemata)
            .map_err(|errno| refused(group, "write the schemata of", errno))?;
    }
    if let Some(monitor) = &group.monitor {
        make(monitor).map_err(|errno| refused(group, "make a monitoring group in", errno))?;
    }
    join(&group.path, group.monitor.as_deref(), pid).map_err(|errno| refused(group, "join", errno))
}

fn make(path: &str) -> SysResult<()> {
    match mkdirat(CWD, &c_path(path)?, 0o755) {
        Err(Errno::EEXIST) => Ok(()),
        result => result,
    }
}

/// The monitoring group after the other: to be moved into a group is to leave all monitoring groups.
pub fn join(group: &str, monitor: Option<&str>, pid: i32) -> SysResult<()> {
    [Some(group), monitor]
        .iter()
        .flatten()
        .try_for_each(|path| write_at(CWD, &format!("{path}/tasks"), &pid.to_string()))
}

/// May be called again. What is no group of resctrl is not touched: the path comes from a file.
pub fn remove(path: &str) -> Result<()> {
    let removed = c_path(path).and_then(|path| match magic_of(&path) {
        Ok(MAGIC) => rmdirat(CWD, &path),
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno),
    });
    match removed {
        Err(Errno::ENOENT) => Ok(()),
        result => result.or_unable(|| format!("remove the resctrl group {path}")),
    }
}

fn refused(group: &Group, doing: &str, errno: Errno) -> Error {
    let error = Error::sys(format!("unable to {doing} {}", group.path), errno).at("/linux/intelRdt");
    match value(&group.last_status) {
        Ok(status) if !status.is_empty() && status != "ok" => {
            error.because(format!("last_cmd_status: {status}"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn group(path: &str) -> Group {
        Group {
            path: path.into(),
            own: true,
            must_exist: false,
            schemata: String::new(),
            monitor: None,
            last_status: "/nonexistent".into(),
        }
    }

    /// The kernel lets nobody make a directory in /proc or /sys/fs: the words are those of a machine
    /// without resctrl.
    #[test]
    fn what_cannot_be_made_is_named() {
        let error = create(&group("/proc/no-resctrl-here"), 1).unwrap_err().to_string();
        let words = "unable to make the resctrl group /proc/no-resctrl-here (config.json: /linux/intelRdt): ";
        assert!(error.starts_with(words), "{error}");
        let error = create(&Group { must_exist: true, ..group("/proc/no-resctrl-here") }, 1).unwrap_err();
        assert!(error.to_string().contains("(config.json: /linux/intelRdt/closID): no such file"), "{error}");
    }

    #[test]
    fn only_a_group_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        remove(path).unwrap();
        assert!(c_path(path).and_then(|path| statat(CWD, &path)).is_ok(), "it is no group of resctrl");
        remove("/nonexistent/group").unwrap();
    }

    #[test]
    fn a_group_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        assert_eq!(to_remove(&group(path)), None);
        assert_eq!(to_remove(&group("/nonexistent/group")), Some("/nonexistent/group"));
        let monitored = Group { monitor: Some("m".into()), ..group(path) };
        assert_eq!(to_remove(&monitored), Some("m"));
    }
}
