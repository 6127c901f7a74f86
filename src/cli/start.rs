// SPDX-License-Identifier: Apache-2.0
//! `start`: let the program of a created container begin.

use std::os::fd::AsFd;

use clap::{ArgMatches, Command};

use super::global::Global;
use super::{destroy, flags, hooks, notify, start_container};
use crate::container::{Started, Status};
use crate::error::{Error, Result};
use crate::spawn::hooks::Kind;
use crate::spec::{self, list};
use crate::{seal, spawn};

pub(super) fn command() -> Command {
    flags::command("start", "Start a created container", "<container-id>")
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let container = global.container(&flags::id(matches))?.lock("start")?;
    let state = container.state()?;
    match destroy::status(&container, &state) {
        Status::Created => {}
        Status::Stopped => return Err(Error::new("cannot start a container that has stopped")),
        Status::Running => return Err(Error::new("cannot start an already running container")),
        other => return Err(Error::new(format!("cannot start a container in the {other} state"))),
    }
    let Some(init) = state.open_init()? else {
        return Err(Error::new("cannot start a container that has stopped"));
    };
    let spec = spec::config(&container.config()?)?.value;
    if start_container::are_there(&spec) {
        // What we were given is not the hooks' (CVE-2024-21626).
        seal::close_all_but(0)?;
    }
    let pid = state.init.map_or(0, |init| init.pid);
    start_container::run(&spec, &state, init.as_fd())?;
    let notify = notify::bind(&container)?;
    match container.fifo_start(init.as_fd(), None)? {
        Started::Executed => {}
        Started::Failed { errno, .. } => {
            let args = spec.process().as_ref().map(|process| list(process.args()));
            let name = args.and_then(|args| args.first()).cloned().unwrap_or_default();
            return Err(spawn::exec_failed(&name, errno).context("unable to start container process"));
        }
    }
    if let Err(error) = hooks::run(&spec, Kind::Poststart, &state, Status::Running, pid) {
        destroy::destroy(container, &state)?;
        return Err(error);
    }
    notify::pass_ready(notify, pid, init.as_fd())?;
    Ok(0)
}
