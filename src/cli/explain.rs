// SPDX-License-Identifier: Apache-2.0
//! `explain`: print the plan for a bundle, step by step, and do nothing.

use std::path::PathBuf;

use clap::{ArgMatches, Command};

use super::create::CreateOptions;
use super::global::Global;
use super::{create, flags, launch, output};
use crate::error::Result;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExplainOptions {
    pub(super) bundle: PathBuf,
}

pub(super) fn command() -> Command {
    let about = "Print each step that would be taken and its place in config.json";
    flags::command("explain", about, "[options]").arg(create::bundle())
}

impl ExplainOptions {
    pub(super) fn new(matches: &ArgMatches) -> ExplainOptions {
        ExplainOptions { bundle: create::bundle_of(matches) }
    }
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let options = CreateOptions {
        id: "explain".to_owned(),
        bundle: ExplainOptions::new(matches).bundle,
        ..CreateOptions::default()
    };
    output::print(&launch::explain(global, &options)?)?;
    Ok(0)
}
