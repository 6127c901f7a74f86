// SPDX-License-Identifier: Apache-2.0
//! Which namespaces are new, joined or the caller's; id maps; time offsets; the names in uts.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespace, Spec};

use super::maps::IdMaps;
use super::{Draft, Request, invalid};
use crate::error::Result;
use crate::host::{Host, cgroup};
use crate::spec::{c_string, list};
use crate::step::Step;
use crate::sys::process::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWTIME, NEWUSER, NEWUTS};

/// The decision on all eight. A bit is a `CLONE_NEW*` flag.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespaces {
    new: u64,
    joined: Vec<(u64, PathBuf, String)>,
    maps: Option<IdMaps>,
    /// `exec`: all of them are the container's.
    container: u64,
    /// The network namespace is made by init. It comes with the clone where it belongs to a new user namespace, where
    /// init is born through others' namespaces, and where the parent moves devices into it.
    early: bool,
    /// Instead of the caller's, init's mounts are copied from those (`host::crowd`).
    kdevtmpfs: Option<PathBuf>,
}

impl Namespaces {
    pub(super) fn all(&self) -> u64 {
        self.joined.iter().fold(self.new | self.container, |all, (ns, ..)| all | ns)
    }

    pub(super) fn is_new(&self, namespace: u64) -> bool {
        self.new & namespace != 0
    }

    /// Not the caller's.
    pub(super) fn own(&self, namespace: u64) -> bool {
        self.all() & namespace != 0
    }

    pub(super) fn kdevtmpfs(&self) -> Option<&PathBuf> {
        self.kdevtmpfs.as_ref()
    }

    pub(super) fn user(&self) -> bool {
        self.own(NEWUSER)
    }

    /// What the caller's namespace calls a user of the container's; None when only the kernel knows.
    pub(super) fn host_uid(&self, id: u32) -> Option<u32> {
        if !self.user() {
            return Some(id);
        }
        let map = self.maps.as_ref()?.uids.iter().find(|map| map.has(id))?;
        map.host.checked_add(id - map.container)
    }

    /// Unknown (no maps given, a joined namespace) counts as mapped: the kernel decides.
    pub(super) fn maps_uid(&self, id: u32) -> bool {
        self.maps.as_ref().is_none_or(|m| m.uids.is_empty() || m.uids.iter().any(|map| map.has(id)))
    }

    pub(super) fn maps_gid(&self, id: u32) -> bool {
        self.maps.as_ref().is_none_or(|m| m.gids.is_empty() || m.gids.iter().any(|map| map.has(id)))
    }
}

pub(super) fn of_container(spec: &Spec, namespaces: u64) -> Namespaces {
    let maps = spec.linux().as_ref().and_then(|linux| {
        let maps = IdMaps::of(linux.uid_mappings(), linux.gid_mappings());
        (namespaces & NEWUSER != 0 && !maps.uids.is_empty()).then_some(maps)
    });
    Namespaces { container: namespaces, maps, ..Namespaces::default() }
}

fn listed(spec: &Spec) -> &[LinuxNamespace] {
    spec.linux().as_ref().map_or(&[], |linux| list(linux.namespaces()))
}

/// Init comes into a pid namespace that other processes may live in already, and so do its hooks.
pub fn lives_with_others(spec: &Spec) -> bool {
    listed(spec).iter().any(|ns| ns.typ() as u64 == NEWPID && path_of(ns).is_some())
}

/// A mount namespace that init may make itself, with the rights of the host's root.
pub(super) fn has_new_mounts_of_its_own(spec: &Spec) -> bool {
    let new = |ns: &LinuxNamespace| ns.typ() as u64 == NEWNS && path_of(ns).is_none();
    listed(spec).iter().any(new) && !listed(spec).iter().any(|ns| ns.typ() as u64 == NEWUSER)
}

/// Of one that is joined.
fn path_of(namespace: &LinuxNamespace) -> Option<&PathBuf> {
    namespace.path().as_ref().filter(|path| !path.as_os_str().is_empty())
}

