// SPDX-License-Identifier: Apache-2.0
//! `create` and `run`: from a bundle to an init that waits, all effects behind guards that undo them.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use clap::ArgMatches;
use oci_spec::runtime::Spec;

use super::console::Mode;
use super::create::CreateOptions;
use super::environment::Activation;
use super::global::Global;
use super::hooks::{Cgroups, Hooks};
use super::{console, destroy, flags, notify, output, pid_file, start_container};
use crate::bundle::Bundle;
use crate::cgroup::{self, Cgroup, resctrl};
use crate::container::{
    CgroupRecord, ContainerId, Driver, Locked, Phase, ProcessRef, ResctrlRecord, State, Store,
};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::host::systemd::{Bus, Manager, in_environment};
use crate::plan::cgroup::CgroupPlan;
use crate::plan::resctrl::Group;
use crate::plan::{self, Plan};
use crate::spawn::notify::Notify;
use crate::spawn::{self, Child, Materials};
use crate::step::Step;
use crate::{log, seal, timings};

/// Everything decided, nothing done.
pub(super) struct Prepared {
    pub(super) id: ContainerId,
    bundle: Bundle,
    cgroup: CgroupPlan,
    resctrl: Option<Group>,
    pub(super) plan: Plan,
    state: State,
    ignored: u64,
}

/// A container whose init is ready, and recorded.
pub(super) struct Launched {
    pub(super) container: Locked,
    pub(super) state: State,
    pub(super) spec: Spec,
    pub(super) child: Child,
    pub(super) master: Option<OwnedFd>,
    pub(super) notify: Option<Notify>,
    pub(super) cgroup: Cgroup,
}

pub(super) fn prepare(global: &Global, options: &CreateOptions, mode: Mode) -> Result<Prepared> {
    let (id, bundle) = read(options)?;
    // First of all, as everything after is done again in the sealed copy.
    if plan::lives_with_others(&bundle.spec.value) {
        seal::enter()?;
    }
    decide(global, options, mode, id, bundle)
}

fn read(options: &CreateOptions) -> Result<(ContainerId, Bundle)> {
    Ok((ContainerId::parse(&options.id)?, Bundle::read(&options.bundle)?))
}

fn decide(
    global: &Global,
    options: &CreateOptions,
    mode: Mode,
    id: ContainerId,
    bundle: Bundle,
) -> Result<Prepared> {
    bundle.spec.warnings.iter().for_each(|warning| log::warn(warning));
    let spec = &bundle.spec.value;
    let host = Host::read(plan::questions(spec, options.no_pivot))?;
    let rootless = global.rootless.unwrap_or(!host.privileged || host.in_user_namespace);
    let manager = if global.systemd_cgroup { Some(manager(&host)?) } else { None };
    let cgroup = plan::cgroup::plan(spec, id.as_str(), &host.cgroups, rootless, manager.as_ref())?;
    let resctrl = plan::resctrl::plan(spec, id.as_str(), host.resctrl.as_ref())?;
    let rootfs = bundle.rootfs()?;
    let keyring = (!options.no_new_keyring).then(seal::random_name);
    let activation = Activation::read();
    let plan_options = plan::Options {
        id: id.as_str(),
        bundle: &bundle.path,
        rootfs: &rootfs,
        no_pivot: options.no_pivot,
        keyring: keyring.clone().map(|name| CString::new(name).unwrap_or_default()),
        preserve_fds: options.preserve_fds,
        listen_fds: activation.listen_fds(),
        notify_dir: activation.notify_dir(&global.root, &id),
        wait_for_start: mode == Mode::Create,
        adopted: false,
        privileged: host.privileged && !host.in_user_namespace,
    };
    let plan = plan::create(spec, &plan_options, &host, &cgroup)?;
    log::debug(|| format!("{} steps planned for container {id}", plan.steps.len()));
    for planned in &plan.steps {
        if let Step::Seccomp { flags, .. } = planned.step {
            log::debug(|| format!("seccomp filter flags: {flags}"));
        }
    }
    plan.warnings.iter().for_each(|warning| log::warn(warning));
    let (creator, ignored) = ProcessRef::of_caller()?;
    let mut state = State::creating(&id, creator)?;
    state.bundle.clone_from(&bundle.path);
    state.rootfs = rootfs;
    state.annotations = spec.annotations().clone().unwrap_or_default().into_iter().collect();
    state.cgroup = Some(record_of(&cgroup));
    state.namespaces = plan.namespaces;
    state.keyring = keyring;
    state.resctrl = resctrl.as_ref().map(|group| ResctrlRecord {
        group: group.path.clone(),
        monitor: group.monitor.clone(),
        remove: resctrl::to_remove(group).map(str::to_owned),
    });
    timings::mark("read the bundle and the host, and plan");
    Ok(Prepared { id, bundle, cgroup, resctrl, plan, state, ignored })
}

/// The systemd that shall make the cgroup, where there is one that could.
fn manager(host: &Host) -> Result<Manager> {
    let bus = Bus::of_caller(host.privileged, host.in_user_namespace, in_environment);
    let own = host.cgroups.hierarchies.iter().find(|hierarchy| hierarchy.controllers.is_empty());
    cgroup::systemd::manager(bus, own.map_or("", |hierarchy| &hierarchy.own))
}

fn record_of(cgroup: &CgroupPlan) -> CgroupRecord {
    let unit = cgroup.unit.as_ref().map(|unit| unit.unit.clone());
    let driver = if unit.is_some() { Driver::Systemd } else { Driver::Cgroupfs };
    CgroupRecord { driver, unit, paths: cgroup.paths() }
}

