// SPDX-License-Identifier: Apache-2.0
//! A process that can be found again: its pid and its start time, since pids are used again.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result, While};
use crate::sys::{Errno, fs, process, signal};

/// Names one process of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRef {
    pub pid: i32,
    /// In clock ticks after boot: field 22 of /proc/PID/stat.
    pub start_time: u64,
}

impl ProcessRef {
    /// Names a process that cannot be reaped meanwhile: this one, or a child not yet waited for.
    ///
    /// # Errors
    /// Fatal to the caller: a pid kept without its start time would be trusted after it has gone to
    /// another process (runc ignores the error, and then takes a live container for a stopped one).
    pub fn of(pid: i32) -> Result<ProcessRef> {
        let stat = Stat::read(pid).or_unable(|| format!("read /proc/{pid}/stat"));
        let stat = stat.map_err(|e| e.hint("is /proc the procfs of this pid namespace?"))?;
        Ok(ProcessRef { pid, start_time: stat.start_time })
    }

    /// This process, and the signals that its caller had it ignore: bit 0 is signal 1.
    pub fn of_caller() -> Result<(ProcessRef, u64)> {
        let pid = process::getpid();
        let stat = Stat::read(pid).or_unable(|| "read /proc/self/stat".into())?;
        Ok((ProcessRef { pid, start_time: stat.start_time }, stat.ignored))
    }

    /// A pidfd of this very process; None when it has ended, or its pid is another's by now.
    ///
    /// # Errors
    /// When it cannot be told: no descriptor left, or a live process that /proc does not show.
    pub fn open(self) -> Result<Option<OwnedFd>> {
        let pid = self.pid;
        // The descriptor first: the process that is then looked at is the one that it holds. ENOENT
        // (Linux 6.16) and EINVAL are a pid that is by now a thread's, or never was one.
        let pidfd = match process::pidfd_open(pid) {
            Err(Errno::ESRCH | Errno::EINVAL | Errno::ENOENT) => return Ok(None),
            result => result.or_unable(|| format!("open process {pid}"))?,
        };
        match Stat::read(pid) {
            Ok(stat) if stat.start_time != self.start_time => Ok(None),
            // Also a first thread that has ended while others go on shows as a zombie.
            Ok(stat) if stat.zombie && has_ended(pidfd.as_fd())? => Ok(None),
            Ok(_) => Ok(Some(pidfd)),
            Err(Errno::ENOENT | Errno::ESRCH) if has_ended(pidfd.as_fd())? => Ok(None),
            Err(errno) => Err(Error::sys(format!("unable to read /proc/{pid}/stat"), errno)
                .hint("the process lives: is /proc mounted with hidepid, or for another pid namespace?")),
        }
    }
}

/// Sends a signal to the process that a verified pidfd holds.
pub fn signal(pidfd: BorrowedFd<'_>, number: i32) -> Result<()> {
    match process::pidfd_send_signal(pidfd, number) {
        Err(Errno::ESRCH) => Err(Error::new("container not running").of_kind(Kind::NotRunning)),
        result => result.or_unable(|| format!("send signal {number}")),
    }
}

/// Waits for the end of the process that a verified pidfd holds; false when it outlived our patience.
pub fn wait_for_end(pidfd: BorrowedFd<'_>, patience: Duration) -> Result<bool> {
    let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    signal::wait_readable(pidfd, patience).or_unable(|| "wait for a process to end".into())
}

/// Whether the process is gone or a zombie.
pub(super) fn has_ended(pidfd: BorrowedFd<'_>) -> Result<bool> {
    signal::wait_readable(pidfd, 0).or_unable(|| "poll a process".into())
}

/// What /proc/PID/stat tells of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// In state Z, or X on its way out.
    zombie: bool,
    start_time: u64,
    ignored: u64,
}

impl Stat {
    fn read(pid: i32) -> std::result::Result<Stat, Errno> {
        let path = CString::new(format!("/proc/{pid}/stat")).map_err(|_| Errno::EINVAL)?;
        let file = fs::open(&path, fs::O_RDONLY)?;
        // The longest: 52 numbers of 20 digits, and a name of 64 bytes.
        let mut buf = [0u8; 2048];
        let n = fs::read(file.as_fd(), &mut buf)?;
        Stat::parse(&buf[..n]).ok_or(Errno::EPROTO)
    }

    /// The second field is the program's name in parentheses, and may hold blanks and parentheses:
    /// what follows the last ")" is the third field and on.
    fn parse(stat: &[u8]) -> Option<Stat> {
        let end = stat.iter().rposition(|&b| b == b')')?;
        let mut fields = stat[end + 1..].split(|&b| b == b' ').filter(|field| !field.is_empty());
        let state = fields.next()?;
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<u64>().ok();
        let start_time = number(fields.nth(18)?)?;
        // Field 33: what the kernel still tells of the first 31 signals in this place.
        let ignored = fields.nth(10).and_then(number).unwrap_or(0);
        Some(Stat { zombie: matches!(state, b"Z" | b"X" | b"x"), start_time, ignored })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_shifts_nothing() {
        let tail = " 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 100";
        for name in ["a", "a b", "a) R 1 2", "))", "(", ""] {
            for (state, zombie) in [("S", false), ("R", false), ("T", false), ("Z", true), ("X", true)] {
                let stat = format!("17 ({name}) {state} 1 17 17{tail}\n");
                assert_eq!(
                    Stat::parse(stat.as_bytes()),
                    Some(Stat { zombie, start_time: 4711, ignored: 0 }),
                    "{stat}"
                );
            }
        }
        for broken in ["", "17 (a", "17 (a) S 1", "17 (a) S 1 17 17 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 x 9"] {
            assert_eq!(Stat::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_process_is_found_until_it_ends() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = ProcessRef::of(child.id() as i32).unwrap();
        let pidfd = process.open().unwrap().unwrap();
        assert!(!has_ended(pidfd.as_fd()).unwrap());

        let other = ProcessRef { start_time: process.start_time + 1, ..process };
        assert!(other.open().unwrap().is_none(), "another process of the same pid");

        signal(pidfd.as_fd(), 9).unwrap();
        assert!(signal::wait_readable(pidfd.as_fd(), 10_000).unwrap());
        assert!(process.open().unwrap().is_none(), "a zombie");
        child.wait().unwrap();
        assert!(process.open().unwrap().is_none(), "a pid of nobody");
        assert_eq!(signal(pidfd.as_fd(), 9).unwrap_err().kind(), Kind::NotRunning);
        assert!(ProcessRef::of(process.pid).is_err());
    }

    #[test]
    fn what_never_was_a_process_is_none() {
        for pid in [0, -1, i32::MIN, i32::MAX] {
            assert!(ProcessRef { pid, start_time: 0 }.open().unwrap().is_none(), "{pid}");
        }
    }
}
