// SPDX-License-Identifier: Apache-2.0
//! Decides everything before anything is done: config.json and facts of the host in, the list of
//! init's steps out. A pure function, run by the parent; no I/O, no system call.
//!
//! The order of every operation of a start stands in this file and nowhere else.

pub mod cgroup;
mod crowd;
mod devices;
pub mod explain;
mod filter;
mod hooks;
mod identity;
mod idmap;
mod labels;
mod limits;
mod maps;
pub mod mounts;
mod namespaces;
mod netdev;
pub mod options;
mod paths;
mod process;
pub mod resctrl;
mod rootfs;
mod scheduling;
pub mod seccomp;
mod sysctl;
mod terminal;

use std::ffi::CString;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Process, Spec};

use crate::error::{Error, Result};
use crate::host::{Host, Questions};
use crate::step::{IdMapped, Planned, Slot, Step};
use crate::sys::mount::Depth;
use crate::sys::process::Limit;

pub use filter::Agent;
pub use hooks::HookProgram;
pub use maps::{IdMap, IdMaps};
pub use namespaces::lives_with_others;
pub use netdev::{NetDevice, NetDevices};

/// What to do, completely.
#[derive(Debug, Default)]
pub struct Plan {
    /// The new namespaces that init is born into.
    pub clone: u64,
    /// Namespaces that init must be born in, as a pid namespace, or a user namespace that its new ones shall
    /// belong to: it is born through a process that has joined them, in this order.
    pub through: Vec<(u64, Slot)>,
    pub id_maps: Option<IdMaps>,
    /// The parent moves them as soon as init's network namespace is there.
    pub net_devices: NetDevices,
    pub oom_score_adj: Option<i32>,
    /// The user, as the caller numbers it, who must be able to reopen the standard streams.
    pub stdio_owner: Option<u32>,
    /// Limits that only the parent may raise: init is in a user namespace.
    pub limits: Vec<Limit>,
    pub requests: Vec<Request>,
    pub steps: Vec<Planned>,
    pub args: Vec<CString>,
    pub env: Vec<CString>,
    /// Which entry of `env` init fills in from the image's passwd.
    pub home: Option<usize>,
    /// All namespaces of the container that are not the caller's.
    pub namespaces: u64,
    pub seccomp_agent: Option<Agent>,
    pub warnings: Vec<String>,
    /// Descriptors from 3 on that the process gets.
    pub preserved: u32,
    /// `/dev` becomes read-only once all is in it.
    readonly_dev: bool,
}

/// A descriptor that the parent takes before clone.
#[derive(Debug)]
pub enum Request {
    Namespace {
        namespace: u64,
        path: PathBuf,
        place: String,
        foreign: Option<Foreign>,
    },
    /// A user namespace that nobody lives in, for the maps of a mount.
    IdMaps {
        maps: IdMaps,
        place: String,
    },
    /// A detached copy of a mount.
    Tree {
        path: CString,
        depth: Depth,
        idmap: Option<IdMapped>,
        place: String,
    },
    /// Where the terminal's master goes.
    Console,
    /// The start fifo.
    Fifo,
    /// The container's init, for `exec`.
    Init,
}

/// Something is set in a namespace that must not be set in the caller's: the error if it is.
#[derive(Debug)]
pub struct Foreign {
    pub what: String,
    pub place: String,
}

/// What the command line and the container's directory add to config.json.
#[derive(Debug)]
pub struct Options<'a> {
    pub id: &'a str,
    pub bundle: &'a Path,
    pub rootfs: &'a Path,
    pub no_pivot: bool,
    /// None with --no-new-keyring.
    pub keyring: Option<CString>,
    /// Descriptors from 3 on that the container gets.
    pub preserve_fds: u32,
    /// How many of those are sockets of systemd's activation protocol, and their names.
    pub listen_fds: Option<(u32, Option<String>)>,
    /// The directory of the container that holds the socket for sd_notify.
    pub notify_dir: Option<PathBuf>,
    /// `create`: wait for `start` too. `run` and `exec` go on when the parent says so.
    pub wait_for_start: bool,
    /// `exec`: the process does not join the cgroup itself but is moved there.
    pub adopted: bool,
    /// The effective user is root, of the machine.
    pub privileged: bool,
}

/// What config.json makes it worth to ask the host.
pub fn questions(spec: &Spec, no_pivot: bool) -> Questions {
    Questions {
        no_pivot,
        kernel: namespaces::hang_on_the_kernel(spec),
        selinux: labels::are_asked_for(spec),
        resctrl: resctrl::is_asked_for(spec),
        crowd: crowd::can_be_left(spec, no_pivot),
    }
}

