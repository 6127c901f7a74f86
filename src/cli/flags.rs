// SPDX-License-Identifier: Apache-2.0
//! The shapes of flags that runc has, and how their values are read back.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::version::program;
use crate::error::{Error, Result};
use crate::spec::c_string;
use crate::timings;

/// The one positional of clap's that holds all arguments: each command counts its own.
const ARGUMENTS: &str = "arguments";

/// A command of tare's: `usage` is what follows its name, a line for each form.
pub(super) fn command(name: &'static str, about: &'static str, usage: &str) -> Command {
    let forms: Vec<_> = usage.lines().map(|form| format!("{} {name} {form}", program())).collect();
    Command::new(name)
        .about(about)
        .override_usage(forms.join("\n       "))
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .arg(Arg::new("help").long("help").short('h').help("show this help").action(ArgAction::Help))
        .arg(Arg::new(ARGUMENTS).num_args(0..).value_parser(value_parser!(OsString)).hide(true))
}

/// `--name`, `--name=true`, `--name=false`; never takes the next word.
pub(super) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(parse_bool)
}

/// `--name VALUE`; the last one counts.
pub(super) fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help).value_parser(value_parser!(OsString))
}

/// `--name VALUE`, as often as wanted.
pub(super) fn values(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    value(name, placeholder, help).action(ArgAction::Append)
}

/// `--timings`, `--timings=FILE`; never takes the next word.
pub(super) fn timings() -> Arg {
    value(
        "timings",
        "FILE",
        "tell how long each step of the start took; with a FILE as a trace for a browser's viewer",
    )
    .num_args(0..=1)
    .require_equals(true)
    .default_missing_value("")
}

/// Time is taken from here on, if the flag is there.
pub(super) fn take_time(matches: &ArgMatches) -> Result<()> {
    let Some(file) = matches.get_one::<OsString>("timings") else { return Ok(()) };
    let file = path(matches, "timings").map(|_| c_string(file, String::new)).transpose()?;
    timings::begin(file)
}

/// The words that Go's strconv.ParseBool knows.
pub(super) fn parse_bool(text: &str) -> std::result::Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("not a boolean"),
    }
}

pub(super) fn is_on(matches: &ArgMatches, name: &str) -> bool {
    on_or_off(matches, name).unwrap_or(false)
}

/// None when the caller did not say.
pub(super) fn on_or_off(matches: &ArgMatches, name: &str) -> Option<bool> {
    matches.get_one::<bool>(name).copied()
}

/// An empty path is none, as in runc.
pub(super) fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<OsString>(name).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// An empty text is none, as in runc.
pub(super) fn text(matches: &ArgMatches, name: &str) -> Result<Option<String>> {
    let Some(value) = matches.get_one::<OsString>(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    utf8(value).map(Some)
}

pub(super) fn texts(matches: &ArgMatches, name: &str) -> Result<Vec<String>> {
    matches.get_many::<OsString>(name).into_iter().flatten().map(utf8).collect()
}

pub(super) fn arguments(matches: &ArgMatches) -> Result<Vec<String>> {
    texts(matches, ARGUMENTS)
}

/// The first argument. No id is valid that is not UTF-8 or is empty: whoever parses it will say so.
pub(super) fn id(matches: &ArgMatches) -> String {
    let first = matches.get_one::<OsString>(ARGUMENTS);
    first.map(|id| id.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(super) fn count(matches: &ArgMatches) -> usize {
    matches.get_many::<OsString>(ARGUMENTS).map_or(0, |all| all.len())
}

/// What ends up in JSON must be UTF-8.
fn utf8(value: &OsString) -> Result<String> {
    let text = value.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::new(format!("{} is not valid UTF-8", value.to_string_lossy())))
}

/// The kernel's own limit on open files (fs.nr_open), as it is by default.
pub(super) const MOST_FDS: u32 = 1 << 20;

/// `--preserve-fds N`
pub(super) fn preserve_fds() -> Arg {
    value("preserve-fds", "N", "hand on N more file descriptors (3 + $LISTEN_FDS and up)")
        .value_parser(value_parser!(u32).range(..=i64::from(MOST_FDS)))
}

pub(super) fn preserved(matches: &ArgMatches) -> u32 {
    matches.get_one::<u32>("preserve-fds").copied().unwrap_or(0)
}
