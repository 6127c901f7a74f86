// SPDX-License-Identifier: Apache-2.0
//! Born once more: into namespaces that are entered by birth alone, or with rights that exec would take.

use std::os::fd::AsFd;

use super::Fault;
use super::membership::hide;
use crate::channel::{Failure, InitEnd, Order, Report};
use crate::sys;
use crate::sys::process::{self, Cloned, Kin};
use crate::work::{Birth, Given};

/// Returns in the process that is init; the one that was called ends. Both are children of the parent, which has its
/// say before anything is done. In a pid namespace that others live in init is never seen dumpable, nor as any
/// program but its own (CVE-2016-9962, CVE-2019-5736).
pub(super) fn come_into_being(birth: &Birth, dumpable: bool, given: &Given, channel: &InitEnd) {
    let hidden = if dumpable { process::set_dumpable(true).map_err(Fault::from) } else { hide() };
    let born = hidden.and_then(|()| Ok(enter(birth, given)?));
    let report = match born {
        Ok(Cloned::Child) => match channel.receive() {
            Ok(Order::Go) => return,
            _ => process::exit_now(1),
        },
        Ok(Cloned::Parent { pid, .. }) => Report::Born(pid),
        Err(Fault { errno, note }) => Report::Failed(Failure { step: Failure::BIRTH, errno, note }),
    };
    process::exit_now(i32::from(channel.send(&report).is_err()));
}

fn enter(birth: &Birth, given: &Given) -> sys::Result<Cloned> {
    for (namespace, slot) in &birth.joins {
        process::setns(given.requests[slot.0].as_fd(), *namespace)?;
    }
    process::clone_into(Kin::Sibling, birth.namespaces, given.cgroup.as_ref().map(AsFd::as_fd))
}
