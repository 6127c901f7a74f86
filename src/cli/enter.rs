// SPDX-License-Identifier: Apache-2.0
//! `exec`: a process into the namespaces and cgroups of a container that runs.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use clap::ArgMatches;
use nix::errno::Errno;
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process, Spec};

use super::console::Mode;
use super::exec::{ExecOptions, Overrides, ProcessSource};
use super::global::Global;
use super::{agent, console, destroy, environment, flags, pid_file};
use crate::bundle;
use crate::cgroup::{self, Cgroup, resctrl};
use crate::container::{Container, ProcessRef, State, Status};
use crate::error::{Error, Result, While};
use crate::host::{account, user};
use crate::plan::{self, Plan};
use crate::spawn::{self, Child, Foreground, Materials};
use crate::spec::{self, list};
use crate::step::Step;
use crate::{log, seal, timings};

/// The command `exec`.
pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    flags::take_time(matches)?;
    let options = ExecOptions::new(matches)?;
    exec(global, &options).map_err(|error| error.context("exec failed"))
}

fn exec(global: &Global, options: &ExecOptions) -> Result<i32> {
    seal::close_all_but(options.preserve_fds + environment::Activation::read().sockets())?;
    let container = global.container(&options.id)?;
    let state = container.state()?;
    let cgroup = destroy::cgroup_of(&state)?;
    let init = running(&container, &state, cgroup.as_ref(), options.ignore_paused)?;
    let spec = spec::config(&container.config()?)?.value;
    let process = process(options, &spec)?;
    let mode = Mode::Run { detach: options.detach };
    let terminal = process.terminal().unwrap_or(false);
    let console = console::open(terminal, options.console_socket.as_deref(), mode)?;
    let (_, ignored) = ProcessRef::of_caller()?;
    let foreground = (!options.detach).then(|| Foreground::new(false)).transpose()?;
    let pid = state.init.map_or(0, |init| init.pid);
    let cgroup = cgroup.map(|cgroup| cgroup.below(&options.cgroups)).transpose()?;
    let adopted = cgroup.as_ref().is_some_and(Cgroup::is_users);
    let plan = plan(options, &state, &spec, &process, adopted)?;
    timings::mark("read the state and the host, and plan");
    let fallback = options.cgroups.is_empty().then_some(pid);
    let birth_place = birth_place(cgroup.as_ref(), fallback)?;
    let materials = Materials {
        cgroup: birth_place.as_ref().map(AsFd::as_fd),
        console: console.given,
        fifo: None,
        init: Some(init.as_fd()),
        ignored,
        streams: None,
    };
    let doing = |error: Error| error.context("unable to start container process");
    let cgroup = cgroup.as_ref();
    let mut host = NoHooks {
        state: &state,
        status: Status::Running,
        plan: &plan,
        cgroup,
        fallback,
        waits: options.ignore_paused,
    };
    let child = spawn::start(&plan, materials, &mut host).map_err(doing)?;
    if let Some(record) = &state.resctrl {
        resctrl::join(&record.group, record.monitor.as_deref(), child.pid)
            .or_unable(|| format!("join the resctrl group {}", record.group))?;
    }
    if let Some(path) = &options.pid_file {
        pid_file::write(path, child.pid)?;
    }
    if let Some(path) = &options.pidfd_socket {
        console::send(path, b"setns", child.pidfd.as_fd())?;
    }
    let master = console.kept.as_ref().map(spawn::receive_master).transpose()?;
    child.go_and_execute(&plan, || spawn::Host::is_paused(&host)).map_err(doing)?;
    timings::mark("let it execute");
    timings::tell()?;
    let Some(foreground) = foreground else {
        child.keep();
        return Ok(0);
    };
    Ok(foreground.stay(&child, master)?.code())
}

