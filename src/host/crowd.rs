// SPDX-License-Identifier: Apache-2.0
//! A host of so many mounts that a start had better not copy them: what there is to start from instead.
//!
//! Each new mount namespace is a copy of the maker's, and is taken apart when the root is switched: some 4 us a mount in
//! all. But the kernel has kept a namespace of next to no mounts since it came up, in which its thread kdevtmpfs makes
//! the nodes of /dev: a devtmpfs, over the empty root (drivers/base/devtmpfs.c). To copy that one costs nothing.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use crate::sys;
use crate::sys::fs::{CWD, O_RDONLY, read_kernel_file};
use crate::sys::mount::{self, Attr, Depth};

/// Below, to find the thread costs more than is gained.
const CROWD: u32 = 500;
/// Beside a devtmpfs an administrator may have put something there.
const FEW: u32 = 16;

/// Where the kernel's namespace is to be opened. None on a host of few mounts; before Linux 6.11, which cannot say how
/// many they are; and where that thread is not in sight, as from a container.
pub(super) fn kernels_namespace() -> Option<PathBuf> {
    let mounts = |namespace: &OwnedFd| mount::count(namespace.as_fd()).unwrap_or(0);
    if mounts(&open("/proc/self/ns/mnt")?) < CROWD || contents("/proc/2/comm")? != b"kthreadd\n" {
        return None;
    }
    // An old filter around us may not know the calls by which init tells the namespaces apart, and what it binds is
    // opened and made ready for it.
    sys::fs::mount_id(c"/").ok()?;
    let slave = Attr { propagation: libc::MS_SLAVE, ..Attr::default() };
    let tree = mount::clone_tree(CWD, c"/proc/self", Depth::One).ok()?;
    mount::set_attr(tree.as_fd(), Depth::One, &slave).ok()?;
    let pid = find_kdevtmpfs()?;
    let path = format!("/proc/{pid}/ns/mnt");
    let its = mounts(&open(&path)?);
    if (1..=FEW).contains(&its) { Some(path.into()) } else { None }
}

/// Of the threads that the kernel makes as it comes up it is the next after those of each CPU: five to seven.
fn find_kdevtmpfs() -> Option<u32> {
    let present = contents("/sys/devices/system/cpu/present")?;
    let last = std::str::from_utf8(&present).ok()?.trim().rsplit(['-', ',']).next()?.parse::<u32>().ok()?;
    let likely = last.min(1 << 16) * 5;
    (likely..likely * 2 + 200).chain(3..likely).find(|pid| is_kdevtmpfs(*pid))
}

/// Anybody may bear the name; but only the kernel makes threads of its own.
fn is_kdevtmpfs(pid: u32) -> bool {
    const PF_KTHREAD: u64 = 0x0020_0000;
    if contents(&format!("/proc/{pid}/comm")).is_none_or(|name| name != b"kdevtmpfs\n") {
        return false;
    }
    let stat = contents(&format!("/proc/{pid}/stat")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    // pid (name) state ppid pgrp session tty tpgid flags
    let flags = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & PF_KTHREAD != 0)
}

fn open(path: &str) -> Option<OwnedFd> {
    sys::fs::open(&CString::new(path).ok()?, O_RDONLY).ok()
}

fn contents(path: &str) -> Option<Vec<u8>> {
    read_kernel_file(open(path)?.as_fd(), 4096).ok()
}