/// # Errors
/// And then nothing is left: no process, no cgroup, no directory.
pub(super) fn launch(
    global: &Global,
    options: &CreateOptions,
    prepared: Prepared,
    mode: Mode,
) -> Result<Launched> {
    let Prepared { id, bundle, cgroup, resctrl, plan, mut state, ignored } = prepared;
    let terminal = console::wanted(&bundle.spec.value);
    let console = console::open(terminal, options.console_socket.as_deref(), mode)?;
    let container = Store::make(&global.root)?.create(&id, "create")?;
    // Before the journal: a `delete --force` kills whatever is in the cgroups that the journal names.
    if let Err(error) = cgroup::refuse_used(&cgroup) {
        container.remove()?;
        return Err(error);
    }
    let spec = bundle.spec.value;
    let started = record(&container, &bundle.config, &state).and_then(|()| {
        // What another has there is not ours to remove.
        let (made, birth_place) = cgroup::create(&cgroup).inspect_err(|_| state.cgroup = None)?;
        let phase = if mode == Mode::Create { Phase::Created } else { Phase::Running };
        let given = (made, resctrl.as_ref());
        let ready = State { phase, ..state.clone() };
        let mut hooks = Hooks::new(&spec, ready, given, &plan, &container);
        let fifo = (mode == Mode::Create).then(|| container.fifo_make().and_then(|()| container.fifo_open()));
        let materials = Materials {
            cgroup: birth_place.as_ref().map(AsFd::as_fd),
            console: console.given,
            fifo: fifo.transpose()?,
            init: None,
            ignored,
            streams: None,
        };
        let child = spawn::start(&plan, materials, &mut hooks).map_err(|error| {
            if hooks.cgroups() != Cgroups::Made {
                state.cgroup = None;
            }
            if hooks.cgroups() == Cgroups::Failed { error } else { in_init(error) }
        })?;
        state = hooks.commit(&child)?;
        timings::mark("set the limits and record init");
        announce(options, &child)?;
        let master = console.kept.as_ref().map(spawn::receive_master).transpose()?;
        let notify = if mode == Mode::Create { None } else { notify::bind(&container)? };
        Ok((child, hooks.into_made(), notify, master))
    });
    let (child, made, notify, master) = match started {
        Ok(started) => started,
        Err(error) => return Err(give_up(container, &spec, &state, error)),
    };
    let went = match mode {
        Mode::Create => child.go(),
        Mode::Run { .. } => start_container::run(&spec, &state, child.pidfd.as_fd())
            .and_then(|()| child.go_and_execute(&plan, || false)),
    };
    if let Err(error) = went {
        drop(child);
        drop(made);
        return Err(give_up(container, &spec, &state, error));
    }
    timings::mark("let it go on");
    timings::tell()?;
    let cgroup = made.keep();
    if mode != (Mode::Run { detach: false }) {
        child.keep();
    }
    Ok(Launched { container, state, spec, child, master, notify, cgroup })
}

/// The journal, before the first effect outside of the container's own directory.
fn record(container: &Locked, config: &[u8], state: &State) -> Result<()> {
    container.save_config(config)?;
    if Activation::read().notify_socket.is_some() {
        container.make_notify_dir()?;
    }
    container.save(state)?;
    timings::mark("make the container's directory and its journal");
    Ok(())
}

/// The words that runc puts before whatever init could not do.
pub(super) fn in_init(error: Error) -> Error {
    error.context("error during container init").context("unable to start container process")
}

fn announce(options: &CreateOptions, child: &Child) -> Result<()> {
    if let Some(path) = &options.pid_file {
        pid_file::write(path, child.pid)?;
    }
    match &options.pidfd_socket {
        Some(path) => console::send(path, b"standard", child.pidfd.as_fd()),
        None => Ok(()),
    }
}

/// As if it had never been attempted; the error stays the one that counts.
fn give_up(container: Locked, spec: &Spec, state: &State, error: Error) -> Error {
    let undone = destroy::cgroup_of(state).and_then(|c| destroy::undo(&container, Some(spec), state, c));
    if let Err(second) = undone {
        log::warn(&second.to_string());
    }
    error
}

/// For `explain` and `create --dry-run`.
pub(super) fn explain(global: &Global, options: &CreateOptions) -> Result<String> {
    let (id, bundle) = read(options)?;
    let prepared = decide(global, options, Mode::Create, id, bundle)?;
    let paths = prepared.cgroup.paths();
    let cgroups: String =
        paths.iter().map(|(name, path)| format!("make the cgroup {path} ({name})\n")).collect();
    let resctrl = prepared.resctrl.map(|group| format!("make the resctrl group {}\n", group.path));
    Ok(format!("{cgroups}{}{}", resctrl.unwrap_or_default(), prepared.plan))
}

/// The command `create`.
pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    flags::take_time(matches)?;
    let options = CreateOptions::new(matches);
    if options.dry_run {
        output::print(&explain(global, &options)?)?;
        return Ok(0);
    }
    create(global, &options).map_err(|error| error.context(failed("create")))?;
    Ok(0)
}

fn create(global: &Global, options: &CreateOptions) -> Result<()> {
    seal::close_all_but(options.preserve_fds + Activation::read().sockets())?;
    let prepared = prepare(global, options, Mode::Create)?;
    let launched = launch(global, options, prepared, Mode::Create)?;
    drop(launched.container);
    Ok(())
}

/// Clients of runc's read its name in front of what failed.
pub(super) fn failed(verb: &str) -> String {
    format!("{} {verb} failed", super::version::program())
}
