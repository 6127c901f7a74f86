// SPDX-License-Identifier: Apache-2.0
//! `start`: let the program of a created container begin.

use clap::{ArgMatches, Command};

use super::flags;
use super::global::Global;
use crate::error::{Error, Result};

pub(super) fn command() -> Command {
    flags::command("start", "Start a created container", "<container-id>")
}

pub(super) fn run(_global: &Global, matches: &ArgMatches) -> Result<i32> {
    let _id = flags::id(matches);
    Err(Error::new("not wired yet"))
}
