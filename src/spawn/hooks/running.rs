// SPDX-License-Identifier: Apache-2.0
//! A hook that runs: it is told the state, listened to, given its time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::error::{Error, Result, While};
use crate::sys::process::{self, Exit};
use crate::sys::signal;
use crate::sys::{self, Errno};

/// How much of what a hook says is kept for a message.
const KEPT: usize = 64 << 10;

/// The other ends of its standard streams.
pub(super) struct Ends {
    stdin: Option<OwnedFd>,
    stdout: Output,
    stderr: Output,
}

pub(super) struct Running {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) ends: Ends,
}

struct Output {
    pipe: OwnedFd,
    text: Vec<u8>,
    ended: bool,
}

/// The hook's own streams, and ours.
pub(super) fn streams() -> Result<([OwnedFd; 3], Ends)> {
    let pipe = || sys::fs::pipe().or_unable(|| "make the streams of a hook".into());
    let ((their_in, stdin), (stdout, their_out), (stderr, their_err)) = (pipe()?, pipe()?, pipe()?);
    for fd in [&stdin, &stdout, &stderr] {
        sys::fs::set_nonblocking(fd.as_fd()).or_unable(|| "make the streams of a hook".into())?;
    }
    let output = |pipe| Output { pipe, text: Vec::new(), ended: false };
    let ends = Ends { stdin: Some(stdin), stdout: output(stdout), stderr: output(stderr) };
    Ok(([their_in, their_out, their_err], ends))
}

impl Running {
    /// Tells the state, listens, and waits; what still holds the pipes when the hook has ended is not
    /// waited for.
    pub(super) fn talk(&mut self, mut state: &[u8], timeout: Option<Duration>) -> Result<()> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                self.kill();
                let timeout = timeout.unwrap_or_default().as_secs_f64();
                return Err(Error::new(format!("hook ran past specified timeout of {timeout:.1}s")));
            }
            let wait = left.map_or(-1, |left| i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1));
            let stdin = self.ends.stdin.as_ref().map(AsFd::as_fd);
            let fds = [stdin, Some(self.pidfd.as_fd()), self.ends.stdout.open(), self.ends.stderr.open()];
            let [input, ended, out, err] = signal::poll(fds, [true, false, false, false], wait)
                .or_unable(|| "wait for a hook".into())?;
            if out.readable || out.hangup {
                self.ends.stdout.take();
            }
            if err.readable || err.hangup {
                self.ends.stderr.take();
            }
            if input.writable || input.hangup {
                state = self.tell(state);
            }
            if ended.readable {
                return self.ended();
            }
        }
    }

    /// What is left to tell; once nothing is, or nobody listens, the hook's input ends.
    fn tell<'s>(&mut self, state: &'s [u8]) -> &'s [u8] {
        let Some(stdin) = &self.ends.stdin else { return state };
        let left = match sys::fs::write(stdin.as_fd(), state) {
            Ok(n) => &state[n..],
            Err(Errno::EAGAIN) => return state,
            Err(_) => &[],
        };
        if left.is_empty() {
            self.ends.stdin = None;
        }
        left
    }

    fn ended(&mut self) -> Result<()> {
        self.ends.stdout.take();
        self.ends.stderr.take();
        let how = match process::wait(self.pid).or_unable(|| "wait for a hook".into())? {
            Exit::Code(0) => return Ok(()),
            Exit::Code(code) => format!("exit status {code}"),
            Exit::Signal(number) => format!("signal: {}", signal::describe(number)),
        };
        let [out, err] =
            [&self.ends.stdout, &self.ends.stderr].map(|output| String::from_utf8_lossy(&output.text));
        Err(Error::new(format!("{how}, stdout: {out}, stderr: {err}")))
    }

    /// It and whatever it has started: it leads a session of its own.
    fn kill(&mut self) {
        let _ = process::kill(-self.pid, libc::SIGKILL);
        let _ = process::kill(self.pid, libc::SIGKILL);
        let _ = process::wait(self.pid);
    }
}

impl Output {
    fn open(&self) -> Option<BorrowedFd<'_>> {
        (!self.ended).then(|| self.pipe.as_fd())
    }

    /// All that is there now; beyond what is kept it is read and dropped, so that the hook goes on.
    fn take(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match sys::fs::read(self.pipe.as_fd(), &mut buffer) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    let room = KEPT - self.text.len();
                    self.text.extend_from_slice(&buffer[..n.min(room)]);
                    continue;
                }
                Err(_) => {}
            }
            return;
        }
    }
}
