// SPDX-License-Identifier: Apache-2.0
//! Hooks: programs of the host that are told of a container by its state on their standard input.
//!
//! They get their own environment and no other (CVE-2025-23266), no descriptor but the three
//! streams, and their time; a hook need not read what it is told.

use std::ffi::{CStr, CString};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use oci_spec::runtime::Hook;

use crate::error::{Error, Result, While};
use crate::spec::{c_string, list};
use crate::sys::process::{self, Cloned, ExecArgs, Exit};
use crate::sys::signal;
use crate::sys::{self, Errno};

/// The property of `hooks` that a hook is listed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Prestart => "prestart",
            Kind::CreateRuntime => "createRuntime",
            Kind::CreateContainer => "createContainer",
            Kind::StartContainer => "startContainer",
            Kind::Poststart => "poststart",
            Kind::Poststop => "poststop",
        })
    }
}

/// Where hooks run.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// The runtime's own namespaces, in this directory.
    Runtime(&'a CStr),
    /// In the namespaces of a process, its pid namespace included, and this directory there. The program
    /// and its rights are the host's.
    Container { init: BorrowedFd<'a>, namespaces: u64, dir: &'a CStr },
    /// As somebody else starts it, with these streams.
    Process(&'a dyn Fn(&Hook, [BorrowedFd<'_>; 3]) -> Result<(i32, OwnedFd)>),
}

/// How much of what a hook says is kept for a message.
const KEPT: usize = 64 << 10;

/// All of one kind, in their order, until one fails.
///
/// # Errors
/// In runc's words: "error running createRuntime hook #0: exit status 1, stdout: , stderr: ".
pub fn run(hooks: &[Hook], kind: Kind, state: &[u8], place: Place<'_>) -> Result<()> {
    for (i, hook) in hooks.iter().enumerate() {
        let pointer = || format!("/hooks/{kind}/{i}");
        run_one(hook, state, place, &pointer)
            .map_err(|error| error.context(format!("error running {kind} hook #{i}")))?;
    }
    Ok(())
}

fn run_one(hook: &Hook, state: &[u8], place: Place<'_>, pointer: &dyn Fn() -> String) -> Result<()> {
    if !hook.path().is_absolute() {
        return Err(Error::new("the path of a hook must be absolute").at(format!("{}/path", pointer())));
    }
    let timeout = match hook.timeout() {
        Some(seconds) if seconds <= 0 => {
            return Err(
                Error::new("the timeout of a hook must be above 0").at(format!("{}/timeout", pointer()))
            );
        }
        Some(seconds) => Some(Duration::from_secs(seconds.unsigned_abs())),
        None => None,
    };
    let mut running = Running::start(|streams| match place {
        Place::Process(start) => start(hook, streams),
        place => start_program(&program_of(hook, pointer)?, place, streams),
    })?;
    running.talk(state, timeout)
}

fn program_of(hook: &Hook, pointer: &dyn Fn() -> String) -> Result<Program> {
    let path = c_string(hook.path(), || format!("{}/path", pointer()))?;
    let strings = |values: &[String], name: &str| {
        values
            .iter()
            .map(|value| c_string(value, || format!("{}/{name}", pointer())))
            .collect::<Result<Vec<_>>>()
    };
    let args = match list(hook.args()) {
        [] => vec![path.clone()],
        args => strings(args, "args")?,
    };
    Ok(Program { path, args: ExecArgs::new(args), env: ExecArgs::new(strings(list(hook.env()), "env")?) })
}

struct Program {
    path: CString,
    args: ExecArgs,
    env: ExecArgs,
}

struct Running {
    pid: i32,
    pidfd: OwnedFd,
    stdin: Option<OwnedFd>,
    stdout: Output,
    stderr: Output,
}

struct Output {
    pipe: OwnedFd,
    text: Vec<u8>,
    ended: bool,
}

