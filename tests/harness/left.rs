// SPDX-License-Identifier: Apache-2.0
//! What a container left on the machine: the question every test ends with.

use std::fs;
use std::path::{Path, PathBuf};

use super::mountinfo::{Mount, mounts};

/// State, cgroups, mounts and live processes that carry `id`, which is part of every path a test uses.
pub(crate) fn left(id: &str, state_root: &Path) -> Vec<String> {
    let mut left = Vec::new();
    left.extend(entries(state_root).map(|p| format!("state {}", p.display())));
    for mount in cgroup_mounts() {
        cgroups(&mount.at, id, &mut left);
    }
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    left.extend(mounts.lines().filter(|l| l.contains(id)).map(|l| format!("mount {l}")));
    left.extend(processes(id).into_iter().map(|pid| format!("process {pid}: {}", cmdline(pid))));
    left
}

/// Live processes that are in a cgroup of `id`, or have `id` among their arguments or in their environment.
pub(crate) fn processes(id: &str) -> Vec<i32> {
    let pids = entries(Path::new("/proc")).filter_map(|p| p.file_name()?.to_str()?.parse().ok());
    pids.filter(|&pid| {
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let named = || cmdline(pid).contains(id) || bytes_of(pid, "environ").contains(id);
        (cgroup.contains(id) || named()) && alive(pid)
    })
    .collect()
}

/// A zombie is its parent's affair.
pub(crate) fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(crate) fn cgroup_mounts() -> impl Iterator<Item = Mount> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    mounts(&table).filter(|m| m.fs.starts_with("cgroup")).collect::<Vec<_>>().into_iter()
}

fn cgroups(dir: &Path, id: &str, left: &mut Vec<String>) {
    for child in entries(dir).filter(|p| p.is_dir()) {
        if child.to_string_lossy().contains(id) {
            left.push(format!("cgroup {}", child.display()));
        } else {
            cgroups(&child, id, left);
        }
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path())
}

fn cmdline(pid: i32) -> String {
    bytes_of(pid, "cmdline")
}

fn bytes_of(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
