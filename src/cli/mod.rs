// SPDX-License-Identifier: Apache-2.0
//! The command line: runc's flags, defaults, texts, formats and exit codes, a file per command.
//!
//! Runs in the calling process. Only the parser of the command that was asked for is built. May name
//! every module but `init` and `sys`; makes no system call, prints through `output` alone.

mod agent;
mod argv;
mod flags;
mod global;
mod output;
mod usage;
mod version;

mod checkpoint;
mod console;
mod create;
mod delete;
mod destroy;
mod document;
mod enter;
mod environment;
mod events;
mod exec;
mod explain;
mod features;
mod hooks;
mod kill;
mod launch;
mod list;
mod manual;
mod notify;
mod pause;
mod pid_file;
mod ps;
mod quantity;
mod run;
mod spec;
mod start;
mod start_container;
mod state;
mod update;

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};

use clap::{ArgMatches, Command};

use crate::error::{Error, Result};
use argv::Flags;
use global::Global;
pub use usage::definition;

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
    later("checkpoint", checkpoint::checkpoint),
    verb("create", create::command, (1, 1), launch::run),
    verb("delete", delete::command, (1, 1), delete::run),
    verb("events", events::command, (1, 1), events::run),
    // 255, as the program inside may itself end with any other code.
    Verb { flags: Flags::BeforeArguments, failure: 255, ..verb("exec", exec::command, (1, ANY), enter::run) },
    verb("explain", explain::command, (0, 0), explain::run),
    verb("features", features::command, (0, 0), features::run),
    verb("kill", kill::command, (1, 2), kill::run),
    verb("list", list::command, (0, 0), list::run),
    verb("pause", pause::command, (1, 1), pause::run),
    Verb { flags: Flags::BeforeArguments, ..verb("ps", ps::command, (1, ANY), ps::run) },
    later("restore", checkpoint::restore),
    verb("resume", pause::resume_command, (1, 1), pause::resume),
    verb("run", run::command, (1, 1), run::run),
    verb("spec", spec::command, (0, 0), spec::run),
    verb("start", start::command, (1, 1), start::run),
    verb("state", state::command, (1, 1), state::run),
    verb("update", update::command, (1, 1), update::run),
];

/// Why the command failed and the code to end with.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    pub code: u8,
    /// For standard output, when it was the command line's fault.
    usage: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, code: 1, usage: String::new() }
    }
}

/// The whole of one invocation: its exit code.
///
/// # Errors
/// With the text for the log and the exit code.
pub fn run(mut argv: impl Iterator<Item = OsString>) -> std::result::Result<u8, Failure> {
    let program = argv.next().unwrap_or_default();
    invoke(&program, &argv.collect::<Vec<_>>()).inspect_err(|failure| {
        // The error is what must be told; if this does not get through, so be it.
        let _ = output::print(&failure.usage);
    })
}

fn invoke(program: &OsStr, words: &[OsString]) -> std::result::Result<u8, Failure> {
    let command = global::command();
    let split = argv::split(&command, words, Flags::BeforeArguments);
    let Some(global) = usage::parse(command, split.flags, usage::whole)? else { return usage::help(None) };
    global::log(&global)?.set_up();
    if flags::is_on(&global, "version") {
        output::print(&version::text(program))?;
        return Ok(0);
    }
    match split.arguments.split_first() {
        None => usage::help(None),
        Some((name, rest)) if name == "help" || name == "h" => usage::help(rest.first()),
        Some((name, rest)) => match find(name) {
            Some(verb) => dispatch(program, verb, rest, &global),
            None => Err(usage::no_such_command(name)),
        },
    }
}

fn find(name: &OsStr) -> Option<&'static Verb> {
    COMMANDS.iter().find(|verb| name == verb.name)
}

fn dispatch(
    program: &OsStr,
    verb: &Verb,
    words: &[OsString],
    global: &ArgMatches,
) -> std::result::Result<u8, Failure> {
    let command = (verb.command)();
    let split = argv::split(&command, words, verb.flags);
    let Some(matches) = usage::parse_command(program, verb, command, split)? else {
        return usage::help(Some(&verb.name.into()));
    };
    let Some(run) = verb.run else { return Err(checkpoint::refuse(verb.name).into()) };
    let global = Global::new(global)?;
    let code = run(&global, &matches).map_err(|error| Failure { code: verb.failure, ..error.into() })?;
    // The low byte is all that a parent ever sees of it.
    Ok(code as u8)
}
