// SPDX-License-Identifier: Apache-2.0
//! What a container is doing now, as `state` and `list` say it.

use std::fmt;

use super::process::ProcessRef;
use super::{Container, Phase, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    /// A container whose cgroup is frozen is paused, if it is more than a name. Asked only where it matters.
    #[must_use]
    pub fn or_paused(self, is_frozen: impl FnOnce() -> bool) -> Status {
        let may_be = matches!(self, Status::Created | Status::Running);
        if may_be && is_frozen() { Status::Paused } else { self }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        })
    }
}

impl Container {
    /// Never fails: a process that cannot be examined passes for alive. To call it ended would let `delete`
    /// take the container away from under it.
    pub fn status(&self, state: &State) -> Status {
        let lives = |process: Option<ProcessRef>| !matches!(state.find(process), Ok(None));
        match state.phase {
            // Not yet written: its creator, of whom nothing is known, may be about to.
            Phase::Creating if state.creator.is_none() => Status::Creating,
            Phase::Creating if lives(state.creator) || lives(state.init) => Status::Creating,
            Phase::Creating => Status::Stopped,
            Phase::Created | Phase::Running if !lives(state.init) => Status::Stopped,
            Phase::Created if self.waits_for_start() => Status::Created,
            Phase::Created | Phase::Running => Status::Running,
        }
    }
}
