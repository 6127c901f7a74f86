// SPDX-License-Identifier: Apache-2.0
//! How cgroups are mounted here, and which ones this process is in.
//!
//! /proc/self/mountinfo is not read on the normal path: a busy node has thousands of mounts. The
//! hierarchies come from /proc/self/cgroup and are found at their usual places, each proven by the
//! magic of its filesystem.

use std::ffi::CString;

use crate::error::{Error, Result, While};
use crate::sys;
use crate::sys::Errno;
use crate::sys::fs::{CGROUP1_MAGIC, CGROUP2_MAGIC, O_RDONLY};

pub const ROOT: &str = "/sys/fs/cgroup";
const FILE_LIMIT: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    /// v1 for every controller in use, with a v2 hierarchy beside them at /sys/fs/cgroup/unified.
    Hybrid,
    V2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// As /proc/self/cgroup has it: "memory", "cpu,cpuacct", "name=systemd"; "" is v2.
    pub controllers: String,
    /// Where it is mounted.
    pub mount: String,
    /// Our own cgroup, as a path below the mount that begins with a slash.
    pub own: String,
}

impl Hierarchy {
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|c| c == controller)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroups {
    pub version: Version,
    pub hierarchies: Vec<Hierarchy>,
    /// The controllers that the root of a V2 host offers; empty on the others.
    pub available: Vec<String>,
}

/// The v1 hierarchies that runc makes a cgroup in, and so do we; others (name=elogind...) are left alone.
const JOINED: &[&str] = &[
    "cpuset",
    "devices",
    "memory",
    "cpu",
    "cpuacct",
    "pids",
    "blkio",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
    "freezer",
    "rdma",
    "name=systemd",
    "misc",
];

pub fn read() -> Result<Cgroups> {
    let own = of_process(&contents("/proc/self/cgroup")?);
    if is(ROOT, CGROUP2_MAGIC)? {
        return unified(own);
    }
    let mut found = Cgroups { version: Version::V1, hierarchies: Vec::new(), available: Vec::new() };
    let mut mounts = None;
    for (controllers, own) in own {
        if controllers.is_empty() {
            let mount = format!("{ROOT}/unified");
            if is(&mount, CGROUP2_MAGIC)? {
                found.version = Version::Hybrid;
                found.hierarchies.push(Hierarchy { controllers, mount, own });
            }
        } else if controllers.split(',').any(|c| JOINED.contains(&c)) {
            let mount = match at_usual_place(&controllers, &own)? {
                Some(mount) => Some((mount, own)),
                None => {
                    if mounts.is_none() {
                        mounts = Some(contents("/proc/self/mountinfo")?);
                    }
                    in_mountinfo(mounts.as_deref().unwrap_or_default(), &controllers, &own)
                }
            };
            let hierarchy = mount.map(|(mount, own)| Hierarchy { controllers, mount, own });
            found.hierarchies.extend(hierarchy);
        }
    }
    Ok(found)
}

/// Where the v2 cgroup of a process is, on a hybrid host too; None on one that has no v2.
pub fn unified_of(pid: i32) -> Result<Option<String>> {
    let own = of_process(&contents(&format!("/proc/{pid}/cgroup"))?);
    let own = own.into_iter().find(|(controllers, _)| controllers.is_empty());
    let mount = first([ROOT.to_owned(), format!("{ROOT}/unified")], |mount| is(mount, CGROUP2_MAGIC))?;
    Ok(mount.zip(own).map(|(mount, (_, path))| mount + &path))
}

fn unified(own: Vec<(String, String)>) -> Result<Cgroups> {
    let available = contents("/sys/fs/cgroup/cgroup.controllers")?;
    let own = own.into_iter().find(|(controllers, _)| controllers.is_empty());
    Ok(Cgroups {
        version: Version::V2,
        hierarchies: vec![Hierarchy {
            controllers: String::new(),
            mount: ROOT.to_owned(),
            own: own.map_or_else(|| "/".to_owned(), |(_, own)| own),
        }],
        available: available.split_whitespace().map(str::to_owned).collect(),
    })
}

/// The lines `ID:CONTROLLERS:PATH` of cgroups(7), without the ids.
pub fn of_process(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
        })
        .collect()
}

/// One statfs(2) of our own cgroup below the usual mount point proves two things: the mount is a
/// cgroup's, and its root is the one that our path counts from (not so in a nested container without
/// a cgroup namespace).
fn at_usual_place(controllers: &str, own: &str) -> Result<Option<String>> {
    if own.split('/').any(|part| part == "..") {
        return Ok(None);
    }
    let name = controllers.strip_prefix("name=").unwrap_or(controllers);
    // The order of the names in the directory may differ from the kernel's (RHEL 7 has cpu,cpuacct).
    let reversed = name.rsplit(',').collect::<Vec<_>>().join(",");
    let mut places = vec![format!("{ROOT}/{name}")];
    if reversed != name {
        places.push(format!("{ROOT}/{reversed}"));
    }
    first(places, |mount| is(&format!("{mount}{own}"), CGROUP1_MAGIC))
}