pub(super) fn decide(spec: &Spec, host: &Host) -> Result<Namespaces> {
    let mut spaces = Namespaces::default();
    let Some(linux) = spec.linux() else { return Ok(spaces) };
    for (i, namespace) in list(linux.namespaces()).iter().enumerate() {
        let place = || format!("/linux/namespaces/{i}");
        let bit = namespace.typ() as u64;
        if spaces.own(bit) {
            return Err(invalid(place(), format!("namespace {} is listed twice", namespace.typ())));
        }
        match path_of(namespace) {
            Some(path) => {
                if !path.is_absolute() {
                    return Err(invalid(
                        format!("{}/path", place()),
                        "the path of a namespace must be absolute",
                    ));
                }
                spaces.joined.push((bit, path.clone(), format!("{}/path", place())));
            }
            None => spaces.new |= bit,
        }
    }
    if !spaces.own(NEWNS) {
        return Err(invalid("/linux/namespaces", "a container needs a mount namespace")
            .hint("add {\"type\": \"mount\"} to linux.namespaces"));
    }
    let maps = IdMaps::of(linux.uid_mappings(), linux.gid_mappings());
    let mapped = !maps.uids.is_empty() || !maps.gids.is_empty();
    if mapped && !spaces.user() {
        return Err(invalid(
            "/linux/uidMappings",
            "user namespace mappings specified, but user namespace isn't enabled",
        ));
    }
    if spaces.is_new(NEWUSER) && (maps.uids.is_empty() || maps.gids.is_empty()) {
        return Err(invalid(
            "/linux/uidMappings",
            "user namespaces enabled, but no uid or gid mappings found",
        ));
    }
    maps.check("/linux")?;
    spaces.maps = mapped.then_some(maps);
    if linux.time_offsets().is_some() && !spaces.is_new(NEWTIME) {
        return Err(invalid(
            "/linux/timeOffsets",
            "time namespace offsets specified, but no new time namespace is",
        ));
    }
    if spaces.is_new(NEWTIME) && host.kernel < (6, 2) {
        return Err(invalid("/linux/namespaces", "a new time namespace needs Linux 6.2 or later"));
    }
    let devices = linux.net_devices().as_ref().is_some_and(|devices| !devices.is_empty());
    let born_through = spaces.user() || spaces.joined.iter().any(|(ns, ..)| *ns == NEWPID);
    spaces.early = spaces.is_new(NEWNET) && !born_through && !devices;
    // What shows the cgroups is taken from there as a whole.
    let usual = host
        .cgroups
        .hierarchies
        .iter()
        .all(|hierarchy| Path::new(&hierarchy.mount).starts_with(cgroup::ROOT));
    spaces.kdevtmpfs = host.kdevtmpfs.clone().filter(|_| usual);
    Ok(spaces)
}

/// What it takes differs from kernel to kernel.
pub(super) fn hang_on_the_kernel(spec: &Spec) -> bool {
    listed(spec).iter().any(|ns| ns.typ() as u64 == NEWTIME)
}

/// First of all, while the parent makes cgroups: a new network namespace takes four fifths of a clone into all of them.
pub(super) fn enter_early(draft: &mut Draft, spaces: &Namespaces) {
    if spaces.early {
        draft.add("/linux/namespaces", Step::NewNamespace(NEWNET));
    }
}

/// Into the namespaces that must be there before the rest: all new ones come with the clone, but for
/// the cgroup namespace (its root is where init is then) and time (entered on exec, Linux 6.2).
pub(super) fn enter(draft: &mut Draft, spaces: &Namespaces, host: &Host) -> Result<()> {
    let network = if spaces.early { NEWNET } else { 0 };
    let mounts = if spaces.kdevtmpfs.is_some() { NEWNS } else { 0 };
    draft.plan.clone = spaces.new & !(NEWCGROUP | NEWTIME | network | mounts);
    let new_user = spaces.is_new(NEWUSER);
    let mut joined: Vec<_> = spaces.joined.iter().collect();
    let user = |ns: u64| ns == NEWUSER;
    let through = joined.iter().any(|(ns, ..)| user(*ns)) && (draft.plan.clone != 0 || spaces.own(NEWPID));
    // Without rights of our own the user namespace comes first, as the others may belong to it. The host's
    // root may join any, as long as it is that: some belong to nobody that it is going to be.
    joined.sort_by_key(|(ns, ..)| user(*ns) == host.privileged);
    for (namespace, path, place) in joined {
        let request = Request::Namespace {
            namespace: *namespace,
            path: path.clone(),
            place: place.clone(),
            foreign: None,
        };
        let slot = draft.request(request);
        // A pid namespace is only entered by being born in it. From inside a new user namespace the
        // host's could not be joined any more: init is born in those too.
        let born = *namespace == NEWPID || (new_user && *namespace != NEWNS);
        if born || (through && *namespace != NEWNS) {
            draft.plan.through.push((*namespace, slot));
        } else {
            draft.add(place.clone(), Step::JoinNamespace { namespace: *namespace, slot });
        }
    }
    if new_user {
        draft.plan.id_maps.clone_from(&spaces.maps);
        draft.add("/linux/uidMappings", Step::AwaitIdMaps);
    }
    if spaces.user() {
        draft.add("/linux/uidMappings", Step::BecomeNamespaceRoot);
    }
    Ok(())
}