/// The container's init, alive; or why nothing can be executed.
fn running(
    container: &Container,
    state: &State,
    cgroup: Option<&Cgroup>,
    ignore_paused: bool,
) -> Result<OwnedFd> {
    let frozen = || cgroup.is_some_and(|cgroup| cgroup.is_frozen().unwrap_or(false));
    match container.status(state).or_paused(frozen) {
        Status::Stopped => return Err(Error::new("cannot exec in a stopped container")),
        Status::Paused if !ignore_paused => {
            return Err(Error::new(spawn::PAUSED));
        }
        Status::Creating => return Err(Error::new("cannot exec in a container that is still being created")),
        Status::Created | Status::Running | Status::Paused => {}
    }
    state.open_init()?.ok_or_else(|| Error::new("cannot exec in a stopped container"))
}

fn plan(options: &ExecOptions, state: &State, spec: &Spec, process: &Process, adopted: bool) -> Result<Plan> {
    let listen_fds = environment::Activation::read().listen_fds();
    let plan_options = plan::Options { adopted, ..plan_options(state, options.preserve_fds, listen_fds)? };
    let plan = plan::exec(process, spec, &plan_options, state.namespaces)?;
    log::debug(|| format!("{} steps planned for a process in container {}", plan.steps.len(), options.id));
    for planned in &plan.steps {
        if let Step::Affinity(mask) = &planned.step {
            log::debug(|| format!("{} (runc: nsexec: affinity: {})", planned.place, hexadecimal(mask)));
        }
    }
    plan.warnings.iter().for_each(|warning| log::warn(warning));
    Ok(plan)
}

/// The lowest CPU is the last bit.
fn hexadecimal(mask: &[u64]) -> String {
    let digits: String = mask.iter().rev().map(|word| format!("{word:016x}")).collect();
    format!("0x{:0>1}", digits.trim_start_matches('0'))
}

/// A user's systemd moves the process; else it is born in the v2 cgroup, and joins those of v1 by itself.
pub(super) fn birth_place(cgroup: Option<&Cgroup>, fallback: Option<i32>) -> Result<Option<OwnedFd>> {
    let Some(cgroup) = cgroup.filter(|cgroup| !cgroup.is_users()) else { return Ok(None) };
    let place = match (cgroup.birth_place(), fallback) {
        // A container may have moved itself into another v2 cgroup, and its own be gone.
        (Err(error), Some(init)) if error.errno() == Some(Errno::ENOENT) => {
            cgroup::birth_place_of(init).map(Some).map_err(|_| error)
        }
        (place, _) => place,
    };
    place.map_err(|error| not_joined(error).context("unable to start container process"))
}

fn not_joined(error: Error) -> Error {
    error.context("error adding pid of the new process to cgroups")
}

/// Root of the machine.
pub(super) fn is_privileged() -> Result<bool> {
    Ok(account::effective_uid() == 0 && !user::in_user_namespace()?)
}

/// The whole process from a file, or the container's own with what the flags say put over it.
fn process(options: &ExecOptions, spec: &Spec) -> Result<Process> {
    match &options.process {
        ProcessSource::File(path) => {
            let parsed = spec::process(&bundle::read_file(path)?)?;
            parsed.warnings.iter().for_each(|warning| log::warn(warning));
            Ok(parsed.value)
        }
        ProcessSource::Flags(overrides) => {
            let own = spec.process().clone();
            let own = own.ok_or_else(|| Error::new("process property must not be empty").at("/process"))?;
            put_over(own, overrides)
        }
    }
}

fn put_over(mut process: Process, over: &Overrides) -> Result<Process> {
    process.set_args(Some(over.args.clone()));
    process.set_terminal(Some(over.terminal));
    if let Some(cwd) = &over.cwd {
        process.set_cwd(cwd.into());
    }
    if !over.env.is_empty() {
        let mut env = list(process.env()).to_vec();
        env.extend_from_slice(&over.env);
        process.set_env(Some(env));
    }
    if let Some(user) = over.user {
        process.user_mut().set_uid(user.uid);
        if let Some(gid) = user.gid {
            process.user_mut().set_gid(gid);
        }
    }
    if !over.additional_gids.is_empty() {
        let mut gids = list(process.user().additional_gids()).to_vec();
        gids.extend_from_slice(&over.additional_gids);
        process.user_mut().set_additional_gids(Some(gids));
    }
    if let Some(on) = over.no_new_privileges {
        process.set_no_new_privileges(Some(on));
    }
    if over.selinux_label.is_some() {
        process.set_selinux_label(over.selinux_label.clone());
    }
    if over.apparmor_profile.is_some() {
        process.set_apparmor_profile(over.apparmor_profile.clone());
    }
    if !over.capabilities.is_empty() {
        let caps = process.capabilities().clone().unwrap_or_default();
        process.set_capabilities(Some(with_capabilities(caps, &over.capabilities)?));
    }
    Ok(process)
}

