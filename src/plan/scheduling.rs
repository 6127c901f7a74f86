// SPDX-License-Identifier: Apache-2.0
//! `process.scheduler`, `ioPriority`, `execCPUAffinity`; `linux.personality` and `memoryPolicy`.

use oci_spec::runtime::{
    IOPriorityClass, LinuxPersonalityDomain, LinuxSchedulerFlag, LinuxSchedulerPolicy, MemoryPolicyFlagType,
    MemoryPolicyModeType, Process, Scheduler, Spec,
};

use super::{Draft, invalid};
use crate::error::Result;
use crate::spec::list;
use crate::step::Step;
use crate::sys::process::SchedAttr;

pub(super) fn add_all(draft: &mut Draft, process: &Process, spec: &Spec) -> Result<()> {
    if let Some(scheduler) = process.scheduler() {
        draft.add("/process/scheduler", Step::Scheduler(attributes(scheduler)?));
    }
    if let Some(priority) = process.io_priority() {
        let class = match priority.class() {
            IOPriorityClass::IoprioClassRt => 1,
            IOPriorityClass::IoprioClassBe => 2,
            IOPriorityClass::IoprioClassIdle => 3,
        };
        let level = i32::try_from(priority.priority()).ok().filter(|level| (0..8).contains(level));
        let level =
            level.ok_or_else(|| invalid("/process/ioPriority/priority", "an I/O priority is 0 to 7"))?;
        draft.add("/process/ioPriority", Step::IoPriority(class << 13 | level));
    }
    let Some(linux) = spec.linux() else { return Ok(()) };
    if let Some(policy) = linux.memory_policy() {
        let nodes = policy.nodes().as_deref().unwrap_or_default();
        let nodes = bit_list("memory policy nodes", nodes, "/linux/memoryPolicy/nodes")?;
        let mode = memory_mode(policy.mode(), count(&nodes))?;
        let flags = list(policy.flags()).iter().fold(0, |flags, flag| flags | memory_flag(*flag));
        draft.add("/linux/memoryPolicy", Step::MemoryPolicy { mode: mode | flags, nodes });
    }
    if let Some(personality) = linux.personality() {
        if !list(personality.flags()).is_empty() {
            draft.warn("linux.personality.flags are not supported and ignored");
        }
        let domain = match personality.domain() {
            LinuxPersonalityDomain::PerLinux => 0x0000,
            LinuxPersonalityDomain::PerLinux32 => 0x0008,
        };
        draft.add("/linux/personality", Step::Personality(domain));
    }
    Ok(())
}

fn attributes(scheduler: &Scheduler) -> Result<SchedAttr> {
    let policy = *scheduler.policy();
    let place = |name: &str| format!("/process/scheduler/{name}");
    let nice = scheduler.nice().unwrap_or(0);
    if !(-20..=19).contains(&nice) {
        return Err(invalid(place("nice"), format!("invalid scheduler.nice: {nice}")));
    }
    let priority = scheduler.priority().unwrap_or(0);
    if priority != 0 && !matches!(policy, LinuxSchedulerPolicy::SchedFifo | LinuxSchedulerPolicy::SchedRr) {
        return Err(invalid(
            place("priority"),
            "scheduler.priority can only be used with SchedFIFO or SchedRR",
        ));
    }
    let deadline = [scheduler.runtime(), scheduler.deadline(), scheduler.period()].map(|n| n.unwrap_or(0));
    if deadline != [0; 3] && policy != LinuxSchedulerPolicy::SchedDeadline {
        let what = "scheduler runtime/deadline/period can only be used with SchedDeadline";
        return Err(invalid("/process/scheduler", what));
    }
    let [runtime, deadline, period] = deadline;
    let flags = list(scheduler.flags()).iter().fold(0, |flags, flag| flags | scheduler_flag(*flag));
    let priority = u32::try_from(priority)
        .map_err(|_| invalid(place("priority"), format!("invalid scheduler.priority: {priority}")))?;
    let policy = match policy {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let size = size_of::<SchedAttr>() as u32;
    Ok(SchedAttr { size, policy, flags, nice, priority, runtime, deadline, period })
}

fn scheduler_flag(flag: LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}

fn memory_mode(mode: MemoryPolicyModeType, nodes: u32) -> Result<i32> {
    let (number, wants_nodes) = match mode {
        MemoryPolicyModeType::MpolDefault => (0, Some(false)),
        MemoryPolicyModeType::MpolPreferred => (1, None),
        MemoryPolicyModeType::MpolBind => (2, Some(true)),
        MemoryPolicyModeType::MpolInterleave => (3, Some(true)),
        MemoryPolicyModeType::MpolLocal => (4, Some(false)),
        MemoryPolicyModeType::MpolPreferredMany => (5, Some(true)),
        MemoryPolicyModeType::MpolWeightedInterleave => (6, Some(true)),
    };
    let refused = |wants: String| {
        Err(invalid("/linux/memoryPolicy/nodes", format!("memory policy mode requires {wants}")))
    };
    match wants_nodes {
        Some(true) if nodes == 0 => refused("at least one node but got 0".to_owned()),
        Some(false) if nodes > 0 => refused(format!("0 nodes but got {nodes}")),
        _ => Ok(number),
    }
}

fn memory_flag(flag: MemoryPolicyFlagType) -> i32 {
    match flag {
        MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
        MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
        MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
    }
}

/// `exec` only: before the cgroup is joined, so that its cpuset then narrows it (spec 1.2.1).
pub(super) fn exec_affinity(draft: &mut Draft, process: &Process) -> Result<()> {
    if let Some(initial) = process.exec_cpu_affinity().as_ref().and_then(|a| a.initial().as_ref()) {
        let place = "/process/execCPUAffinity/initial";
        draft.add(place, Step::Affinity(bit_list("CPU list", initial, place)?));
    }
    Ok(())
}

/// Once the cgroup is joined.
pub(super) fn exec_affinity_final(draft: &mut Draft, process: &Process) -> Result<()> {
    if let Some(last) = process.exec_cpu_affinity().as_ref().and_then(|a| a.cpu_affinity_final().as_ref()) {
        let place = "/process/execCPUAffinity/final";
        draft.add(place, Step::Affinity(bit_list("CPU list", last, place)?));
    }
    Ok(())
}

/// "0-3,7" as a bit mask.
fn bit_list(what: &str, text: &str, place: &str) -> Result<Vec<u64>> {
    const MOST: usize = 8192;
    let bad = || invalid(place, format!("invalid {what} {text:?}: it must be like 0-3,7"));
    let mut mask = Vec::new();
    for range in text.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |n: &str| n.trim().parse::<usize>().ok().filter(|n| *n < MOST).ok_or_else(bad);
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad());
        }
        mask.resize(mask.len().max(last / 64 + 1), 0);
        for bit in first..=last {
            mask[bit / 64] |= 1 << (bit % 64);
        }
    }
    Ok(mask)
}

fn count(mask: &[u64]) -> u32 {
    mask.iter().map(|word| word.count_ones()).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(bit_list("", "0-3,7", "").unwrap(), [0b1000_1111]);
        assert_eq!(bit_list("", "64", "").unwrap(), [0, 1]);
        assert!(bit_list("", "", "").unwrap().is_empty());
        for bad in ["3-1", "x", "1-", "9999999"] {
            assert!(bit_list("", bad, "").is_err(), "{bad}");
        }
    }
}
