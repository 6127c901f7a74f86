// SPDX-License-Identifier: Apache-2.0
//! The parent's side of one clone: takes the descriptors that the plan asks for, makes init, answers
//! it until it is ready, and turns its failure into words.
//!
//! Runs in the calling process, which has one thread. `create`, `run` and `exec` all come through here.
//! Lines for `--debug` name the stage as runc does too, for those who look for its words in a log.

mod answer;
mod birth;
mod console;
mod foreground;
pub mod hooks;
mod maps;
mod netdev;
pub mod notify;
mod requests;
mod verify;
mod words;

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::cgroup::Cgroup;
use crate::channel::{Order, ParentEnd, Report};
use crate::error::{Error, Result, While};
use crate::log;
use crate::plan::Plan;
use crate::seal;
use crate::sys::process::{self, Exit};
use crate::sys::{self, Errno};
use crate::timings;
use crate::work::Lent;

pub use console::{connect_console, console_pair, receive_master, send_over};
pub use foreground::Foreground;
#[cfg(fuzzing)]
pub use verify::fuzz;
pub use words::exec_failed;

/// What runc says too.
pub const PAUSED: &str = "cannot exec in a paused container (use --ignore-paused to override)";

/// What a plan needs from outside.
#[derive(Debug)]
pub struct Materials<'a> {
    /// cgroup v2: the directory to be born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    pub console: Option<OwnedFd>,
    pub fifo: Option<OwnedFd>,
    /// `exec`: the container's init.
    pub init: Option<BorrowedFd<'a>>,
    /// Signals that our caller had ignored.
    pub ignored: u64,
    /// Instead of our own standard streams.
    pub streams: Option<[OwnedFd; 3]>,
}

/// What the parent does while init waits for it.
pub trait Host {
    /// Are there cgroups of v1, which init joins by itself?
    fn has_v1(&self) -> bool;
    /// A `tasks` file of each, had while init comes into being, which then waits for them.
    ///
    /// # Errors
    /// The start is given up.
    fn tasks(&mut self) -> Result<Vec<OwnedFd>>;
    /// Init is there, and has its own work: what needs no more than its pid can be done meanwhile.
    ///
    /// # Errors
    /// The start is given up.
    fn born(&mut self, _child: &Child) -> Result<()> {
        Ok(())
    }
    /// Init waits to be moved into its cgroup.
    ///
    /// # Errors
    /// The start is given up.
    fn cgroup(&mut self, child: &Child) -> Result<()>;
    /// # Errors
    /// The start is given up.
    fn hooks(&mut self, point: crate::step::HookPoint, child: &Child) -> Result<()>;
    /// # Errors
    /// The start is given up.
    fn seccomp_listener(&mut self, listener: OwnedFd, child: &Child) -> Result<()>;
    /// All around init is in place, and seen to be: what can be done while it goes on to become the program's process.
    ///
    /// # Errors
    /// The start is given up.
    fn in_place(&mut self) -> Result<()> {
        Ok(())
    }
    /// Where the process has to be once it is ready.
    fn cgroups(&self) -> Option<&Cgroup>;
    /// The init whose namespaces the process joins.
    fn container(&self) -> Option<i32> {
        None
    }
    /// Has the container been paused meanwhile, so that the process will not go on? Asked now and then while `exec` waits.
    fn is_paused(&self) -> bool {
        false
    }
    /// The v2 cgroup to be born in when the one that was meant takes no process.
    fn other_cgroup(&mut self) -> Option<OwnedFd> {
        None
    }
}

/// Init, alive and in our hands: dropped without `keep`, it is killed and reaped.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
    channel: ParentEnd,
    kept: Cell<bool>,
}

