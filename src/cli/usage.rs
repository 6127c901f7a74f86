// SPDX-License-Identifier: Apache-2.0
//! Help, and what is said of a command line that makes no sense.
//!
//! The texts are runc's: Podman looks in them for "flag needs an argument".

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};

use super::argv::Words;
use super::version::program;
use super::{ANY, COMMANDS, Failure, Verb, find, flags, global, manual, output};
use crate::error::Error;

type Parsed = std::result::Result<Option<ArgMatches>, Failure>;

/// None: help was asked for. `whole` makes the command again, for the usage.
pub(super) fn parse(command: Command, words: Vec<OsString>, whole: fn() -> Command) -> Parsed {
    match command.try_get_matches_from(words) {
        Ok(matches) => Ok(Some(matches)),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(None),
        Err(error) => {
            let text = describe(&error);
            let usage = format!("Incorrect Usage: {text}\n\n{}", help_text(whole()));
            Err(Failure { error: Error::new(text), code: 1, usage })
        }
    }
}

/// None: help was asked for. A wrong number of arguments is the command line's fault too.
pub(super) fn parse_command(program: &OsStr, verb: &Verb, command: Command, words: Words) -> Parsed {
    let mut line = words.flags;
    line.push("--".into());
    line.extend(words.arguments);
    let Some(matches) = parse(command, line, verb.command)? else { return Ok(None) };
    let Some(wrong) = wrong_count(verb, flags::count(&matches)) else { return Ok(Some(matches)) };
    let error = Error::new(format!("{}: {:?} requires {wrong}", program.to_string_lossy(), verb.name));
    let usage = format!("Incorrect Usage.\n\n{}", help_text((verb.command)()));
    Err(Failure { error, code: 1, usage })
}

fn wrong_count(verb: &Verb, count: usize) -> Option<String> {
    let (least, most) = verb.arguments;
    if (least..=most).contains(&count) {
        None
    } else if least == most {
        Some(format!("exactly {least} argument(s)"))
    } else if count < least || most == ANY {
        Some(format!("a minimum of {least} argument(s)"))
    } else {
        Some(format!("a maximum of {most} argument(s)"))
    }
}

/// clap's error in runc's words.
fn describe(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let flag = context(ContextKind::InvalidArg).trim_start_matches('-');
    let flag = flag.split(['=', '[', ' ']).next().unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => format!("flag provided but not defined: -{flag}"),
        ErrorKind::InvalidValue if value.is_empty() => format!("flag needs an argument: -{flag}"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("invalid value {value:?} for flag -{flag}: parse error")
        }
        _ => error.kind().to_string(),
    }
}

/// The help of one command, or of all.
pub(super) fn help(name: Option<&OsString>) -> std::result::Result<u8, Failure> {
    let command = match name {
        Some(name) => (find(name).ok_or_else(|| no_such_command(name))?.command)(),
        None => whole(),
    };
    output::print(&help_text(command))?;
    Ok(0)
}

/// All that can be said on the command line and what it means, for man pages and completions.
pub fn definition() -> Command {
    documented(whole()).mut_subcommands(documented)
}

/// The global level with all commands: too dear to build where nobody reads it.
pub(super) fn whole() -> Command {
    let commands = COMMANDS.iter().map(|verb| (verb.command)());
    global::command().name("tare").disable_help_subcommand(true).subcommands(commands)
}

/// It begins as runc's does, which scripts ask for what it is.
fn help_text(command: Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let name = Some(command.get_name()).filter(|name| find(OsStr::new(name)).is_some()).unwrap_or_default();
    let title = format!("{} {name}", program());
    let mut rest = documented(command).help_template("{usage-heading} {usage}\n\n{all-args}{after-help}");
    format!("NAME:\n   {} - {about}\n\n{}", title.trim_end(), rest.render_help())
}

/// With the rest of its manual, and without the `=true` and `=false` that a switch may have and nobody
/// writes.
fn documented(command: Command) -> Command {
    let plain =
        |arg: Arg| if arg.is_require_equals_set() { arg.num_args(0).require_equals(false) } else { arg };
    let name = command.get_name().to_owned();
    let manual = if name == "tare" { Some(manual::TARE) } else { manual::of(&name) };
    command.mut_args(plain).after_help(manual.unwrap_or_default())
}

pub(super) fn no_such_command(name: &OsStr) -> Failure {
    let error = Error::new(format!("No help topic for '{}'", name.to_string_lossy()));
    Failure { code: 3, ..error.into() }
}
