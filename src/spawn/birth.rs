// SPDX-License-Identifier: Apache-2.0
//! Init is born: a clone of the caller that executes the sealed init program, which finds its plan waiting.
//!
//! Where init is to live among others' processes, or in a user namespace, that program is born once more by itself
//! (`init/birth.rs`), so that no process of a container ever sees one that is the caller's program.

use std::cell::Cell;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use super::Child;
use crate::channel::{self, Failure, Note, ParentEnd, Report};
use crate::plan::Plan;
use crate::step::{Planned, Step};
use crate::sys::process::{self, Cloned, ExecArgs, Exit, Kin, NEWUSER};
use crate::sys::{self, Errno};
use crate::work::{self, Birth, Lent, Work};

/// What init needs to know of the plan.
pub(super) fn work(plan: &Plan, ignored: u64, v1: bool) -> Work<&[Planned], &[CString]> {
    let again = !plan.through.is_empty() || plan.clone & NEWUSER != 0;
    Work {
        steps: &plan.steps,
        args: &plan.args,
        env: &plan.env,
        home: plan.home,
        ignored,
        preserved: plan.preserved,
        dumpable_for_parent: plan.id_maps.is_some() && sys::cred::effective_uid() != 0,
        joins: v1 && plan.steps.iter().any(|planned| matches!(planned.step, Step::JoinCgroups)),
        birth: again.then(|| Birth { joins: plan.through.clone(), namespaces: plan.clone }),
    }
}

/// Alive, in its namespaces and its v2 cgroup, and at its first step.
pub(super) fn init(
    program: &OwnedFd,
    work: &Work<&[Planned], &[CString]>,
    lent: Lent<'_>,
    namespaces: u64,
) -> sys::Result<Child> {
    let (parent_end, init_end) = channel::pair()?;
    work::hand_over(&parent_end, work, lent)?;
    let again = work.birth.is_some();
    let (namespaces, cgroup) = if again { (0, None) } else { (namespaces, lent.cgroup) };
    let args = [
        c"tare".to_owned(),
        c"init".to_owned(),
        CString::new(init_end.number().to_string()).unwrap_or_default(),
    ];
    let (args, env) = (ExecArgs::new(args.into()), ExecArgs::new(Vec::new()));
    // What others must not trace or look into until it has executed (CVE-2016-9962).
    process::set_dumpable(false)?;
    if process::is_dumpable()? {
        return Err(Errno::EPERM);
    }
    let Cloned::Parent { pid, pidfd } = process::clone_into(Kin::Child, namespaces, cgroup)? else {
        let errno = process::exec_fd(program.as_fd(), &args, &env);
        let failure = Failure { step: Failure::BIRTH, errno, note: Note::None };
        let _ = init_end.send(&Report::Failed(failure));
        process::exit_now(1);
    };
    drop(init_end);
    if again {
        born_again(pid, parent_end)
    } else {
        Ok(Child { pid, pidfd, channel: parent_end, kept: Cell::new(false) })
    }
}

/// The process that we have made makes init, tells its pid, and ends. Init waits for a word: until then it must not
/// report anything.
fn born_again(way: i32, channel: ParentEnd) -> sys::Result<Child> {
    // It could not tell, or was killed: init, which nobody knows, waits for us in vain, and ends with the channel.
    if process::wait(way)? != Exit::Code(0) && !channel.has_come()? {
        return Err(Errno::ECHILD);
    }
    match channel.receive()? {
        Some(Report::Born(pid)) => {
            let child = Child { pid, pidfd: process::pidfd_open(pid)?, channel, kept: Cell::new(false) };
            child.channel.send(channel::Order::Go)?;
            Ok(child)
        }
        Some(Report::Failed(failure)) => Err(failure.errno),
        Some(_) => Err(Errno::EPROTO),
        None => Err(Errno::ECHILD),
    }
}
