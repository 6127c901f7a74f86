// SPDX-License-Identifier: Apache-2.0
//! The parent's side of one clone: takes the descriptors that the plan asks for, makes init, answers
//! it until it is ready, and turns its failure into words.
//!
//! Runs in the calling process, which has one thread. `create`, `run` and `exec` all come through here.

mod answer;
mod console;
mod foreground;
pub mod hooks;
mod maps;
mod netdev;
pub mod notify;
mod requests;
mod verify;
mod words;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::cgroup::Join;
use crate::channel::{self, Order, ParentEnd, Report};
use crate::error::{Error, Result, While};
use crate::init::{self, Work};
use crate::plan::Plan;
use crate::sys::process::{self, Cloned, ExecArgs, Exit};
use crate::sys::{self, Errno};

pub use console::{connect_console, console_pair, receive_master, send_over};
pub use foreground::{Foreground, Terminal};
pub use words::exec_failed;

/// What a plan needs from outside.
#[derive(Debug)]
pub struct Materials<'a> {
    /// cgroup v1: a `tasks` file of each hierarchy.
    pub tasks: &'a [OwnedFd],
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
    /// The init whose namespaces the process joins.
    fn container(&self) -> Option<i32> {
        None
    }
    /// The v2 cgroup to be born in when the one that was meant takes no process.
    fn other_cgroup(&mut self) -> Option<Join> {
        None
    }
}

/// Init, alive and in our hands: dropped without `keep`, it is killed and reaped.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
    channel: ParentEnd,
    kept: bool,
}

/// From plan to an init that is ready and waits for the word.
///
/// # Errors
/// A descriptor that cannot be had, a step that failed: init is dead and reaped then.
pub fn start(plan: &Plan, materials: Materials<'_>, host: &mut impl Host) -> Result<Child> {
    let (ignored, streams) = (materials.ignored, materials.streams);
    let (tasks, cgroup, target) = (materials.tasks, materials.cgroup, materials.init);
    let fds = requests::answer(plan, materials.console, materials.fifo, target)?;
    let (parent_end, init_end) = channel::pair().or_unable(|| "make the channel to init".into())?;
    let home = plan.home.map(|index| (index, room_for_home()));
    let work = Work {
        steps: &plan.steps,
        fds: &fds,
        tasks,
        channel: init_end,
        args: ExecArgs::new(plan.args.clone()),
        env: ExecArgs::new(plan.env.clone()),
        home,
        streams: streams.as_ref(),
        ignored,
        preserved: plan.preserved,
        dumpable_for_maps: plan.id_maps.is_some() && sys::cred::effective_uid() != 0,
    };
    if let Some(uid) = plan.stdio_owner {
        console::give_streams(streams.as_ref(), uid)?;
    }
    let around = requests::Around::enter(plan, &fds)?;
    let joins = requests::joins(plan, &fds);
    let clone_in = |cgroup: Option<BorrowedFd<'_>>, procs: Option<BorrowedFd<'_>>| match joins.as_slice() {
        [] => process::clone(plan.clone, cgroup),
        joins => process::clone_through(joins, plan.clone, cgroup, (plan.preserved, inits(&work, procs))),
    };
    let clone = |cgroup: Option<BorrowedFd<'_>>| match clone_in(cgroup, None) {
        // No clone3, or none with a cgroup (Linux 5.7): born where we are, and moved at once.
        Err(Errno::ENOSYS | Errno::E2BIG) if cgroup.is_some() => {
            clone_and_move(|procs| clone_in(None, procs), cgroup)
        }
        cloned => cloned,
    };
    let cloned = match clone(cgroup) {
        // Its children have controllers, or it is threaded: a container may make it so (systemd in one, Docker).
        Err(errno @ (Errno::EBUSY | Errno::EOPNOTSUPP)) => match host.other_cgroup() {
            Some(other) => clone(other.into_cgroup()),
            None => Err(errno),
        },
        cloned => cloned,
    };
    let cloned = match cloned {
        Ok(Cloned::Child) => init::run(work),
        Ok(Cloned::Parent { pid, pidfd }) => Ok((pid, pidfd)),
        Err(errno) => Err(errno),
    };
    around.leave()?;
    let (pid, pidfd) = cloned.map_err(words::clone_failed)?;
    drop(work);
    let child = Child { pid, pidfd, channel: parent_end, kept: false };
    netdev::move_all(plan, &fds, &child)?;
    answer::until_ready(plan, &fds, &child, host)?;
    Ok(child)
}

/// The descriptors that init needs.
fn inits(work: &Work<'_>, procs: Option<BorrowedFd<'_>>) -> Vec<i32> {
    let all = work.fds.iter().chain(work.tasks).chain(work.streams.into_iter().flatten());
    all.map(AsRawFd::as_raw_fd).chain(procs.map(|fd| fd.as_raw_fd())).chain([work.channel.number()]).collect()
}

/// Init waits for nothing before it is moved, so it moves itself: `0` is the one who writes.
fn clone_and_move(
    clone: impl FnOnce(Option<BorrowedFd<'_>>) -> sys::Result<Cloned>,
    cgroup: Option<BorrowedFd<'_>>,
) -> sys::Result<Cloned> {
    let procs = match cgroup {
        Some(cgroup) => Some(sys::fs::openat(cgroup, c"cgroup.procs", sys::fs::O_WRONLY, 0)?),
        None => None,
    };
    let cloned = clone(procs.as_ref().map(AsFd::as_fd))?;
    if let (Cloned::Child, Some(procs)) = (&cloned, &procs)
        && sys::fs::write(procs.as_fd(), b"0").is_err()
    {
        process::exit_now(1);
    }
    Ok(cloned)
}

/// Init fills it in after clone, and exec reads it: it stays for the life of this process.
fn room_for_home() -> &'static mut [u8] {
    vec![0; 4096 + 8].leak()
}

impl Child {
    /// The word to go on: `create`'s init now waits at its fifo.
    pub fn go(&self) -> Result<()> {
        self.channel.send(Order::Go).or_unable(|| "tell init to go on".into())
    }

    /// The word to execute; back when the program runs, or with why it does not.
    pub fn go_and_execute(&self, plan: &Plan) -> Result<()> {
        self.go()?;
        match self.channel.receive() {
            Ok(None) => Ok(()),
            Ok(Some(Report::Failed(failure))) => Err(words::failed(plan, &failure)),
            Ok(Some(_)) => Err(Error::new("init broke the protocol")),
            Err(errno) => Err(Error::sys("unable to hear from init", errno)),
        }
    }

    /// From now on it lives without us.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    /// Somebody else waits for it.
    pub fn hand_over(mut self) -> Result<hooks::Born> {
        let pidfd = sys::fs::duplicate(self.pidfd.as_fd()).or_unable(|| "hold a hook".into())?;
        self.kept = true;
        Ok(hooks::Born { pid: self.pid, pidfd })
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<Exit> {
        self.kept = true;
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
        if !self.kept {
            let _ = self.wait_for_end();
        }
    }
}
