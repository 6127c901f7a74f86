// SPDX-License-Identifier: Apache-2.0
//! Where the seccomp filter goes: while CAP_SYS_ADMIN is still there, or, with no_new_privs set, last of
//! all, so that it need allow nothing of ours but read, write and execve.

use oci_spec::runtime::{Process, Spec};

use super::{Draft, seccomp};
use crate::error::{Error, Result};
use crate::step::Step;
use crate::sys::process::BpfInstruction;

/// The agent that a filter with SCMP_ACT_NOTIFY asks, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub socket: std::path::PathBuf,
    pub metadata: String,
}

/// For a process that keeps the right to gain privileges.
pub(super) fn add_early(draft: &mut Draft, process: &Process, spec: &Spec) -> Result<()> {
    if last(process) { Ok(()) } else { add(draft, spec) }
}

/// For one that has given it up.
pub(super) fn add_last(draft: &mut Draft, process: &Process, spec: &Spec) -> Result<()> {
    if last(process) { add(draft, spec) } else { Ok(()) }
}

fn last(process: &Process) -> bool {
    process.no_new_privileges().unwrap_or(false)
}

fn add(draft: &mut Draft, spec: &Spec) -> Result<()> {
    let Some(profile) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else {
        return Ok(());
    };
    let compiled =
        seccomp::compile(profile, seccomp::native()).map_err(|error| Error::new(error.to_string()))?;
    compiled.warnings.iter().for_each(|warning| draft.warn(warning.as_str()));
    let instruction = |i: &seccomp::Instruction| BpfInstruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k };
    let listener = compiled.notify;
    if listener {
        draft.plan.seccomp_agent = profile.listener_path().as_ref().map(|socket| Agent {
            socket: socket.clone(),
            metadata: profile.listener_metadata().clone().unwrap_or_default(),
        });
    }
    let program = compiled.program.iter().map(instruction).collect();
    draft.add("/linux/seccomp", Step::Seccomp { flags: compiled.flags.into(), program, listener });
    Ok(())
}
