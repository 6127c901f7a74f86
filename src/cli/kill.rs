// SPDX-License-Identifier: Apache-2.0
//! `kill`: send a signal to a container.

use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;

use clap::{ArgMatches, Command};

use super::destroy;
use super::flags::{self, switch};
use super::global::Global;
use crate::container::{self, State};
use crate::error::{Error, Kind, Result};

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

/// Takes no lock: it must work while a `create` or `exec` is stuck.
pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let options = KillOptions::new(matches)?;
    let container = global.container(&options.id)?;
    let state = container.state()?;
    let sent = match state.open_init()? {
        Some(init) => send(&state, init.as_fd(), options.signal),
        None => send_to_rest(&state, options.signal),
    };
    match sent {
        Err(error) if options.all && error.kind() == Kind::NotRunning => Ok(0),
        result => result.map(|()| 0),
    }
}

/// KILL is for all of a container: without a pid namespace of its own the others would outlive init.
fn send(state: &State, init: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let shared_pids = state.namespaces & libc::CLONE_NEWPID as u64 == 0;
    if signal == libc::SIGKILL
        && let Some(cgroup) = destroy::cgroup_of(state)?
    {
        container::signal(init, signal)?;
        // A frozen process dies only once it is thawed.
        if shared_pids {
            return cgroup.kill_all();
        }
        // By now it may be gone, and its cgroup with it.
        let _ = cgroup.thaw();
        return Ok(());
    }
    container::signal(init, signal)
}

/// Without a pid namespace of its own what is left of a container outlives its init.
fn send_to_rest(state: &State, signal: i32) -> Result<()> {
    let shared_pids = state.namespaces & libc::CLONE_NEWPID as u64 == 0;
    match destroy::cgroup_of(state)? {
        Some(cgroup) if shared_pids && signal == libc::SIGKILL && !cgroup.pids()?.is_empty() => {
            cgroup.kill_all()
        }
        _ => Err(Error::new("container not running").of_kind(Kind::NotRunning)),
    }
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
