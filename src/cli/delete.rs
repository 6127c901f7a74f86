// SPDX-License-Identifier: Apache-2.0
//! `delete`: remove all that is left of a container.

use clap::{ArgMatches, Command};

use super::flags::{self, switch};
use super::global::Global;
use crate::error::{Error, Result};

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

pub(super) fn run(_global: &Global, matches: &ArgMatches) -> Result<i32> {
    let _options = DeleteOptions::new(matches);
    Err(Error::new("not wired yet"))
}
