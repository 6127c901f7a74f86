// SPDX-License-Identifier: Apache-2.0
//! The end of a container, each step repeatable: kill, wait until it is empty, remove the cgroups, run
//! the hooks, remove the directory. A delete that was cut short is gone on with by the next.

use std::os::fd::AsFd;
use std::time::Duration;

use oci_spec::runtime::Spec;

use super::hooks;
use crate::cgroup::{self, Cgroup, resctrl};
use crate::container::{self, Container, Locked, State, Status};
use crate::error::{Error, Kind, Result};
use crate::spec;

/// runc waits 100 times 100 ms.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills whatever is left of it, then removes it.
pub(super) fn destroy(container: Locked, state: &State) -> Result<()> {
    // Without its config.json there are no hooks to run, and the rest still has to go.
    let spec =
        container.config().ok().and_then(|config| spec::config(&config).ok()).map(|parsed| parsed.value);
    undo(&container, spec.as_ref(), state, cgroup_of(state)?)
}

/// The same by who has made it, and knows it still.
pub(super) fn undo(
    container: &Locked,
    spec: Option<&Spec>,
    state: &State,
    cgroup: Option<Cgroup>,
) -> Result<()> {
    kill(state, cgroup.as_ref())?;
    bury(container, spec, state, cgroup)
}

fn kill(state: &State, cgroup: Option<&Cgroup>) -> Result<()> {
    let Some(init) = state.open_init()? else { return Ok(()) };
    match container::signal(init.as_fd(), libc::SIGKILL) {
        Err(error) if error.kind() != Kind::NotRunning => return Err(error),
        _ => {}
    }
    if let Some(cgroup) = cgroup {
        // A frozen process dies only once it is thawed.
        let _ = cgroup.thaw();
    }
    if container::wait_for_end(init.as_fd(), PATIENCE)? {
        Ok(())
    } else {
        Err(Error::new("container init still running"))
    }
}

/// The rest, once init has ended. What fails for a moment, for want of a descriptor or interrupted, must not leave a
/// container half there: it can all be done again, and so it is, once.
pub(super) fn bury(
    container: &Locked,
    spec: Option<&Spec>,
    state: &State,
    cgroup: Option<Cgroup>,
) -> Result<()> {
    let outside = || remove_outside(state, cgroup.as_ref());
    outside().or_else(|_| outside())?;
    if let Some(spec) = spec {
        hooks::run_poststop(spec, state);
    }
    container.remove().or_else(|_| container.remove())
}

fn remove_outside(state: &State, cgroup: Option<&Cgroup>) -> Result<()> {
    if let Some(cgroup) = cgroup {
        // With the first process of a pid namespace all others are gone. Without one they outlive it, and
        // an init that a killed creator never wrote down is not known at all.
        let alone = state.init.is_some() && state.namespaces & libc::CLONE_NEWPID as u64 != 0;
        if !alone {
            cgroup.kill_all()?;
        }
        cgroup.remove()?;
    }
    match state.resctrl.as_ref().and_then(|record| record.remove.as_deref()) {
        Some(group) => resctrl::remove(group),
        None => Ok(()),
    }
}

/// What the container is doing, a freezer looked at where it matters.
pub(super) fn status(container: &Container, state: &State) -> Status {
    // A cgroup that cannot be asked, as it is just being made or removed, is not frozen.
    let frozen = || cgroup_of(state).ok().flatten().is_some_and(|cgroup| cgroup.is_frozen().unwrap_or(false));
    container.status(state).or_paused(frozen)
}

pub(super) fn cgroup_of(state: &State) -> Result<Option<Cgroup>> {
    let Some(record) = &state.cgroup else { return Ok(None) };
    Ok(Some(cgroup::open(&record.paths)?.of_unit(record.unit.as_ref())))
}
