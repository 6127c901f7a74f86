// SPDX-License-Identifier: Apache-2.0
//! What init is, read back from outside once it is ready: a call that an outer filter or a bug turned into nothing must
//! not start a container. One read tells of all of it.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Error, Result, While};
use crate::plan::Plan;
use crate::step::{CapPlan, Slot, Step};
use crate::sys;
use crate::sys::fs::{CWD, Stat};

/// `container`: the process whose namespaces are joined.
pub(super) fn verify(plan: &Plan, fds: &[OwnedFd], pid: i32, container: Option<i32>) -> Result<()> {
    let status = sys::fs::open(&proc(pid, "status"), sys::fs::O_RDONLY)
        .and_then(|file| sys::fs::read_to_end(file.as_fd(), 64 << 10))
        .or_unable(|| "verify the process".into())?;
    let status = Status(&status);
    let joined = Joined { fds, pid, container };
    for planned in &plan.steps {
        let in_force = match &planned.step {
            Step::NoNewPrivileges => status.number("NoNewPrivs:") == Some(1),
            Step::Seccomp { .. } => status.number("Seccomp:") == Some(2),
            Step::Identity(identity) => identity.caps.as_ref().is_none_or(|caps| status.has(caps)),
            Step::JoinNamespace { namespace, slot } => joined.to(*namespace, *slot),
            Step::JoinContainer { namespaces, slot } => joined.to(*namespaces, *slot),
            _ => true,
        };
        if !in_force {
            return Err(Error::not_in_force(&planned.step).at(planned.place.clone()));
        }
    }
    // By the way into life: those of a container, its pid namespace among them.
    if plan.through.iter().all(|(namespaces, slot)| joined.to(*namespaces, *slot)) {
        return Ok(());
    }
    Err(Error::not_in_force("join the container's namespaces"))
}

struct Joined<'a> {
    fds: &'a [OwnedFd],
    pid: i32,
    container: Option<i32>,
}

impl Joined<'_> {
    /// Is the process in these namespaces of the container's, or in the one that the descriptor is open on?
    fn to(&self, namespaces: u64, slot: Slot) -> bool {
        kinds(namespaces).all(|kind| {
            let theirs = match self.container {
                Some(container) => sys::fs::statat(CWD, &proc(container, kind)),
                None => sys::fs::fstat(self.fds[slot.0].as_fd()),
            };
            same(sys::fs::statat(CWD, &proc(self.pid, kind)), theirs)
        })
    }
}

fn proc(pid: i32, file: &str) -> CString {
    CString::new(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// Of the first of these namespaces, as one call joins all or none, and of the pid namespace. A time namespace is entered
/// by exec alone.
fn kinds(namespaces: u64) -> impl Iterator<Item = &'static str> {
    let all = [
        (libc::CLONE_NEWNS, "ns/mnt"),
        (libc::CLONE_NEWUSER, "ns/user"),
        (libc::CLONE_NEWNET, "ns/net"),
        (libc::CLONE_NEWIPC, "ns/ipc"),
        (libc::CLONE_NEWUTS, "ns/uts"),
        (libc::CLONE_NEWCGROUP, "ns/cgroup"),
    ];
    let has = move |flag: i32| namespaces & flag as u64 != 0;
    let first = all.into_iter().find(|(flag, _)| has(*flag)).map(|(_, kind)| kind);
    first.into_iter().chain(has(libc::CLONE_NEWPID).then_some("ns/pid"))
}

/// Where they cannot be looked at, as by an ordinary user, nothing is known against them.
fn same(one: sys::Result<Stat>, other: sys::Result<Stat>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => (one.device, one.inode) == (other.device, other.inode),
        _ => true,
    }
}

/// /proc/PID/status.
struct Status<'a>(&'a [u8]);

impl Status<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        let mut lines = self.0.split(|byte| *byte == b'\n');
        let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
        u64::from_str_radix(std::str::from_utf8(value).ok()?.trim(), 16).ok()
    }

    /// The bounding set may be less: the caller may have had less.
    fn has(&self, caps: &CapPlan) -> bool {
        self.number("CapEff:") == Some(caps.sets.effective.0)
            && self.number("CapPrm:") == Some(caps.sets.permitted.0)
            && self.number("CapInh:") == Some(caps.sets.inheritable.0)
            && self.number("CapAmb:") == Some(caps.ambient.0)
            && self.number("CapBnd:").is_some_and(|is| is & !caps.bounding.0 == 0)
    }
}
