// SPDX-License-Identifier: Apache-2.0
//! What init is, read back from outside: what is around it while it goes on, itself once it is ready. A call that an
//! outer filter or a bug turned into nothing must not start a container. One read of a file in /proc tells of many.

mod mounts;
#[cfg(fuzzing)]
pub use mounts::fuzz;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use super::Host;
use crate::error::{Error, Result, While};
use crate::plan::Plan;
use crate::step::{CapPlan, Identity, Planned, Slot, Step};
use crate::sys;
use crate::sys::fs::{CWD, O_RDONLY, Stat, read_kernel_file};
use crate::sys::process::{NEWNET, NEWNS, NEWTIME};
use mounts::Wanted;

/// Its namespaces, its v1 cgroups, its mounts. `absent`: so many paths that were to be covered are not there.
pub(super) fn surroundings(
    plan: &Plan,
    fds: &[OwnedFd],
    pid: i32,
    absent: usize,
    host: &impl Host,
) -> Result<()> {
    let joined = Joined { fds, pid, container: host.container() };
    refuse_unless(plan, |step| match step {
        Step::JoinNamespace { namespace, slot } => joined.to(*namespace, *slot),
        Step::JoinContainer { namespaces, slot } => joined.to(*namespaces, *slot),
        // Init has looked itself, before it set anything there.
        Step::NewNamespace(NEWNET) => true,
        Step::NewNamespace(namespace) => joined.left(*namespace),
        Step::KernelsMounts { slot, .. } => joined.left(NEWNS) && !joined.to(NEWNS, *slot),
        _ => true,
    })?;
    // By the way into life: those of a container, its pid namespace among them.
    if !plan.through.iter().all(|(namespaces, slot)| joined.to(*namespaces, *slot)) {
        return Err(Error::not_in_force("join the container's namespaces"));
    }
    if let Some(cgroup) = host.cgroups().filter(|cgroup| cgroup.has_v1()) {
        let its = read_kernel_file(open(pid, "cgroup")?.as_fd(), 1 << 20).or_unable(unable)?;
        if !cgroup.has(&String::from_utf8_lossy(&its)) {
            return Err(Error::not_in_force("join the container's cgroups"));
        }
    }
    let wanted = Wanted::of(plan);
    if wanted.is_empty() {
        return Ok(());
    }
    let mountinfo = open(pid, "mountinfo")?;
    refuse(wanted.compare(mountinfo.as_fd(), pid, absent).or_unable(unable)?)
}

/// Its ids, rights and filter.
pub(super) fn process(plan: &Plan, pid: i32) -> Result<()> {
    let status = read_kernel_file(open(pid, "status")?.as_fd(), 1 << 20).or_unable(unable)?;
    let status = Status(&status);
    refuse_unless(plan, |step| match step {
        Step::NoNewPrivileges => status.number("NoNewPrivs:", 16) == Some(1),
        Step::Seccomp { .. } => status.number("Seccomp:", 16) == Some(2),
        Step::Identity(identity) => status.is(identity),
        _ => true,
    })
}

fn unable() -> String {
    "verify the process".to_owned()
}

fn open(pid: i32, file: &str) -> Result<OwnedFd> {
    sys::fs::open(&proc(pid, file), O_RDONLY).or_unable(unable)
}

fn refuse_unless(plan: &Plan, in_force: impl Fn(&Step) -> bool) -> Result<()> {
    refuse(plan.steps.iter().find(|planned| !in_force(&planned.step)))
}

fn refuse(bad: Option<&Planned>) -> Result<()> {
    bad.map_or(Ok(()), |planned| Err(Error::not_in_force(&planned.step).at(planned.place.clone())))
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
            same(sys::fs::statat(CWD, &proc(self.pid, kind)), theirs).unwrap_or(true)
        })
    }

    /// A namespace of its own, for the process or for what it executes.
    fn left(&self, namespace: u64) -> bool {
        let kind = match namespace {
            NEWTIME => "ns/time_for_children",
            NEWNS => "ns/mnt",
            _ => "ns/cgroup",
        };
        let own = sys::fs::statat(CWD, &proc(sys::process::getpid(), kind));
        !same(sys::fs::statat(CWD, &proc(self.pid, kind)), own).unwrap_or(false)
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

/// None: they cannot be looked at, as by an ordinary user, and nothing is known against them.
fn same(one: sys::Result<Stat>, other: sys::Result<Stat>) -> Option<bool> {
    let (one, other) = (one.ok()?, other.ok()?);
    Some((one.device, one.inode) == (other.device, other.inode))
}

/// /proc/PID/status.
struct Status<'a>(&'a [u8]);

impl<'a> Status<'a> {
    fn line(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.0.split(|byte| *byte == b'\n');
        let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
        Some(std::str::from_utf8(value).ok()?.trim())
    }

    fn number(&self, name: &str, base: u32) -> Option<u64> {
        u64::from_str_radix(self.line(name)?, base).ok()
    }

    fn numbers(&self, name: &str) -> Vec<u32> {
        let words = self.line(name).unwrap_or_default().split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    }

    /// The kernel sorts groups, and keeps doubles.
    fn is(&self, identity: &Identity) -> bool {
        let (uid, gid) = (identity.uid, identity.gid);
        let sorted = |groups: &[u32]| {
            let mut groups = groups.to_vec();
            groups.sort_unstable();
            groups
        };
        let groups =
            || identity.groups.as_deref().is_none_or(|all| sorted(all) == sorted(&self.numbers("Groups:")));
        let ids = || self.numbers("Uid:") == [uid; 4] && self.numbers("Gid:") == [gid; 4] && groups();
        (identity.read_back || ids())
            && identity.umask.is_none_or(|umask| self.number("Umask:", 8) == Some(umask.into()))
            && identity.caps.as_ref().is_none_or(|caps| self.has(caps))
    }

    /// The bounding set may be less: the caller may have had less.
    fn has(&self, caps: &CapPlan) -> bool {
        let set = |name| self.number(name, 16);
        set("CapEff:") == Some(caps.sets.effective.0)
            && set("CapPrm:") == Some(caps.sets.permitted.0)
            && set("CapInh:") == Some(caps.sets.inheritable.0)
            && set("CapAmb:") == Some(caps.ambient.0)
            && set("CapBnd:").is_some_and(|is| is & !caps.bounding.0 == 0)
    }
}