/// From plan to an init that is ready and waits for the word.
///
/// # Errors
/// A descriptor that cannot be had, a step that failed: init is dead and reaped then.
pub fn start(plan: &Plan, materials: Materials<'_>, host: &mut impl Host) -> Result<Child> {
    timings::mark("make the cgroups and what else init is given");
    let streams = materials.streams.as_ref();
    let fds = requests::answer(plan, materials.console, materials.fifo, materials.init)?;
    if let Some(uid) = plan.stdio_owner {
        console::give_streams(streams, uid)?;
    }
    let program = seal::init()?;
    let work = birth::work(plan, materials.ignored, host.has_v1());
    let times =
        timings::init(plan.steps.iter().map(|planned| (planned.step.to_string(), planned.place.as_str())));
    let lent = Lent {
        requests: &fds,
        streams: streams.map_or(&[], <[_; 3]>::as_slice),
        cgroup: materials.cgroup,
        times: times.as_ref().map(AsFd::as_fd),
    };
    let child = match birth::init(&program, &work, lent, plan.clone) {
        // Its children have controllers, or it is threaded: a container may make it so (systemd in one, Docker).
        Err(errno @ (Errno::EBUSY | Errno::EOPNOTSUPP)) => match host.other_cgroup() {
            Some(other) => {
                birth::init(&program, &work, Lent { cgroup: Some(other.as_fd()), ..lent }, plan.clone)
            }
            None => Err(errno),
        },
        child => child,
    };
    let child = child.map_err(words::clone_failed)?;
    timings::mark("make init");
    let pid = child.pid;
    log::debug(|| format!("process {pid} is made (runc: nsexec container setup, child process in init())"));
    if host.container().is_some() {
        const PATIENCE: Duration = Duration::from_secs(1);
        child.channel.lose_patience_after(PATIENCE).or_unable(|| "wait for init".into())?;
    }
    if work.joins {
        let tasks = host.tasks()?;
        match child.channel.lend(&tasks) {
            // It has ended, and said why.
            Err(Errno::EPIPE) => {}
            lent => lent.or_unable(|| "give init its cgroups".into())?,
        }
        sys::close::close_all(tasks);
    }
    host.born(&child)?;
    netdev::move_all(plan, &fds, &child)?;
    answer::until_ready(plan, &fds, &child, host)?;
    timings::mark("answer init until it is ready");
    log::debug(|| {
        let stage = if materials.init.is_some() {
            "setns_init: about to exec"
        } else {
            "init: closing the pipe to signal completion"
        };
        format!("process {pid} is all that the config asks for (runc: {stage})")
    });
    Ok(child)
}

impl Child {
    /// The word to go on: `create`'s init now waits at its fifo.
    pub fn go(&self) -> Result<()> {
        self.channel.send(Order::Go).or_unable(|| "tell init to go on".into())
    }

    /// The word to execute; back when the program runs, or with why it does not.
    pub fn go_and_execute(&self, plan: &Plan, is_paused: impl Fn() -> bool) -> Result<()> {
        self.go()?;
        match self.hear(is_paused)? {
            None => Ok(()),
            Some(Report::Failed(failure)) => Err(words::failed(plan, &failure)),
            Some(_) => Err(Error::new("init broke the protocol")),
        }
    }

    /// The next report, or None for the channel's end. In a container that is paused by now it would not come.
    fn hear(&self, is_paused: impl Fn() -> bool) -> Result<Option<Report>> {
        loop {
            match self.channel.receive() {
                Err(Errno::EAGAIN) if is_paused() => {
                    // It dies at the latest when it thaws, which is not waited for.
                    let _ = process::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
                    self.kept.set(true);
                    return Err(Error::new(PAUSED));
                }
                Err(Errno::EAGAIN) => {}
                heard => return heard.or_unable(|| "hear from init".into()),
            }
        }
    }

    /// From now on it lives without us.
    pub fn keep(&self) {
        self.kept.set(true);
    }

    /// Somebody else waits for it.
    pub fn hand_over(self) -> Result<hooks::Born> {
        let pidfd = sys::fs::duplicate(self.pidfd.as_fd()).or_unable(|| "hold a hook".into())?;
        self.kept.set(true);
        Ok(hooks::Born { pid: self.pid, pidfd })
    }

    /// Waits for its end.
    pub fn wait(&self) -> Result<Exit> {
        self.kept.set(true);
        process::wait(self.pid).or_unable(|| format!("wait for process {}", self.pid))
    }

    fn wait_for_end(&self) -> sys::Result<Exit> {
        // ESRCH: it has ended by itself.
        let _ = process::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
        process::wait(self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.kept.get() {
            let _ = self.wait_for_end();
        }
    }
}
