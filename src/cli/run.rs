// SPDX-License-Identifier: Apache-2.0
//! `run`: create and start in one, and by default stay until the program ends.

use std::os::fd::AsFd;

use clap::{ArgMatches, Command};

use super::console::Mode;
use super::create::{self, CreateOptions};
use super::environment::Activation;
use super::flags::{self, is_on, switch};
use super::global::Global;
use super::launch;
use super::{destroy, hooks, notify};
use crate::container::Status;
use crate::error::{self, Result};
use crate::spawn::Foreground;
use crate::spawn::hooks::Kind;
use crate::{log, seal};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct RunOptions {
    pub(super) create: CreateOptions,
    pub(super) detach: bool,
    /// Leave the container there when its process has ended.
    pub(super) keep: bool,
    pub(super) no_subreaper: bool,
}

pub(super) fn command() -> Command {
    create::shared(flags::command("run", "Create and start a container", "[options] <container-id>"))
        .arg(switch("detach", "do not wait for the container's process").short('d'))
        .arg(switch("keep", "do not delete the container when its process ends"))
        .arg(switch("no-subreaper", "do not adopt the container's orphaned processes"))
}

impl RunOptions {
    pub(super) fn new(matches: &ArgMatches) -> RunOptions {
        RunOptions {
            create: CreateOptions::shared(matches),
            detach: is_on(matches, "detach"),
            keep: is_on(matches, "keep"),
            no_subreaper: is_on(matches, "no-subreaper"),
        }
    }
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    flags::take_time(matches)?;
    let options = RunOptions::new(matches);
    match run_container(global, &options) {
        // As a shell says it; runc's init does, and its log is silent (runc issue 4171).
        Err(error)
            if error.kind() == error::Kind::NotExecuted
                && !options.detach
                && log::last_words(&error.plain()) =>
        {
            Ok(1)
        }
        result => result.map_err(|error| error.context(launch::failed("run"))),
    }
}

fn run_container(global: &Global, options: &RunOptions) -> Result<i32> {
    seal::close_all_but(options.create.preserve_fds + Activation::read().sockets())?;
    let mode = Mode::Run { detach: options.detach };
    let prepared = launch::prepare(global, &options.create, mode)?;
    let foreground = (!options.detach).then(|| Foreground::new(!options.no_subreaper)).transpose()?;
    let launched = launch::launch(global, &options.create, prepared, mode)?;
    let pid = launched.child.pid;
    let poststart = hooks::run(&launched.spec, Kind::Poststart, &launched.state, Status::Running, pid);
    if let Err(error) = poststart {
        destroy::destroy(launched.container, &launched.state)?;
        return Err(error);
    }
    // `kill`, `exec` and `delete` must not wait for a container that we only watch.
    let container = launched.container.unlock();
    let watched = notify::pass_ready(launched.notify, pid, launched.child.pidfd.as_fd())
        .and_then(|()| foreground.as_ref().map(|f| f.stay(&launched.child, launched.master)).transpose());
    // A container that nobody watches any more, and that nobody was told of, must not stay.
    let lock = || container.lock("run").or_else(|_| global.container(&options.create.id)?.lock("run"));
    let code = match watched {
        Ok(Some(exit)) => exit.code(),
        Ok(None) => return Ok(0),
        Err(error) => {
            drop(launched.child);
            lock().and_then(|container| destroy::destroy(container, &launched.state))?;
            return Err(error);
        }
    };
    if !options.keep {
        match lock() {
            Ok(container) => {
                destroy::bury(&container, Some(&launched.spec), &launched.state, Some(launched.cgroup))?;
                std::mem::forget(container);
            }
            // Somebody else has deleted it.
            Err(error) if error.kind() == error::Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // Exit closes what they hold.
    std::mem::forget((launched.child, foreground));
    Ok(code)
}
