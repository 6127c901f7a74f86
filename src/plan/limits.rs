// SPDX-License-Identifier: Apache-2.0
//! `process.rlimits`.

use oci_spec::runtime::{PosixRlimitType, Process};

use super::namespaces::Namespaces;
use super::{Draft, invalid};
use crate::error::Result;
use crate::spec::list;
use crate::step::Step;
use crate::sys::process::Limit;

pub(super) fn add(draft: &mut Draft, process: &Process, spaces: &Namespaces) -> Result<()> {
    let mut limits: Vec<Limit> = Vec::new();
    for (i, rlimit) in list(process.rlimits()).iter().enumerate() {
        let place = format!("/process/rlimits/{i}");
        let limit = Limit { resource: resource(rlimit.typ()), soft: rlimit.soft(), hard: rlimit.hard() };
        if limit.soft > limit.hard {
            return Err(invalid(place, format!("{}: the soft limit is above the hard limit", rlimit.typ())));
        }
        // The runtime specification: an error MUST be generated for a type that is there twice.
        if limits.iter().any(|l| l.resource == limit.resource) {
            return Err(invalid(place, format!("{} is listed twice", rlimit.typ())));
        }
        limits.push(limit);
    }
    if limits.is_empty() {
        return Ok(());
    }
    if spaces.user() {
        draft.plan.limits = limits;
    } else {
        draft.add("/process/rlimits", Step::Limits(limits));
    }
    Ok(())
}

fn resource(kind: PosixRlimitType) -> u32 {
    match kind {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}
