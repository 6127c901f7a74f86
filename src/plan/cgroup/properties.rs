// SPDX-License-Identifier: Apache-2.0
//! Resources as properties of a systemd unit, with runc's conversions. What systemd has no
//! property for, and the exact value of what it rounds, is in the files that are written as well: so
//! systemd shows the limits, and sets them again when it is reloaded.

use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxResources};

use super::devices::{Devices, Node};
use super::unit::Property;
use super::v2;
use super::variant::Value;
use crate::host::cgroup::Version;
use crate::host::systemd::Bus;

const NO_LIMIT: u64 = u64::MAX;

pub(super) fn of(
    resources: Option<&LinuxResources>,
    devices: &Devices,
    bus: Bus,
    version: Version,
) -> Vec<Property> {
    let mut out = Vec::new();
    // A user's manager has no right to filter devices.
    if bus == Bus::System {
        self::devices(devices, &mut out);
    }
    let Some(resources) = resources else { return out };
    if version != Version::V2 {
        v1(resources, &mut out);
        return out;
    }
    if let Some(memory) = resources.memory() {
        self::memory(memory, &mut out);
    }
    if let Some(cpu) = resources.cpu() {
        if cpu.idle() == Some(1) {
            out.push(number("CPUWeight", 0).since(252));
        } else if let Some(shares) = cpu.shares().filter(|value| *value != 0) {
            out.push(number("CPUWeight", v2::weight(shares)));
        }
        cpu_time(cpu, &mut out);
    }
    out.extend(tasks(resources));
    let mut unified: Vec<_> = resources.unified().iter().flatten().collect();
    unified.sort();
    for (file, value) in unified {
        // A value that is none is refused by the file it is written to.
        for property in self::unified(file, value.trim()).into_iter().flatten() {
            out.retain(|before| before.name != property.name);
            out.push(property);
        }
    }
    out
}

/// Those that systemd has for v1, within the bounds it sets: what is beyond is in the files alone.
fn v1(resources: &LinuxResources, out: &mut Vec<Property>) {
    let memory = resources.memory().and_then(|memory| memory.limit()).filter(|limit| *limit != 0);
    out.extend(memory.map(|limit| number("MemoryLimit", u64::try_from(limit).unwrap_or(NO_LIMIT))));
    if let Some(cpu) = resources.cpu() {
        let shares = cpu.shares().filter(|value| *value != 0);
        out.extend(shares.map(|shares| number("CPUShares", shares)));
        cpu_time(cpu, out);
    }
    let weight = resources.block_io().as_ref().and_then(|io| io.weight());
    let weight = weight.filter(|weight| (10..=1000).contains(weight));
    out.extend(weight.map(|weight| number("BlockIOWeight", weight.into())));
    out.extend(tasks(resources));
}

fn tasks(resources: &LinuxResources) -> Option<Property> {
    let value = match resources.pids().as_ref()?.limit() {
        0 => 1,
        limit => u64::try_from(limit).unwrap_or(NO_LIMIT),
    };
    Some(number("TasksMax", value))
}

fn number(name: &str, value: u64) -> Property {
    Property::new(name, Value::Uint64(value))
}

fn memory(memory: &LinuxMemory, out: &mut Vec<Property>) {
    let limit = |value: i64| u64::try_from(value).unwrap_or(NO_LIMIT);
    if let Some(value) = memory.limit().filter(|value| *value != 0) {
        out.push(number("MemoryMax", limit(value)));
    }
    if let Some(value) = memory.reservation().filter(|value| *value != 0) {
        out.push(number("MemoryLow", limit(value)));
    }
    if let Some(value) = v2::swap(memory).ok().flatten() {
        out.push(number("MemorySwapMax", value.unwrap_or(NO_LIMIT)));
    }
}

fn cpu_time(cpu: &LinuxCpu, out: &mut Vec<Property>) {
    let period = cpu.period().filter(|value| *value != 0);
    let quota = cpu.quota().filter(|value| *value != 0);
    if quota.is_some() || period.is_some() {
        out.extend(bandwidth(quota.and_then(|quota| quota.try_into().ok()), period));
    }
    for (name, list) in [("AllowedCPUs", cpu.cpus()), ("AllowedMemoryNodes", cpu.mems())] {
        if let Some(bits) = list.as_deref().filter(|list| !list.is_empty()).and_then(bits) {
            out.push(Property::new(name, Value::Bytes(bits)).since(244));
        }
    }
}