impl Running {
    fn start(start: impl FnOnce([BorrowedFd<'_>; 3]) -> Result<(i32, OwnedFd)>) -> Result<Running> {
        let pipe = || sys::fs::pipe().or_unable(|| "make the streams of a hook".into());
        let ((their_in, stdin), (stdout, their_out), (stderr, their_err)) = (pipe()?, pipe()?, pipe()?);
        for fd in [&stdin, &stdout, &stderr] {
            sys::fs::set_nonblocking(fd.as_fd()).or_unable(|| "make the streams of a hook".into())?;
        }
        let (pid, pidfd) = start([their_in.as_fd(), their_out.as_fd(), their_err.as_fd()])?;
        let output = |pipe| Output { pipe, text: Vec::new(), ended: false };
        Ok(Running { pid, pidfd, stdin: Some(stdin), stdout: output(stdout), stderr: output(stderr) })
    }

    /// Tells the state, listens, and waits; what still holds the pipes when the hook has ended is not
    /// waited for.
    fn talk(&mut self, mut state: &[u8], timeout: Option<Duration>) -> Result<()> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                self.kill();
                let timeout = timeout.unwrap_or_default().as_secs_f64();
                return Err(Error::new(format!("hook ran past specified timeout of {timeout:.1}s")));
            }
            let wait = left.map_or(-1, |left| i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1));
            let stdin = self.stdin.as_ref().map(AsFd::as_fd);
            let fds = [stdin, Some(self.pidfd.as_fd()), self.stdout.open(), self.stderr.open()];
            let [input, ended, out, err] = signal::poll(fds, [true, false, false, false], wait)
                .or_unable(|| "wait for a hook".into())?;
            if out.readable || out.hangup {
                self.stdout.take();
            }
            if err.readable || err.hangup {
                self.stderr.take();
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
        let Some(stdin) = &self.stdin else { return state };
        let left = match sys::fs::write(stdin.as_fd(), state) {
            Ok(n) => &state[n..],
            Err(Errno::EAGAIN) => return state,
            Err(_) => &[],
        };
        if left.is_empty() {
            self.stdin = None;
        }
        left
    }

    fn ended(&mut self) -> Result<()> {
        self.stdout.take();
        self.stderr.take();
        let how = match process::wait(self.pid).or_unable(|| "wait for a hook".into())? {
            Exit::Code(0) => return Ok(()),
            Exit::Code(code) => format!("exit status {code}"),
            Exit::Signal(number) => format!("signal: {}", signal::describe(number)),
        };
        let [out, err] = [&self.stdout, &self.stderr].map(|output| String::from_utf8_lossy(&output.text));
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

fn start_program(
    program: &Program,
    place: Place<'_>,
    streams: [BorrowedFd<'_>; 3],
) -> Result<(i32, OwnedFd)> {
    let home = match place {
        Place::Container { init, namespaces, .. } if namespaces & process::NEWPID != 0 => {
            let home = sys::fs::open(c"/proc/self/ns/pid", sys::fs::O_RDONLY)
                .or_unable(|| "hold our own pid namespace".into())?;
            process::setns(init, process::NEWPID)
                .or_unable(|| "join the container's pid namespace".into())?;
            Some(home)
        }
        _ => None,
    };
    let cloned = process::clone(0, None);
    if let Ok(Cloned::Child) = cloned {
        become_hook(program, place, streams);
    }
    if let Some(home) = home {
        process::setns(home.as_fd(), process::NEWPID)
            .or_unable(|| "come back to our pid namespace".into())?;
    }
    match cloned.or_unable(|| "make a process for a hook".into())? {
        Cloned::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Cloned::Child => process::exit_now(127),
    }
}

/// In the child: no allocation from here to exec.
fn become_hook(program: &Program, place: Place<'_>, streams: [BorrowedFd<'_>; 3]) -> ! {
    let prepare = || -> sys::Result<()> {
        process::set_parent_death_signal(libc::SIGKILL)?;
        process::setsid()?;
        for (number, stream) in (0..).zip(streams) {
            sys::fs::dup_to(stream, number)?;
        }
        sys::close::cloexec_from(3)?;
        match place {
            // A bundle that is gone by now is no reason not to run.
            Place::Runtime(dir) => drop(sys::fs::chdir(dir)),
            Place::Container { init, namespaces, dir } => {
                let rest = namespaces & !process::NEWPID;
                if rest != 0 {
                    process::setns(init, rest)?;
                }
                if namespaces & process::NEWUSER != 0 {
                    sys::cred::setresgid(0)?;
                    sys::cred::setresuid(0)?;
                }
                sys::fs::chdir(dir)?;
            }
            Place::Process(_) => return Err(Errno::EINVAL),
        }
        signal::default_disposition(libc::SIGPIPE)?;
        signal::unblock_all()
    };
    let errno = match prepare() {
        Ok(()) => process::exec(&program.path, &program.args, &program.env),
        Err(errno) => errno,
    };
    if let Ok(stderr) = sys::fs::inherited(2) {
        let path = program.path.to_bytes();
        for text in [b"unable to execute ".as_slice(), path, b": ", sys::words(errno).as_bytes(), b"\n"] {
            let _ = sys::fs::write(stderr, text);
        }
    }
    process::exit_now(127)
}
