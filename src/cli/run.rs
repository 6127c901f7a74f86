// SPDX-License-Identifier: Apache-2.0
//! `run`: create and start in one, and by default stay until the program ends.

use clap::{ArgMatches, Command};

use super::create::{self, CreateOptions};
use super::flags::{self, is_on, switch};
use super::global::Global;
use crate::error::{Error, Result};

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

pub(super) fn run(_global: &Global, matches: &ArgMatches) -> Result<i32> {
    let _options = RunOptions::new(matches);
    Err(Error::new("not wired yet"))
}