/// In the bounding, effective and permitted sets; never inheritable (CVE-2022-29162), and ambient only
/// where the container's own process has it inheritable.
fn with_capabilities(mut caps: LinuxCapabilities, names: &[String]) -> Result<LinuxCapabilities> {
    let mut added = Capabilities::new();
    for name in names {
        let bare = name.strip_prefix("CAP_").unwrap_or(name);
        let known: std::result::Result<Capability, _> = bare.parse();
        added.insert(known.map_err(|_| Error::new(format!("unknown capability {name:?}")))?);
    }
    let with = |set: &Option<Capabilities>| Some(set.iter().flatten().chain(&added).copied().collect());
    let inheritable = caps.inheritable().clone().unwrap_or_default();
    let ambient: Capabilities = added.intersection(&inheritable).copied().collect();
    caps.set_bounding(with(caps.bounding()));
    caps.set_effective(with(caps.effective()));
    caps.set_permitted(with(caps.permitted()));
    if !ambient.is_empty() {
        caps.set_ambient(Some(caps.ambient().iter().flatten().chain(&ambient).copied().collect()));
    }
    Ok(caps)
}

pub(super) fn plan_options(
    state: &State,
    preserve_fds: u32,
    listen_fds: Option<(u32, Option<String>)>,
) -> Result<plan::Options<'_>> {
    Ok(plan::Options {
        id: &state.id,
        bundle: &state.bundle,
        rootfs: &state.rootfs,
        no_pivot: false,
        keyring: state.keyring.clone().and_then(|name| CString::new(name).ok()),
        preserve_fds,
        listen_fds,
        notify_dir: None,
        wait_for_start: false,
        adopted: false,
        privileged: is_privileged()?,
    })
}

/// A process that is added to a container has no hooks of its own, but the same filter.
pub(super) struct NoHooks<'a> {
    pub(super) state: &'a State,
    pub(super) status: Status,
    pub(super) plan: &'a Plan,
    pub(super) cgroup: Option<&'a Cgroup>,
    /// For the container to be resumed, when it is paused.
    pub(super) waits: bool,
    /// Whose v2 cgroup will do where the container's own takes no process.
    pub(super) fallback: Option<i32>,
}

impl spawn::Host for NoHooks<'_> {
    fn has_v1(&self) -> bool {
        self.cgroup.is_some_and(|cgroup| !cgroup.is_users() && cgroup.has_v1())
    }

    fn tasks(&mut self) -> Result<Vec<OwnedFd>> {
        self.cgroup.map_or(Ok(Vec::new()), Cgroup::tasks).map_err(not_joined)
    }

    fn cgroup(&mut self, child: &Child) -> Result<()> {
        self.cgroup.map_or(Ok(()), |cgroup| cgroup.admit(child.pid))
    }

    fn hooks(&mut self, _point: crate::step::HookPoint, _child: &Child) -> Result<()> {
        Ok(())
    }

    fn seccomp_listener(&mut self, listener: OwnedFd, child: &Child) -> Result<()> {
        agent::tell(self.plan.seccomp_agent.as_ref(), self.state, self.status, child.pid, &listener)
    }

    fn cgroups(&self) -> Option<&Cgroup> {
        self.cgroup
    }

    fn container(&self) -> Option<i32> {
        Some(self.state.init?.pid)
    }

    fn is_paused(&self) -> bool {
        !self.waits && self.cgroup.is_some_and(|cgroup| cgroup.is_frozen().unwrap_or(false))
    }

    fn other_cgroup(&mut self) -> Option<OwnedFd> {
        cgroup::birth_place_of(self.fallback?).ok()
    }
}