fn first(
    places: impl IntoIterator<Item = String>,
    is_it: impl Fn(&str) -> Result<bool>,
) -> Result<Option<String>> {
    for place in places {
        if is_it(&place)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// The mount point of a v1 hierarchy and our own path below it, from the lines of proc_pid_mountinfo(5).
fn in_mountinfo(mountinfo: &str, controllers: &str, own: &str) -> Option<(String, String)> {
    mountinfo.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut filesystem = filesystem.split(' ');
        if filesystem.next()? != "cgroup" {
            return None;
        }
        let options: Vec<&str> = filesystem.nth(1)?.split(',').collect();
        if !controllers.split(',').all(|c| options.contains(&c)) {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let text = |field: &str| String::from_utf8_lossy(&unescape(field.as_bytes())).into_owned();
        let (root, point) = (text(fields.next()?), text(fields.next()?));
        let below = if root == "/" { Some(own) } else { own.strip_prefix(root.as_str()) };
        let below = below.filter(|path| path.is_empty() || path.starts_with('/'));
        // Outside of what is mounted here: the nearest place that can be named is the mount itself.
        let below = below.filter(|path| !path.is_empty()).unwrap_or("/");
        Some((point, below.to_owned()))
    })
}

/// Space, tab, newline and backslash come as three octal digits.
pub fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field;
    while let [first, rest @ ..] = bytes {
        let octal = rest.get(..3).filter(|_| *first == b'\\').and_then(|d| std::str::from_utf8(d).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            out.push(byte);
            bytes = &rest[3..];
        } else {
            out.push(*first);
            bytes = rest;
        }
    }
    out
}

fn contents(path: &str) -> Result<String> {
    let read = || {
        let fd = sys::fs::open(&CString::new(path).map_err(|_| sys::Errno::EINVAL)?, O_RDONLY)?;
        sys::fs::read_kernel_file(std::os::fd::AsFd::as_fd(&fd), FILE_LIMIT)
    };
    let data = read().or_unable(|| format!("read {path}"))?;
    Ok(String::from_utf8_lossy(&data).into_owned())
}

/// What cannot be asked is an error: a container must not be left out of a hierarchy for it.
fn is(path: &str, magic: u64) -> Result<bool> {
    match sys::fs::magic_of(&CString::new(path).unwrap_or_default()) {
        Ok(found) => Ok(found == magic),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => Ok(false),
        Err(errno) => Err(Error::sys(format!("unable to examine {path}"), errno)),
    }
}

/// Whatever the tables of cgroups and mounts.
#[cfg(fuzzing)]
pub fn fuzz(text: &str) {
    for (controllers, own) in of_process(text) {
        let _ = in_mountinfo(text, &controllers, &own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_keep_colons_in_paths() {
        let text = "4:memory:/a:b\n3:cpu,cpuacct:/\n1:name=systemd:/x\n0::/y\n";
        let expected = [("memory", "/a:b"), ("cpu,cpuacct", "/"), ("name=systemd", "/x"), ("", "/y")];
        assert_eq!(of_process(text), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn mountinfo_gives_the_path_below_the_mounted_root() {
        let text = "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                    31 25 0:27 /docker/c1 /cg\\040v1/cpu rw,nosuid shared:7 - cgroup cgroup rw,cpu,cpuacct\n\
                    32 25 0:28 / /elsewhere rw - cgroup cgroup rw,xattr,name=systemd\n";
        let found = |controllers, own| in_mountinfo(text, controllers, own);
        let some = |mount: &str, own: &str| Some((mount.to_owned(), own.to_owned()));
        assert_eq!(found("cpu,cpuacct", "/docker/c1/x"), some("/cg v1/cpu", "/x"));
        assert_eq!(found("cpu,cpuacct", "/docker/c1"), some("/cg v1/cpu", "/"));
        assert_eq!(found("cpu,cpuacct", "/docker/c10"), some("/cg v1/cpu", "/"), "another's cgroup");
        assert_eq!(found("name=systemd", "/x"), some("/elsewhere", "/x"));
        assert_eq!(found("memory", "/x"), None);
    }

    #[test]
    fn this_host_is_described_truly() {
        let host = read().unwrap_or_else(|e| panic!("{e}"));
        for hierarchy in &host.hierarchies {
            let expected = if hierarchy.controllers.is_empty() { CGROUP2_MAGIC } else { CGROUP1_MAGIC };
            assert!(is(&hierarchy.mount, expected).is_ok_and(|is| is), "{hierarchy:?}");
        }
        let v2_alone = host.hierarchies.len() == 1 && host.hierarchies[0].controllers.is_empty();
        assert_eq!(host.version == Version::V2, v2_alone);
    }
}