/// After init is in its cgroup and session.
pub(super) fn enter_late(draft: &mut Draft, spec: &Spec, spaces: &Namespaces) -> Result<()> {
    if spaces.is_new(NEWNET) {
        draft.add("/linux/namespaces", Step::LoopbackUp);
    }
    if spaces.is_new(NEWCGROUP) {
        draft.add("/linux/namespaces", Step::NewNamespace(NEWCGROUP));
    }
    if spaces.is_new(NEWTIME) {
        draft.add("/linux/namespaces", Step::NewNamespace(NEWTIME));
    }
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    let mut lines: Vec<_> = Vec::new();
    for (clock, offset) in offsets.into_iter().flatten() {
        let place = format!("/linux/timeOffsets/{clock}");
        if clock != "monotonic" && clock != "boottime" {
            return Err(invalid(
                place,
                format!("unknown clock {clock:?}: monotonic and boottime have offsets"),
            ));
        }
        let (secs, nanos) = (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        if nanos >= 1_000_000_000 {
            return Err(invalid(format!("{place}/nanosecs"), "nanosecs must be below 1000000000"));
        }
        lines.push(format!("{clock} {secs} {nanos}\n"));
    }
    if !lines.is_empty() {
        lines.sort();
        let text = c_string(lines.concat(), || "/linux/timeOffsets".into())?;
        draft.add("/linux/timeOffsets", Step::TimeOffsets(text));
    }
    Ok(())
}

pub(super) fn name(draft: &mut Draft, spec: &Spec, spaces: &Namespaces) -> Result<()> {
    if let Some(name) = spec.hostname().as_ref().filter(|n| !n.is_empty()) {
        if !spaces.own(NEWUTS) {
            return Err(invalid("/hostname", "unable to set hostname without a private UTS namespace"));
        }
        draft.add("/hostname", Step::Hostname(c_string(name, || "/hostname".into())?));
    }
    if let Some(name) = spec.domainname().as_ref().filter(|n| !n.is_empty()) {
        if !spaces.own(NEWUTS) {
            return Err(invalid("/domainname", "unable to set domainname without a private UTS namespace"));
        }
        draft.add("/domainname", Step::Domainname(c_string(name, || "/domainname".into())?));
    }
    Ok(())
}

/// `exec`: everything at once by the pidfd of init; but the pid namespace by birth. That one is an
/// ordinary user's to enter only from inside the user namespace.
///
/// A tracer in the container (CAP_SYS_PTRACE) sees the process from its birth on, whether dumpable or not unless a
/// user namespace is between them: so it is born with the container's root, not the host's (CVE-2016-9962).
pub(super) fn join_container(draft: &mut Draft, spaces: &Namespaces, privileged: bool) {
    let slot = draft.request(Request::Init);
    let mut namespaces = spaces.all() & !NEWPID;
    if spaces.own(NEWPID) && !spaces.user() {
        // From inside the cgroup namespace nobody is born into a cgroup whom it does not hold already, where cgroup2 is
        // mounted with nsdelegate, as systemd does: ENOENT (kernel: cgroup_procs_write_permission).
        draft.plan.through.push((spaces.all() & !NEWCGROUP, slot));
        namespaces = spaces.all() & NEWCGROUP;
    } else if spaces.own(NEWPID) {
        if !privileged {
            draft.plan.through.push((NEWUSER, slot));
            namespaces &= !NEWUSER;
        }
        draft.plan.through.push((NEWPID, slot));
    }
    if namespaces != 0 {
        draft.add("", Step::JoinContainer { namespaces, slot });
    }
    if spaces.user() {
        draft.add("", Step::BecomeNamespaceRoot);
    }
}

/// The namespaces that own what a sysctl sets.
pub(super) const IPC: u64 = NEWIPC;
pub(super) const NET: u64 = NEWNET;
