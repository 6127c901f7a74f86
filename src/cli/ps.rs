// SPDX-License-Identifier: Apache-2.0
//! `ps`: the processes of a container, by their pids on the host.

use std::process::{Command as Program, Output};

use clap::{ArgMatches, Command};

use super::destroy;
use super::flags::{self, value};
use super::global::Global;
use super::list::Format;
use super::output;
use crate::error::{Error, Result};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct PsOptions {
    pub(super) id: String,
    pub(super) format: Format,
    /// For ps(1).
    pub(super) ps: Vec<String>,
}

pub(super) fn command() -> Command {
    flags::command("ps", "List the processes of a container", "[options] <container-id> [ps options]")
        .arg(value("format", "FORMAT", "table or json").short('f'))
}

impl PsOptions {
    pub(super) fn new(matches: &ArgMatches) -> Result<PsOptions> {
        let mut ps = flags::arguments(matches)?.split_off(1);
        if ps.is_empty() {
            ps.push("-ef".to_owned());
        }
        Ok(PsOptions { id: flags::id(matches), format: Format::new(matches)?, ps })
    }
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let options = PsOptions::new(matches)?;
    let state = global.container(&options.id)?.state()?;
    let pids = destroy::cgroup_of(&state)?.map_or(Ok(Vec::new()), |cgroup| cgroup.pids())?;
    let text = match options.format {
        Format::Json => json(&pids),
        Format::Table => rows_of(&listing(&options.ps)?, &pids)?,
    };
    output::print(&text)?;
    Ok(0)
}

/// One line. No process at all is `null`, the nil slice of Go.
fn json(pids: &[i32]) -> String {
    if pids.is_empty() {
        return "null\n".to_owned();
    }
    let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
    format!("[{}]\n", pids.join(","))
}

/// Of all that ps(1) printed, the head and the lines of these processes.
fn rows_of(listing: &str, pids: &[i32]) -> Result<String> {
    let mut lines = listing.lines();
    let head = lines.next().unwrap_or_default();
    let column = head.split_ascii_whitespace().position(|title| title == "PID");
    let column = column.ok_or_else(|| Error::new("couldn't find PID field in ps output"))?;
    let mut out = format!("{head}\n");
    for line in lines.filter(|line| !line.is_empty()) {
        let field = line.split_ascii_whitespace().nth(column).unwrap_or_default();
        let pid: i32 = field.parse().map_err(|_| {
            Error::new("unable to parse pid").because(format!("{field:?} in the output of ps"))
        })?;
        if pids.contains(&pid) {
            out = out + line + "\n";
        }
    }
    Ok(out)
}

/// The machine's own ps(1), found by PATH, or in /bin and /usr/bin when there is none (CRI-O's
/// environment is empty). Its end closes the pipes that are read here.
#[expect(
    clippy::disallowed_methods,
    reason = "ps(1) of the host, for a person, with the person's environment"
)]
fn listing(options: &[String]) -> Result<String> {
    let Output { status, stdout, stderr } = Program::new("ps")
        .args(options)
        .output()
        .map_err(|e| Error::new("unable to run ps").because(e.to_string()))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = [stdout, stderr].concat();
    Err(Error::new(format!("ps failed ({status})")).because(String::from_utf8_lossy(&said).trim_end()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What ps(1) of Debian printed, and what runc 1.1.5 made of it.
    #[test]
    fn the_lines_of_the_container_are_kept() {
        let ef = "UID        PID  PPID  C STIME TTY          TIME CMD\n\
                  root         1     0  0 01:00 ?        00:00:01 /sbin/init 14879\n\
                  root     14879     1  0 02:39 ?        00:00:00 sleep 600\n";
        assert_eq!(
            rows_of(ef, &[14879]).unwrap(),
            "UID        PID  PPID  C STIME TTY          TIME CMD\n\
             root     14879     1  0 02:39 ?        00:00:00 sleep 600\n"
        );
        let comm = "  PID COMMAND\n    1 init\n14879 sleep\n";
        assert_eq!(rows_of(comm, &[7, 14879]).unwrap(), "  PID COMMAND\n14879 sleep\n");
        assert_eq!(rows_of(comm, &[]).unwrap(), "  PID COMMAND\n");
    }

    #[test]
    fn a_listing_that_makes_no_sense_is_refused() {
        for (listing, error) in [
            ("COMMAND\nsleep\n", "couldn't find PID field in ps output"),
            ("", "couldn't find PID field in ps output"),
            ("PID\nx\n", "unable to parse pid: \"x\" in the output of ps"),
            ("CMD PID\nx\n", "unable to parse pid: \"\" in the output of ps"),
        ] {
            assert_eq!(rows_of(listing, &[1]).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn pids_as_json_are_one_line() {
        assert_eq!(json(&[14879]), "[14879]\n");
        assert_eq!(json(&[1, 23]), "[1,23]\n");
        assert_eq!(json(&[]), "null\n");
    }
}
