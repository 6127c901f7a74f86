// SPDX-License-Identifier: Apache-2.0
//! The terminal out of the container's own devpts, and the standard streams.

use oci_spec::runtime::Process;

use super::namespaces::Namespaces;
use super::{Draft, Request};
use crate::error::Result;
use crate::step::Step;
use crate::sys::tty::Size;

pub(super) fn allocate(draft: &mut Draft, process: &Process) -> Result<()> {
    if !wants(process) {
        return Ok(());
    }
    let size = process.console_size().and_then(|size| {
        let (rows, columns) = (u16::try_from(size.height()).ok()?, u16::try_from(size.width()).ok()?);
        (rows > 0 || columns > 0).then_some(Size { rows, columns })
    });
    let console = draft.request(Request::Console);
    draft.add("/process/terminal", Step::Terminal { console, size, uid: process.user().uid() });
    Ok(())
}

/// Streams that the caller handed down become the process's user's, or `> /dev/stderr` would fail
/// there. The parent does it, as init in a user namespace could not; the host's root owns them already.
pub(super) fn stdio(draft: &mut Draft, process: &Process, spaces: &Namespaces) {
    let uid = process.user().uid();
    if wants(process) {
        draft.add("/process/terminal", Step::TakeTerminal);
    } else if uid != 0 || spaces.user() {
        draft.plan.stdio_owner = spaces.host_uid(uid);
    }
}

/// An open /dev/null of the host's would let the container do to it what only the host may (ioctl,
/// futimens); the images' is checked to be one.
pub(super) fn reopen_null(draft: &mut Draft, process: &Process) {
    if !wants(process) {
        draft.add("", Step::ReopenNull);
    }
}

fn wants(process: &Process) -> bool {
    process.terminal().unwrap_or(false)
}
