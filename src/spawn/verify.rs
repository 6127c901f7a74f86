// SPDX-License-Identifier: Apache-2.0
//! What init is, read back from outside once it is ready: a call that an outer filter or a bug turned into nothing must
//! not start a container. One read tells of all of it.

use std::ffi::CString;
use std::os::fd::AsFd;

use crate::error::{Error, Result, While};
use crate::plan::Plan;
use crate::step::{CapPlan, Step};
use crate::sys;

pub(super) fn verify(plan: &Plan, pid: i32) -> Result<()> {
    let path = CString::new(format!("/proc/{pid}/status")).unwrap_or_default();
    let status = sys::fs::open(&path, sys::fs::O_RDONLY)
        .and_then(|file| sys::fs::read_to_end(file.as_fd(), 64 << 10))
        .or_unable(|| "verify the process".into())?;
    let status = Status(&status);
    for planned in &plan.steps {
        let in_force = match &planned.step {
            Step::NoNewPrivileges => status.number("NoNewPrivs:") == Some(1),
            Step::Seccomp { .. } => status.number("Seccomp:") == Some(2),
            Step::Identity(identity) => identity.caps.as_ref().is_none_or(|caps| status.has(caps)),
            _ => true,
        };
        if !in_force {
            let error = Error::new(format!("unable to {}", planned.step));
            let error = error.because("the kernel said yes, and yet it is not in force");
            return Err(error.at(planned.place.clone()));
        }
    }
    Ok(())
}

/// /proc/PID/status.
struct Status<'a>(&'a [u8]);

impl Status<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        let mut lines = self.0.split(|byte| *byte == b'\n');
        let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
        u64::from_str_radix(std::str::from_utf8(value).ok()?.trim(), 16).ok()
    }

    /// The bounding set may be less: the caller may have had less.
    fn has(&self, caps: &CapPlan) -> bool {
        self.number("CapEff:") == Some(caps.sets.effective.0)
            && self.number("CapPrm:") == Some(caps.sets.permitted.0)
            && self.number("CapInh:") == Some(caps.sets.inheritable.0)
            && self.number("CapAmb:") == Some(caps.ambient.0)
            && self.number("CapBnd:").is_some_and(|is| is & !caps.bounding.0 == 0)
    }
}
