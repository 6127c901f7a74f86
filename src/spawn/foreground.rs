// SPDX-License-Identifier: Apache-2.0
//! The runtime in the foreground, between its caller and the container: signals go in, a terminal's
//! bytes go both ways, and the end of the process comes out.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Child;
use crate::error::{Result, While};
use crate::sys::process::{self, Exit};
use crate::sys::signal;
use crate::sys::tty::{self, Settings};
use crate::sys::{self, Errno};

/// From before the clone on: no signal of the caller's may be lost, or end us while init is there.
#[derive(Debug)]
pub struct Foreground {
    signals: OwnedFd,
}

/// The master of the container's terminal, relayed to our own streams.
struct Terminal {
    master: OwnedFd,
    /// How the caller's terminal was, if standard input is one.
    before: Option<Settings>,
    input: Relay,
    output: Relay,
}

/// Bytes on their way from one descriptor to another.
struct Relay {
    buffer: [u8; 4096],
    range: std::ops::Range<usize>,
    ended: bool,
}

impl Foreground {
    pub fn new(subreaper: bool) -> Result<Foreground> {
        if subreaper {
            process::set_subreaper().or_unable(|| "become a subreaper".into())?;
        }
        signal::block_all().or_unable(|| "block signals".into())?;
        Ok(Foreground { signals: signal::signalfd().or_unable(|| "make a signalfd".into())? })
    }

    /// Until the child has ended, with its terminal's master between it and our streams.
    pub fn stay(&self, child: &Child, master: Option<OwnedFd>) -> Result<Exit> {
        let mut terminal = master.map(Terminal::new).transpose()?;
        if let Some(terminal) = &terminal {
            terminal.resize();
        }
        loop {
            let signalled = match &mut terminal {
                None => true,
                Some(terminal) => terminal.pass(self.signals.as_fd())?,
            };
            if !signalled {
                continue;
            }
            if let Some(exit) = self.take_signal(child, terminal.as_ref())? {
                if let Some(terminal) = &mut terminal {
                    terminal.drain();
                }
                return Ok(exit);
            }
        }
    }

    /// Waits for one, and forwards it unless it is for us.
    fn take_signal(&self, child: &Child, terminal: Option<&Terminal>) -> Result<Option<Exit>> {
        match signal::next_signal(self.signals.as_fd()).or_unable(|| "read signals".into())? {
            libc::SIGCHLD => return reap(child),
            libc::SIGWINCH if terminal.is_some() => terminal.into_iter().for_each(Terminal::resize),
            // Go's own business, as runc leaves it out; a pipe that broke is ours.
            libc::SIGURG | libc::SIGPIPE => {}
            // ESRCH: it has ended, and SIGCHLD is on its way.
            number => drop(process::pidfd_send_signal(child.pidfd.as_fd(), number)),
        }
        Ok(None)
    }
}

/// Children that have ended, orphans of the container too, until it is the one that counts.
fn reap(child: &Child) -> Result<Option<Exit>> {
    while let Some((pid, how)) = process::reap().or_unable(|| "reap children".into())? {
        if pid == child.pid {
            child.keep();
            return Ok(Some(how));
        }
    }
    Ok(None)
}

const STDIN: i32 = 0;
const STDOUT: i32 = 1;

fn stream(number: i32) -> Option<BorrowedFd<'static>> {
    sys::fs::inherited(number).ok()
}

impl Terminal {
    fn new(master: OwnedFd) -> Result<Terminal> {
        sys::fs::set_nonblocking(master.as_fd()).or_unable(|| "use the terminal".into())?;
        let before = match stream(STDIN).filter(|stdin| tty::is_terminal(*stdin)) {
            Some(stdin) => Some(tty::make_raw(stdin).or_unable(|| "make the terminal raw".into())?),
            None => None,
        };
        Ok(Terminal { master, before, input: Relay::new(), output: Relay::new() })
    }

    fn resize(&self) {
        if let Some(size) = stream(STDIN).and_then(|stdin| tty::size(stdin).ok()) {
            let _ = tty::set_size(self.master.as_fd(), size);
        }
    }

    /// Waits for something to do, and does it once each way. True when a signal waits.
    fn pass(&mut self, signals: BorrowedFd<'_>) -> Result<bool> {
        let stdin = stream(STDIN).filter(|_| self.input.wants_more());
        let read_master = self.output.wants_more();
        let master = Some(self.master.as_fd()).filter(|_| read_master || self.input.has_bytes());
        let stdout = stream(STDOUT).filter(|_| self.output.has_bytes());
        let [signalled, typed, said, room] = signal::poll(
            [Some(signals), stdin, master, stdout],
            [false, false, self.input.has_bytes(), true],
            -1,
        )
        .or_unable(|| "wait for the terminal".into())?;
        if typed.readable || typed.hangup {
            self.input.fill(stdin);
        }
        if said.readable || said.hangup {
            self.output.fill(Some(self.master.as_fd()));
        }
        if said.writable {
            self.input.empty(self.master.as_fd());
        }
        if (room.writable || room.hangup)
            && let Some(stdout) = stdout
        {
            self.output.empty(stdout);
        }
        Ok(signalled.readable)
    }

    /// What the container said before it ended.
    fn drain(&mut self) {
        while let Some(stdout) = stream(STDOUT) {
            if self.output.has_bytes() {
                self.output.empty(stdout);
                continue;
            }
            if !self.output.wants_more() || !self.output.fill(Some(self.master.as_fd())) {
                return;
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let (Some(before), Some(stdin)) = (&self.before, stream(STDIN)) {
            let _ = tty::restore(stdin, before);
        }
    }
}

impl Relay {
    fn new() -> Relay {
        Relay { buffer: [0; 4096], range: 0..0, ended: false }
    }

    fn has_bytes(&self) -> bool {
        !self.range.is_empty()
    }

    fn wants_more(&self) -> bool {
        !self.ended && self.range.is_empty()
    }

    /// Did anything come?
    fn fill(&mut self, from: Option<BorrowedFd<'_>>) -> bool {
        let Some(from) = from else { return false };
        match sys::fs::read(from, &mut self.buffer) {
            // EIO: nobody has the slave open any more.
            Ok(0) | Err(Errno::EIO) => self.ended = true,
            Ok(n) => self.range = 0..n,
            Err(_) => {}
        }
        self.has_bytes()
    }

    fn empty(&mut self, to: BorrowedFd<'_>) {
        match sys::fs::write(to, &self.buffer[self.range.clone()]) {
            Ok(n) => self.range.start += n,
            Err(Errno::EAGAIN) => {}
            // Nobody reads any more: what they do not want is dropped.
            Err(_) => self.range = 0..0,
        }
    }
}
