// SPDX-License-Identifier: Apache-2.0
//! `kill`: send a signal to a container.

use std::str::FromStr;

use clap::{ArgMatches, Command};

use super::flags::{self, switch};
use super::global::Global;
use crate::error::{Error, Result};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct KillOptions {
    pub(super) id: String,
    pub(super) signal: i32,
    /// Obsolete: all that is left of it is that a container which does not run is no error.
    pub(super) all: bool,
}

pub(super) fn command() -> Command {
    flags::command("kill", "Send a signal, TERM by default, to a container", "<container-id> [signal]")
        .arg(switch("all", "").short('a').hide(true))
}

impl KillOptions {
    pub(super) fn new(matches: &ArgMatches) -> Result<KillOptions> {
        let arguments = flags::arguments(matches)?;
        let signal = arguments.get(1).map_or(Ok(libc::SIGTERM), |text| signal_number(text))?;
        Ok(KillOptions { id: flags::id(matches), signal, all: flags::is_on(matches, "all") })
    }
}

/// `9`, `KILL`, `SIGKILL`, in any case. A number is the kernel's to judge; 0 only asks.
fn signal_number(text: &str) -> Result<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return Ok(number);
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    // The second names that some signals have.
    let name = match name {
        "IOT" => "ABRT",
        "CLD" => "CHLD",
        "POLL" => "IO",
        name => name,
    };
    match nix::sys::signal::Signal::from_str(&format!("SIG{name}")) {
        Ok(signal) => Ok(signal as i32),
        Err(_) => Err(Error::new(format!("unknown signal {text:?}"))),
    }
}

pub(super) fn run(_global: &Global, matches: &ArgMatches) -> Result<i32> {
    let _options = KillOptions::new(matches)?;
    Err(Error::new("not wired yet"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn signals_have_numbers_and_names_in_any_case() {
        for (text, number) in [
            ("9", 9),
            ("0", 0),
            ("37", 37),
            ("KILL", 9),
            ("kill", 9),
            ("SIGKILL", 9),
            ("SigTerm", 15),
            ("hup", 1),
            ("WINCH", 28),
            ("IOT", 6),
            ("CLD", 17),
            ("SIGPOLL", 29),
            ("PWR", 30),
            ("STKFLT", 16),
            ("SYS", 31),
        ] {
            assert_eq!(signal_number(text).unwrap(), number, "{text}");
        }
        for text in ["BOGUS", "", "SIG", "SIGSIGKILL", "9x"] {
            assert_eq!(signal_number(text).unwrap_err().to_string(), format!("unknown signal {text:?}"));
        }
    }
}
