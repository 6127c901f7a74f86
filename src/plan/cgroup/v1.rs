// SPDX-License-Identifier: Apache-2.0
//! Resources as files of the v1 controllers. A value of 0 means "not set" in most fields, as in runc.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxNetwork, LinuxResources};

use super::Write;
use super::both::{check_memory, cpuset, hugetlb, one_word, pids, rdma, throttles};
use crate::error::{Error, Result};

pub(super) fn writes(resources: &LinuxResources) -> Result<Vec<Write>> {
    if resources.unified().as_ref().is_some_and(|unified| !unified.is_empty()) {
        let error = Error::new("invalid configuration: cannot use unified on cgroup v1");
        return Err(error.at("/linux/resources/unified"));
    }
    let mut out = Vec::new();
    if let Some(cpu) = resources.cpu() {
        cpuset(cpu, &mut out)?;
        out = out.into_iter().map(Write::before_join).collect();
    }
    if let Some(memory) = resources.memory() {
        self::memory(memory, &mut out)?;
    }
    if let Some(cpu) = resources.cpu() {
        realtime(cpu, &mut out);
        self::cpu(cpu, &mut out)?;
    }
    pids(resources, &mut out);
    if let Some(block_io) = resources.block_io() {
        self::block_io(block_io, &mut out);
    }
    hugetlb(resources, "limit_in_bytes", &mut out)?;
    if let Some(network) = resources.network() {
        self::network(network, &mut out)?;
    }
    rdma(resources, &mut out)?;
    Ok(out)
}

fn memory(memory: &LinuxMemory, out: &mut Vec<Write>) -> Result<()> {
    check_memory(memory)?;
    let at = |field: &str| format!("/linux/resources/memory/{field}");
    let limit = memory.limit().unwrap_or(0);
    // No limit on memory means none on memory+swap either, unless one is asked for.
    let implied = limit == -1 && memory.swap().unwrap_or(0) == 0;
    let swap = if implied { -1 } else { memory.swap().unwrap_or(0) };
    if limit != 0 {
        // The kernel refuses limit > memsw: when both grow, memsw must go first.
        out.push(Write::new("memory", "memory.limit_in_bytes", limit, at("limit")).defer_if(swap != 0));
    }
    if swap != 0 {
        let write = Write::new("memory", "memory.memsw.limit_in_bytes", swap, at("swap"));
        out.push(write.skip_if_missing(implied));
    }
    if let Some(value) = memory.reservation().filter(|value| *value != 0) {
        out.push(Write::new("memory", "memory.soft_limit_in_bytes", value, at("reservation")));
    }
    if memory.disable_oom_killer() == Some(true) {
        out.push(Write::new("memory", "memory.oom_control", 1, at("disableOOMKiller")));
    }
    if let Some(value) = memory.swappiness() {
        if value > 100 {
            let error = Error::new(format!("invalid memory swappiness value: {value}"));
            return Err(error.at(at("swappiness")).because("valid range is 0-100"));
        }
        out.push(Write::new("memory", "memory.swappiness", value, at("swappiness")));
    }
    Ok(())
}

fn realtime(cpu: &LinuxCpu, out: &mut Vec<Write>) {
    let runtime = cpu.realtime_runtime().filter(|value| *value != 0);
    if let Some(period) = cpu.realtime_period().filter(|value| *value != 0) {
        let write = Write::new("cpu", "cpu.rt_period_us", period, "/linux/resources/cpu/realtimePeriod");
        out.push(write.before_join().defer_if(runtime.is_some()));
    }
    if let Some(runtime) = runtime {
        let write = Write::new("cpu", "cpu.rt_runtime_us", runtime, "/linux/resources/cpu/realtimeRuntime");
        out.push(write.before_join());
    }
}

