// SPDX-License-Identifier: Apache-2.0
//! Resources as files of cgroup v2. config.json speaks v1, so values are converted as runc does. What v2
//! has no file for is passed over, as in runc: real-time bandwidth, swappiness, disableOOMKiller, leaf
//! weights, kernel memory, network classes and priorities.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use super::both::{check_memory, cpuset, hugetlb, pids, rdma, throttles};
use super::{UsageCheck, Write};
use crate::error::{Error, Result};

pub(super) fn writes(resources: &LinuxResources) -> Result<Vec<Write>> {
    let mut out = Vec::new();
    pids(resources, &mut out);
    if let Some(memory) = resources.memory() {
        self::memory(memory, &mut out)?;
    }
    if let Some(io) = resources.block_io() {
        self::io(io, &mut out);
    }
    if let Some(cpu) = resources.cpu() {
        self::cpu(cpu, &mut out);
        cpuset(cpu, &mut out)?;
    }
    hugetlb(resources, "max", &mut out)?;
    rdma(resources, &mut out)?;
    // Last, as its values win over those above.
    unified(resources, &mut out)?;
    Ok(out)
}

pub(super) fn usage_check(resources: &LinuxResources) -> Option<UsageCheck> {
    let memory = resources.memory().as_ref()?;
    let positive = |value: Option<i64>| value.and_then(|v| u64::try_from(v).ok()).unwrap_or(0);
    let check = UsageCheck { limit: positive(memory.limit()), swap: positive(memory.swap()) };
    (memory.check_before_update() == Some(true) && check != UsageCheck::default()).then_some(check)
}

fn memory(memory: &LinuxMemory, out: &mut Vec<Write>) -> Result<()> {
    check_memory(memory)?;
    let at = |field: &str| format!("/linux/resources/memory/{field}");
    let limit = memory.limit().unwrap_or(0);
    if let Some(value) = swap(memory)? {
        let value = value.map_or_else(|| "max".to_owned(), |value| value.to_string());
        // A kernel without swap accounting has no such file, and no swap to limit.
        let harmless = value == "max" || value == "0";
        out.push(Write::new("memory", "memory.swap.max", value, at("swap")).skip_if_missing(harmless));
    }
    if limit != 0 {
        out.push(Write::new("memory", "memory.max", number(limit), at("limit")));
    }
    if let Some(value) = memory.reservation().filter(|value| *value != 0) {
        out.push(Write::new("memory", "memory.low", number(value), at("reservation")));
    }
    Ok(())
}

/// None for no word on swap, Some(None) for no limit.
pub(super) fn swap(memory: &LinuxMemory) -> Result<Option<Option<u64>>> {
    let error = || {
        let error = Error::new("unable to set swap limit without memory limit");
        error.at("/linux/resources/memory/swap")
    };
    Ok(match (memory.limit().unwrap_or(0), memory.swap().unwrap_or(0)) {
        (-1, 0) | (_, -1) => Some(None),
        (_, 0) => None,
        (-1, swap) => Some(u64::try_from(swap).ok()),
        (0, _) => return Err(error()),
        // v1 counts memory in; here they are apart.
        (limit, swap) => Some(Some((swap - limit).unsigned_abs())),
    })
}

fn number(value: i64) -> String {
    if value == -1 { "max".to_owned() } else { value.to_string() }
}

fn io(io: &LinuxBlockIo, out: &mut Vec<Write>) {
    let at = |field: &str| format!("/linux/resources/blockIO/{field}");
    if let Some(weight) = io.weight().filter(|value| *value != 0) {
        let write = Write::new("io", "io.bfq.weight", weight, at("weight"));
        out.push(write.or_else("io.weight", io_weight(weight)));
    }
    for (i, device) in io.weight_device().iter().flatten().enumerate() {
        let Some(weight) = device.weight() else { continue };
        let value = format!("{}:{} {weight}", device.major(), device.minor());
        let place = at(&format!("weightDevice/{i}/weight"));
        out.push(Write::new("io", "io.bfq.weight", value, place).skip_if_missing(true));
    }
    for throttle in throttles(io) {
        for (i, device) in throttle.devices.iter().enumerate() {
            // On v1 a rate of 0 is none; here the kernel refuses 0.
            let rate = if device.rate() == 0 { "max".to_owned() } else { device.rate().to_string() };
            let value = format!("{}:{} {}={rate}", device.major(), device.minor(), throttle.v2_key);
            out.push(Write::new("io", "io.max", value, at(&format!("{}/{i}/rate", throttle.field))));
        }
    }
}

/// From 10..=1000 to 1..=10000.
fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight.saturating_sub(10)) * 9999 / 990
}

fn cpu(cpu: &LinuxCpu, out: &mut Vec<Write>) {
    let at = |field: &str| format!("/linux/resources/cpu/{field}");
    if let Some(idle) = cpu.idle() {
        out.push(Write::new("cpu", "cpu.idle", idle, at("idle")));
    }
    if let Some(shares) = cpu.shares().filter(|value| *value != 0) {
        out.push(Write::new("cpu", "cpu.weight", weight(shares), at("shares")));
    }
    let quota = cpu.quota().filter(|value| *value != 0);
    let period = cpu.period().filter(|value| *value != 0);
    if let Some(burst) = cpu.burst() {
        out.push(Write::new("cpu", "cpu.max.burst", burst, at("burst")).defer_if(quota.is_some()));
    }
    if quota.is_some() || period.is_some() {
        let max = quota.filter(|quota| *quota > 0).map_or_else(|| "max".to_owned(), |q| q.to_string());
        let value = format!("{max} {}", period.unwrap_or(100_000));
        out.push(Write::new("cpu", "cpu.max", value, at(if quota.is_some() { "quota" } else { "period" })));
    }
}

/// Shares 2..=262144 to weight 1..=10000 with 1024 to 100: the quadratic formula that runc 1.3 and crun
/// 1.23 moved to, as the old linear one made 39 of 1024.
pub(super) fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        shares => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            10f64.powf(exponent).ceil() as u64
        }
    }
}

fn unified(resources: &LinuxResources, out: &mut Vec<Write>) -> Result<()> {
    let mut entries: Vec<_> = resources.unified().iter().flatten().collect();
    entries.sort();
    for (file, value) in entries {
        let place = format!("/linux/resources/unified/{}", crate::spec::key(file));
        let refuse =
            |why: &str| Err(Error::new(format!("unified resource {file:?} {why}")).at(place.clone()));
        if file.contains(['/', '\0']) {
            return refuse("must be a file name (no slashes)");
        }
        let Some((controller, parameter)) = file.split_once('.') else {
            return refuse("must be in the form CONTROLLER.PARAMETER");
        };
        if controller.is_empty() || parameter.is_empty() {
            return refuse("must be in the form CONTROLLER.PARAMETER");
        }
        if value.contains('\0') {
            return refuse("must not have a NUL byte");
        }
        // Files such as io.max take one line a write.
        for line in value.split('\n').filter(|line| !line.is_empty() || value.is_empty()) {
            out.push(Write::new(controller, file, line, &*place));
        }
    }
    Ok(())
}
