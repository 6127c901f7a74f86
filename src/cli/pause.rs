// SPDX-License-Identifier: Apache-2.0
//! `pause` and `resume`: freeze and thaw all processes of a container.

use clap::{ArgMatches, Command};

use super::global::Global;
use super::{destroy, flags};
use crate::cgroup::Cgroup;
use crate::container::Status;
use crate::error::{Error, Kind, Result};

pub(super) fn command() -> Command {
    flags::command("pause", "Freeze all processes of a container", "<container-id>")
}

pub(super) fn resume_command() -> Command {
    flags::command("resume", "Thaw all processes of a container", "<container-id>")
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    with_status(global, matches, "pause", |status, cgroup| match status {
        Status::Created | Status::Running => cgroup.freeze(),
        _ => Err(Error::new("container not running").of_kind(Kind::NotRunning)),
    })
}

pub(super) fn resume(global: &Global, matches: &ArgMatches) -> Result<i32> {
    with_status(global, matches, "resume", |status, cgroup| match status {
        Status::Paused => cgroup.thaw(),
        _ => Err(Error::new("container not paused")),
    })
}

fn with_status(
    global: &Global,
    matches: &ArgMatches,
    verb: &str,
    act: impl FnOnce(Status, &Cgroup) -> Result<()>,
) -> Result<i32> {
    let container = global.container(&flags::id(matches))?.lock(verb)?;
    let state = container.state()?;
    let cgroup = destroy::cgroup_of(&state)?;
    let cgroup =
        cgroup.ok_or_else(|| Error::new(format!("unable to {verb} a container that has no cgroup")))?;
    let status = container.status(&state).or_paused(|| cgroup.is_frozen().unwrap_or(false));
    act(status, &cgroup)?;
    Ok(0)
}
