// SPDX-License-Identifier: Apache-2.0
//! The hooks `startContainer`: last before the container's program, and with no more rights than it, since they run
//! what the image has under their names.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci_spec::runtime::Spec;

use super::document::document;
use super::enter::{self, NoHooks};
use super::{destroy, hooks};
use crate::cgroup::Cgroup;
use crate::container::{self, ProcessRef, State, Status};
use crate::error::Result;
use crate::plan::{self, HookProgram};
use crate::spawn::hooks::{Born, Kind};
use crate::spawn::{self, Materials};

/// Whether there are any: the caller has to be sealed for them.
pub(super) fn are_there(spec: &Spec) -> bool {
    !hooks::of(spec, Kind::StartContainer).is_empty()
}

/// In a container whose init is ready: one that fails makes `start` fail, and init ends.
pub(super) fn run(spec: &Spec, state: &State, init: BorrowedFd<'_>) -> Result<()> {
    let hooks = hooks::of(spec, Kind::StartContainer);
    if hooks.is_empty() {
        return Ok(());
    }
    let own_pids = state.namespaces & libc::CLONE_NEWPID as u64 != 0;
    let pid = if own_pids { 1 } else { state.init.map_or(0, |init| init.pid) };
    let document = document(state, Status::Created, pid);
    let ran = spawn::hooks::run_with(hooks, Kind::StartContainer, &document, &mut |program, streams| {
        start_inside(program, streams, spec, state, init)
    });
    if ran.is_err() {
        container::signal(init, libc::SIGKILL)?;
    }
    ran
}

fn start_inside(
    program: &HookProgram,
    streams: [OwnedFd; 3],
    spec: &Spec,
    state: &State,
    init: BorrowedFd<'_>,
) -> Result<Born> {
    let cgroup = destroy::cgroup_of(state)?;
    let options = plan::Options {
        adopted: cgroup.as_ref().is_some_and(Cgroup::is_users),
        ..enter::plan_options(state, 0, None)?
    };
    let plan = plan::hook(program, spec, &options, state.namespaces)?;
    let birth_place = enter::birth_place(cgroup.as_ref(), None)?;
    let (_, ignored) = ProcessRef::of_caller()?;
    let materials = Materials {
        cgroup: birth_place.as_ref().map(AsFd::as_fd),
        console: None,
        fifo: None,
        init: Some(init),
        ignored,
        streams: Some(streams),
    };
    let cgroup = cgroup.as_ref();
    let mut host =
        NoHooks { state, status: Status::Created, plan: &plan, cgroup, fallback: None, waits: true };
    let child = spawn::start(&plan, materials, &mut host)?;
    child.go_and_execute(&plan, || false)?;
    child.hand_over()
}