/// A new container.
///
/// # Errors
/// What config.json asks for cannot be done, or not by this host: the error names the property.
pub fn create(spec: &Spec, options: &Options<'_>, host: &Host, cgroup: &cgroup::CgroupPlan) -> Result<Plan> {
    let process = process::checked(spec.process().as_ref(), "/process")?;
    labels::check(process, host.selinux)?;
    let draft = &mut Draft::default();
    let spaces = namespaces::decide(spec, host)?;

    let adopted = cgroup.unit.is_some();
    namespaces::enter_early(draft, &spaces);
    draft.add("/linux/cgroupsPath", if adopted { Step::AwaitCgroup } else { Step::JoinCgroups });
    namespaces::enter(draft, &spaces, host)?;
    netdev::add_all(draft, spec, host, &spaces)?;
    draft.add("", Step::NewSession);
    identity::keyring(draft, process, options.keyring.clone())?;
    namespaces::enter_late(draft, spec, &spaces)?;
    let world = rootfs::World::of(spec, options, host, &spaces)?;
    rootfs::open(draft, &world)?;
    mounts::add_all(draft, spec, &world, cgroup)?;
    mounts::add_notify(draft, options, &world)?;
    devices::add_all(draft, spec, &world)?;
    terminal::allocate(draft, process)?;
    paths::make_working_directory(draft, process)?;
    terminal::reopen_null(draft, process);
    hooks::add(draft, spec)?;
    paths::mask_and_protect(draft, spec)?;
    sysctl::add_all(draft, spec, &spaces)?;
    rootfs::finish(draft, spec, &world);
    namespaces::name(draft, spec, &spaces)?;

    become_process(draft, process, spec, &spaces, options.privileged)?;
    end(draft, options);
    process::environment(draft, process, options)?;
    Ok(draft.finish(&spaces, process))
}

/// A process in a container that is there: its namespaces are joined, not made.
///
/// # Errors
/// As `create`; places are in the process, given as `/process/...`.
pub fn exec(process: &Process, spec: &Spec, options: &Options<'_>, namespaces: u64) -> Result<Plan> {
    let process = process::checked(Some(process), "/process")?;
    let draft = &mut Draft::default();
    let spaces = namespaces::of_container(spec, namespaces);
    scheduling::exec_affinity(draft, process)?;
    draft.add("", if options.adopted { Step::AwaitCgroup } else { Step::JoinCgroups });
    scheduling::exec_affinity_final(draft, process)?;
    namespaces::join_container(draft, &spaces, options.privileged);
    draft.add("", Step::NewSession);
    identity::keyring(draft, process, options.keyring.clone())?;
    terminal::allocate(draft, process)?;
    become_process(draft, process, spec, &spaces, options.privileged)?;
    end(draft, options);
    process::environment(draft, process, options)?;
    // `create` has told them.
    draft.plan.warnings.clear();
    Ok(draft.finish(&spaces, process))
}

/// A `startContainer` hook: as runc has it, a process of the container's own in all but its program and
/// its streams, for that program is the image's. It has the user, the rights, the cgroups and the filter.
///
/// # Errors
/// As `create`; places are in the hook, where they are not in the process.
pub fn hook(hook: &HookProgram, spec: &Spec, options: &Options<'_>, namespaces: u64) -> Result<Plan> {
    let mut process = process::checked(spec.process().as_ref(), "/process")?.clone();
    process.set_terminal(None);
    let draft = &mut Draft::default();
    let spaces = namespaces::of_container(spec, namespaces);
    draft.add("", if options.adopted { Step::AwaitCgroup } else { Step::JoinCgroups });
    namespaces::join_container(draft, &spaces, options.privileged);
    draft.add("", Step::NewSession);
    identity::keyring(draft, &process, options.keyring.clone())?;
    become_process(draft, &process, spec, &spaces, options.privileged)?;
    end(draft, options);
    process::of_hook(draft, hook, &process, options)?;
    Ok(draft.finish(&spaces, &process))
}

/// From "in the container's world" to "the container's process, bar the exec".
fn become_process(
    draft: &mut Draft,
    process: &Process,
    spec: &Spec,
    spaces: &namespaces::Namespaces,
    privileged: bool,
) -> Result<()> {
    terminal::stdio(draft, process, spaces);
    draft.add("", Step::InPlace);
    scheduling::add_all(draft, process, spec)?;
    limits::add(draft, process, spaces)?;
    labels::add(draft, process)?;
    filter::add_early(draft, process, spec)?;
    identity::add(draft, process, spaces, privileged)?;
    draft.add("", Step::Settle);
    filter::add_last(draft, process, spec)
}

fn end(draft: &mut Draft, options: &Options<'_>) {
    draft.add("", Step::Ready);
    // The parent has recorded init before it says so: one that dies earlier takes init with it.
    draft.add("", Step::AwaitOrder);
    if options.wait_for_start {
        let slot = draft.request(Request::Fifo);
        draft.add("", Step::AwaitStart(slot));
    }
    let listen = options.listen_fds.as_ref().map_or(0, |(n, _)| *n);
    draft.plan.preserved = options.preserve_fds + listen;
    draft.add("/process/args/0", Step::Execute);
}

/// A plan in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    plan: Plan,
}

impl Draft {
    fn add(&mut self, place: impl Into<String>, step: Step) {
        self.plan.steps.push(Planned { step, place: place.into() });
    }

    fn request(&mut self, request: Request) -> Slot {
        self.plan.requests.push(request);
        Slot(self.plan.requests.len() - 1)
    }

    fn warn(&mut self, warning: impl Into<String>) {
        self.plan.warnings.push(warning.into());
    }

    fn finish(&mut self, spaces: &namespaces::Namespaces, process: &Process) -> Plan {
        let mut plan = std::mem::take(&mut self.plan);
        plan.namespaces = spaces.all();
        plan.oom_score_adj = process.oom_score_adj();
        plan
    }
}

/// "invalid <what>" at a place of config.json.
fn invalid(place: impl Into<String>, what: impl Into<String>) -> Error {
    Error::new(what).at(place)
}

#[cfg(test)]
mod tests;
