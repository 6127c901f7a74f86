// SPDX-License-Identifier: Apache-2.0
//! The injector: a tracer (ptrace(2)) of a command and of all that it starts, up to the programs of the container, which
//! are let go as they are executed. It numbers system calls and changes one of them; from then on all run untraced.
//!
//! strace counts each system call by itself and is ten times slower. A filter with SECCOMP_RET_TRACE would stay with the
//! container, and answer ENOSYS once the tracer is gone.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::call::{Call, Place, path_argument, string_of};
use crate::harness::{hold, release, spawn_held, text};
use crate::holds::Held;
use crate::places::Places;
use crate::whole::patience;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Fail(Errno),
    /// It is not made, and says that it was: 0, or for a write all that was to be written.
    Nothing,
    Kill,
    /// The command dies when another process of its comes here.
    KillCommand,
}

pub(crate) struct Traced {
    /// The exit status of the command, or the negated signal that ended it.
    pub(crate) code: i32,
    out: File,
    err: File,
    pub(crate) calls: Vec<Call>,
    /// Of each of the calls, if it was asked for.
    pub(crate) held: Vec<Held>,
    pub(crate) hit: Option<Call>,
    pub(crate) took: Duration,
    /// It had to be killed.
    pub(crate) hung: bool,
}

impl Traced {
    pub(crate) fn stdout(&self) -> String {
        text(&self.out)
    }

    pub(crate) fn stderr(&self) -> String {
        text(&self.err)
    }
}

/// Runs the command; `at` this place the call is changed.
pub(crate) fn trace(cmd: Command, at: Option<(Place, Act)>) -> Traced {
    run(cmd, at, false)
}

/// Runs the command, and looks at what its children hold as each call begins.
pub(crate) fn watch(cmd: Command) -> Traced {
    run(cmd, None, true)
}