/// systemd counts in whole percents of a CPU, 10 ms in a second; less is rounded up.
fn bandwidth(quota: Option<u64>, period: Option<u64>) -> Vec<Property> {
    let a_second = quota.map_or(NO_LIMIT, |quota| {
        let exact = u128::from(quota) * 1_000_000 / u128::from(period.unwrap_or(100_000));
        u64::try_from(exact.div_ceil(10_000) * 10_000).unwrap_or(NO_LIMIT)
    });
    let period = period.map(|period| number("CPUQuotaPeriodUSec", period).since(242));
    period.into_iter().chain([number("CPUQuotaPerSecUSec", a_second)]).collect()
}

/// "0-2,5" as a bit a CPU, the first in the lowest bit of the first byte. None for what is no list.
fn bits(list: &str) -> Option<Vec<u8>> {
    const MOST: usize = 8192;
    let mut bytes = Vec::new();
    for range in list.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        bytes.resize(bytes.len().max(last / 8 + 1), 0);
        (first..=last).for_each(|bit| bytes[bit / 8] |= 1 << (bit % 8));
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// The keys of `unified` that systemd knows; None for others, and for values that are none.
fn unified(file: &str, value: &str) -> Option<Vec<Property>> {
    let max = |value: &str| if value == "max" { Some(NO_LIMIT) } else { value.parse().ok() };
    let limit = |name: &str| Some(vec![number(name, max(value)?)]);
    match file {
        "memory.max" => limit("MemoryMax"),
        "memory.high" => limit("MemoryHigh"),
        "memory.low" => limit("MemoryLow"),
        "memory.min" => limit("MemoryMin"),
        "memory.swap.max" => limit("MemorySwapMax"),
        "pids.max" => limit("TasksMax"),
        "cpu.weight" => Some(vec![number("CPUWeight", value.parse().ok()?)]),
        "cpu.idle" if value == "1" => Some(vec![number("CPUWeight", 0).since(252)]),
        "cpu.max" => {
            let (quota, period) = value.split_once(' ').unwrap_or((value, "100000"));
            let quota = if quota == "max" { None } else { Some(quota.parse().ok()?) };
            Some(bandwidth(quota, Some(period.parse().ok().filter(|period| *period != 0)?)))
        }
        "cpuset.cpus" => Some(vec![Property::new("AllowedCPUs", Value::Bytes(bits(value)?)).since(244)]),
        "cpuset.mems" => {
            Some(vec![Property::new("AllowedMemoryNodes", Value::Bytes(bits(value)?)).since(244)])
        }
        "memory.oom.group" => {
            let policy = match value {
                "1" => "kill",
                "0" => "continue",
                _ => return None,
            };
            Some(vec![Property::new("OOMPolicy", Value::Text(policy.to_owned())).since(253)])
        }
        _ => None,
    }
}

/// systemd's filter allows what ours does or more, and a device needs the yes of both: it has no rule
/// that denies, and none for one minor number of all major ones.
fn devices(devices: &Devices, out: &mut Vec<Property>) {
    let policy = if devices.allowed { "auto" } else { "strict" };
    out.push(Property::new("DevicePolicy", Value::Text(policy.to_owned())));
    // An empty list forgets those before it.
    out.push(Property::new("DeviceAllow", Value::Pairs(Vec::new())));
    if devices.allowed {
        return;
    }
    let entry = |(which, access): (&super::devices::Which, &super::devices::Access)| {
        let class = if which.node == Node::Char { "char" } else { "block" };
        let device = match (which.major, which.minor) {
            (Some(major), Some(minor)) => format!("/dev/{class}/{major}:{minor}"),
            (Some(major), None) => format!("{class}-{major}"),
            (None, _) => format!("{class}-*"),
        };
        (device, access.to_string())
    };
    out.push(Property::new("DeviceAllow", Value::Pairs(devices.exceptions.iter().map(entry).collect())));
}
