// SPDX-License-Identifier: Apache-2.0
//! The command line: runc's flags, defaults, texts, formats and exit codes, a file per command.
//!
//! Runs in the calling process. Only the parser of the command that was asked for is built. May name
//! every module but `init` and `sys`; makes no system call, prints through `output` alone.

mod argv;
mod flags;
mod global;
mod output;
mod usage;
mod version;

mod create;
mod delete;
mod exec;
mod explain;
mod features;
mod kill;
mod list;
mod ps;
mod run;
mod spec;
mod start;
mod state;
mod unsupported;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::{ArgMatches, Command};

use crate::error::{Error, Result};
use argv::Flags;
use global::Global;

/// A command, and how many arguments it takes where.
struct Verb {
    name: &'static str,
    command: fn() -> Command,
    arguments: (usize, usize),
    flags: Flags,
    /// None: known, but not there yet.
    run: Option<fn(&Global, &ArgMatches) -> Result<i32>>,
    /// The exit code when `run` fails.
    failure: u8,
}

const ANY: usize = usize::MAX;

const fn verb(
    name: &'static str,
    command: fn() -> Command,
    arguments: (usize, usize),
    run: fn(&Global, &ArgMatches) -> Result<i32>,
) -> Verb {
    Verb { name, command, arguments, flags: Flags::Anywhere, run: Some(run), failure: 1 }
}

const fn later(name: &'static str, command: fn() -> Command) -> Verb {
    Verb { name, command, arguments: (1, 1), flags: Flags::Anywhere, run: None, failure: 1 }
}

const COMMANDS: &[Verb] = &[
    later("checkpoint", unsupported::checkpoint),
    verb("create", create::command, (1, 1), create::run),
    verb("delete", delete::command, (1, 1), delete::run),
    later("events", unsupported::events),
    // 255, as the program inside may itself end with any other code.
    Verb { flags: Flags::BeforeArguments, failure: 255, ..verb("exec", exec::command, (1, ANY), exec::run) },
    verb("explain", explain::command, (0, 0), explain::run),
    verb("features", features::command, (0, 0), features::run),
    verb("kill", kill::command, (1, 2), kill::run),
    verb("list", list::command, (0, 0), list::run),
    later("pause", unsupported::pause),
    Verb { flags: Flags::BeforeArguments, ..verb("ps", ps::command, (1, ANY), ps::run) },
    later("restore", unsupported::restore),
    later("resume", unsupported::resume),
    verb("run", run::command, (1, 1), run::run),
    verb("spec", spec::command, (0, 0), spec::run),
    verb("start", start::command, (1, 1), start::run),
    verb("state", state::command, (1, 1), state::run),
    later("update", unsupported::update),
];

/// Why the command failed and the code to end with.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    pub code: u8,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, code: 1 }
    }
}

/// The whole of one invocation: its exit code.
///
/// # Errors
/// With the text for the log and the exit code.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> std::result::Result<u8, Failure> {
    let mut argv = argv.into_iter();
    let program = argv.next().unwrap_or_default();
    let words: Vec<OsString> = argv.collect();

    let command = global::command();
    let split = argv::split(&command, &words, Flags::BeforeArguments);
    let matches = match usage::parse(command, split.flags, usage::whole)? {
        Some(matches) => matches,
        None => return usage::help(None),
    };
    global::log(&matches)?.set_up();
    if flags::is_on(&matches, "version") {
        output::print(&version::text(&program))?;
        return Ok(0);
    }
    let Some((name, rest)) = split.arguments.split_first() else { return usage::help(None) };
    if name == "help" || name == "h" {
        return usage::help(rest.first());
    }
    let verb = find(name).ok_or_else(|| usage::no_such_command(name))?;
    dispatch(&program, verb, rest, &matches)
}

fn find(name: &OsString) -> Option<&'static Verb> {
    COMMANDS.iter().find(|verb| name == verb.name)
}

fn dispatch(
    program: &OsString,
    verb: &Verb,
    words: &[OsString],
    global: &ArgMatches,
) -> std::result::Result<u8, Failure> {
    let command = (verb.command)();
    let split = argv::split(&command, words, verb.flags);
    let Some(matches) = usage::parse_command(program, verb, command, split)? else {
        return usage::help(Some(&verb.name.into()));
    };
    let Some(run) = verb.run else { return Err(unsupported::refuse(verb.name).into()) };
    let global = Global::new(global)?;
    let code = run(&global, &matches).map_err(|error| Failure { error, code: verb.failure })?;
    // The low byte is all that a parent ever sees of it.
    Ok(code as u8)
}