fn run(mut cmd: Command, at: Option<(Place, Act)>, watch: bool) -> Traced {
    let (out, err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    cmd.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    // SAFETY: one system call between fork and exec.
    unsafe { cmd.pre_exec(|| Ok(ptrace::traceme()?)) };
    let began = Instant::now();
    // In a thread of its own: what it has not let go is let go by its end, and it waits for its tracees alone.
    let tracer = std::thread::scope(|scope| {
        let (tell, told) = channel();
        let (ended, end) = channel::<()>();
        let tracer = scope.spawn(move || {
            let main = spawn_traced(&mut cmd);
            tell.send(main).unwrap();
            let tracer = Tracer::attach(main, at, watch).run();
            drop(ended);
            tracer
        });
        let main = told.recv().unwrap();
        let hung = end.recv_timeout(patience()) == Err(RecvTimeoutError::Timeout);
        if hung {
            let _ = kill(main, Signal::SIGKILL);
        }
        Tracer { hung, ..tracer.join().unwrap() }
    });
    let Tracer { code, calls, held, hit, hung, .. } = tracer;
    Traced { code: code.unwrap(), out, err, calls, held, hit, took: began.elapsed(), hung }
}

fn spawn_traced(cmd: &mut Command) -> Pid {
    Pid::from_raw(spawn_held(cmd).id().cast_signed())
}

#[derive(Default)]
struct Tracee {
    process: usize,
    /// Between a call's entry and its exit.
    in_call: bool,
    /// Its first stop is that of the tracer's own SIGSTOP.
    is_new: bool,
}

struct Tracer {
    main: Pid,
    at: Option<(Place, Act)>,
    watch: bool,
    tracees: BTreeMap<Pid, Tracee>,
    places: Places,
    code: Option<i32>,
    ended: Option<Instant>,
    calls: Vec<Call>,
    held: Vec<Held>,
    hit: Option<Call>,
    hung: bool,
}

/// What a child still does after its parent's end is seen too, as long as it does something every so often.
const IDLE: Duration = Duration::from_millis(30);

impl Tracer {
    /// The command stands where it has just been executed.
    fn attach(main: Pid, at: Option<(Place, Act)>, watch: bool) -> Self {
        let stop = waitpid(main, Some(WaitPidFlag::__WALL)).unwrap();
        assert!(matches!(stop, WaitStatus::Stopped(_, Signal::SIGTRAP)), "{stop:?}");
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC;
        ptrace::setoptions(main, options).unwrap();
        let this = Self {
            main,
            at,
            watch,
            tracees: BTreeMap::from([(main, Tracee::default())]),
            places: Places::of(main),
            code: None,
            ended: None,
            calls: vec![],
            held: vec![],
            hit: None,
            hung: false,
        };
        this.resume(main, None);
        this
    }

    fn run(mut self) -> Self {
        while let Some(status) = self.next() {
            match status {
                WaitStatus::PtraceSyscall(pid) => self.call(pid),
                WaitStatus::PtraceEvent(pid, _, event) => self.event(pid, event),
                WaitStatus::Stopped(pid, signal) => self.stopped(pid, signal),
                WaitStatus::Exited(pid, code) => self.gone(pid, code),
                WaitStatus::Signaled(pid, signal, _) => self.gone(pid, -(signal as i32)),
                other => panic!("{other:?}"),
            }
        }
        self.tracees.keys().for_each(|pid| release(pid.as_raw()));
        self
    }

    /// None: the command has ended, and there is nothing more to see.
    fn next(&self) -> Option<WaitStatus> {
        let mine = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let Some(ended) = self.ended else {
            return Some(waitpid(None, Some(mine)).unwrap());
        };
        let end = Instant::now() + if self.hit.is_some() { Duration::ZERO } else { IDLE };
        // A peer's scheduler may never be idle.
        while !self.tracees.is_empty() && ended.elapsed() < patience() {
            match waitpid(None, Some(mine | WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => {
                    // One that has not come to its first stop cannot be let go yet.
                    if Instant::now() >= end && !self.tracees.values().any(|t| t.is_new) {
                        return None;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(status) => return Some(status),
                Err(_) => return None,
            }
        }
        None
    }

    fn resume(&self, pid: Pid, signal: Option<Signal>) {
        // ESRCH: killed meanwhile.
        let _ = if self.hit.is_some() { ptrace::detach(pid, signal) } else { ptrace::syscall(pid, signal) };
    }

    fn let_go(&mut self, pid: Pid) {
        self.tracees.remove(&pid);
        if pid != self.main {
            release(pid.as_raw());
        }
        let _ = ptrace::detach(pid, None);
    }

    fn meet(&mut self, pid: Pid) -> &mut Tracee {
        let places = &mut self.places;
        self.tracees.entry(pid).or_insert_with(|| {
            hold(pid.as_raw());
            Tracee { process: places.process(pid), is_new: true, ..Tracee::default() }
        })
    }

    fn stopped(&mut self, pid: Pid, signal: Signal) {
        let tracee = self.meet(pid);
        let own = std::mem::take(&mut tracee.is_new) && signal == Signal::SIGSTOP;
        self.pass(pid, (!own).then_some(signal));
    }

    /// Lets it go if nothing more is to be seen, else on to its next call.
    fn pass(&mut self, pid: Pid, signal: Option<Signal>) {
        self.resume(pid, signal);
        if self.hit.is_some() {
            self.tracees.remove(&pid);
            if pid != self.main {
                release(pid.as_raw());
            }
        }
    }

    fn event(&mut self, pid: Pid, event: i32) {
        if event == libc::PTRACE_EVENT_EXEC {
            if !self.places.is_own_program(pid) {
                return self.let_go(pid);
            }
        } else if let Ok(child) = ptrace::getevent(pid) {
            self.meet(Pid::from_raw(i32::try_from(child).unwrap()));
        }
        self.pass(pid, None);
    }

    fn gone(&mut self, pid: Pid, code: i32) {
        self.tracees.remove(&pid);
        release(pid.as_raw());
        if pid == self.main {
            (self.code, self.ended) = (Some(code), Some(Instant::now()));
        }
    }

    fn call(&mut self, pid: Pid) {
        let tracee = self.meet(pid);
        tracee.in_call = !tracee.in_call;
        if tracee.in_call {
            let process = tracee.process;
            // An error: killed meanwhile.
            let _ = self.entry(pid, process);
        }
        self.pass(pid, None);
    }

    fn entry(&mut self, pid: Pid, process: usize) -> nix::Result<()> {
        let place = self.places.next(process, pid)?;
        let chosen = self.at.filter(|at| at.0 == place);
        if chosen.is_none() && self.at.is_some() {
            return Ok(());
        }
        let mut regs = ptrace::getregs(pid)?;
        let args = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
        let number = regs.orig_rax.cast_signed();
        let path = path_argument(number).and_then(|n| string_of(pid.as_raw(), args[n]));
        let call = Call { place, number, args, path };
        let Some((_, act)) = chosen else {
            if self.watch {
                self.held.push(if place.process > 0 { Held::of(pid.as_raw()) } else { Held::default() });
            }
            self.calls.push(call);
            return Ok(());
        };
        self.hit = Some(call);
        match act {
            Act::Kill => return kill(pid, Signal::SIGKILL),
            Act::KillCommand => return kill(self.main, Signal::SIGKILL),
            // The kernel makes no call of this number, and leaves the result as it finds it.
            Act::Fail(errno) => regs.rax = (-i64::from(errno as i32)).cast_unsigned(),
            Act::Nothing => regs.rax = if number == libc::SYS_write { args[2] } else { 0 },
        }
        regs.orig_rax = u64::MAX;
        ptrace::setregs(pid, regs)
    }
}
