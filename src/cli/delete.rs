// SPDX-License-Identifier: Apache-2.0
//! `delete`: remove all that is left of a container.

use clap::{ArgMatches, Command};

use super::destroy;
use super::flags::{self, switch};
use super::global::Global;
use crate::container::Status;
use crate::error::{Error, Kind, Result};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeleteOptions {
    pub(super) id: String,
    /// Kill it first if it runs; to have no such container is no error.
    pub(super) force: bool,
}

pub(super) fn command() -> Command {
    flags::command("delete", "Delete a container", "[options] <container-id>")
        .arg(switch("force", "kill the container first if it still runs").short('f'))
}

impl DeleteOptions {
    pub(super) fn new(matches: &ArgMatches) -> DeleteOptions {
        DeleteOptions { id: flags::id(matches), force: flags::is_on(matches, "force") }
    }
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let options = DeleteOptions::new(matches);
    let locked = global.container(&options.id).and_then(|container| container.lock("delete"));
    let container = match locked {
        Err(error) if error.kind() == Kind::NotFound => {
            global.sweep(&options.id)?;
            return if options.force { Ok(0) } else { Err(error) };
        }
        locked => locked?,
    };
    let state = container.state()?;
    let status = destroy::status(&container, &state);
    // One that was never started has nothing to lose.
    if !options.force && !matches!(status, Status::Stopped | Status::Created) {
        let id = &options.id;
        return Err(Error::new(format!("cannot delete container {id} that is not stopped: {status}")));
    }
    destroy::destroy(container, &state)?;
    Ok(0)
}