fn cpu(cpu: &LinuxCpu, out: &mut Vec<Write>) -> Result<()> {
    let at = |field: &str| format!("/linux/resources/cpu/{field}");
    if let Some(shares) = cpu.shares().filter(|value| *value != 0) {
        // The kernel clamps to these without a word.
        let bound = match shares {
            0..2 => Some("the minimum allowed cpu-shares is 2"),
            262_145.. => Some("the maximum allowed cpu-shares is 262144"),
            _ => None,
        };
        if let Some(bound) = bound {
            return Err(Error::new(format!("invalid cpu shares {shares}")).at(at("shares")).because(bound));
        }
        // A cgroup that is idle so far takes none.
        out.push(Write::new("cpu", "cpu.shares", shares, at("shares")).defer_if(cpu.idle().is_some()));
    }
    if let Some(idle) = cpu.idle() {
        out.push(Write::new("cpu", "cpu.idle", idle, at("idle")));
    }
    let quota = cpu.quota().filter(|value| *value != 0);
    if let Some(period) = cpu.period().filter(|value| *value != 0) {
        let write = Write::new("cpu", "cpu.cfs_period_us", period, at("period"));
        out.push(write.defer_if(quota.is_some()));
    }
    if let Some(burst) = cpu.burst() {
        let write = Write::new("cpu", "cpu.cfs_burst_us", burst, at("burst"));
        out.push(write.skip_if_missing(true).defer_if(quota.is_some()));
    }
    if let Some(quota) = quota {
        out.push(Write::new("cpu", "cpu.cfs_quota_us", quota, at("quota")));
    }
    Ok(())
}

fn block_io(io: &LinuxBlockIo, out: &mut Vec<Write>) {
    let at = |field: &str| format!("/linux/resources/blockIO/{field}");
    if let Some(weight) = io.weight().filter(|value| *value != 0) {
        // CFQ's file, gone with CFQ in Linux 5.0; BFQ's since.
        let write = Write::new("blkio", "blkio.weight", weight, at("weight"));
        out.push(write.or_else("blkio.bfq.weight", weight));
    }
    if let Some(weight) = io.leaf_weight().filter(|value| *value != 0) {
        out.push(Write::new("blkio", "blkio.leaf_weight", weight, at("leafWeight")));
    }
    for (i, device) in io.weight_device().iter().flatten().enumerate() {
        let (major, minor) = (device.major(), device.minor());
        if let Some(weight) = device.weight().filter(|value| *value != 0) {
            let value = format!("{major}:{minor} {weight}");
            let place = at(&format!("weightDevice/{i}/weight"));
            let write = Write::new("blkio", "blkio.weight_device", &value, place);
            out.push(write.or_else("blkio.bfq.weight_device", &value));
        }
        if let Some(weight) = device.leaf_weight().filter(|value| *value != 0) {
            let value = format!("{major}:{minor} {weight}");
            let place = at(&format!("weightDevice/{i}/leafWeight"));
            out.push(Write::new("blkio", "blkio.leaf_weight_device", value, place));
        }
    }
    for throttle in throttles(io) {
        for (i, device) in throttle.devices.iter().enumerate() {
            let value = format!("{}:{} {}", device.major(), device.minor(), device.rate());
            let place = at(&format!("{}/{i}/rate", throttle.field));
            out.push(Write::new("blkio", throttle.v1_file, value, place));
        }
    }
}

fn network(network: &LinuxNetwork, out: &mut Vec<Write>) -> Result<()> {
    if let Some(class) = network.class_id().filter(|value| *value != 0) {
        out.push(Write::new("net_cls", "net_cls.classid", class, "/linux/resources/network/classID"));
    }
    for (i, priority) in network.priorities().iter().flatten().enumerate() {
        let place = format!("/linux/resources/network/priorities/{i}");
        let name = one_word(priority.name(), "network interface", &place)?;
        let value = format!("{name} {}", priority.priority());
        out.push(Write::new("net_prio", "net_prio.ifpriomap", value, place));
    }
    Ok(())
}
