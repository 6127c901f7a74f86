// SPDX-License-Identifier: Apache-2.0
//! Statistics from the files of cgroup v1.

use super::files::Files;
use super::{Blkio, Cpu, CpuUsage, Cpuset, Hugetlb, Memory, MemoryEntry, Pids, Stats, Throttling};
use crate::error::Result;

/// USER_HZ is 100 on every architecture of Linux.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

pub(super) fn stats(files: &Files<'_>, huge_pages: &[String]) -> Result<Stats> {
    let mut stats = Stats {
        cpu: cpu(files)?,
        cpuset: cpuset(files)?,
        memory: memory(files)?,
        pids: pids(files)?,
        blkio: blkio(files)?,
        ..Stats::default()
    };
    for size in huge_pages {
        if let Some(entry) = hugetlb(files, size)? {
            stats.hugetlb.insert(size.clone(), entry);
        }
    }
    Ok(stats)
}

fn cpu(files: &Files<'_>) -> Result<Cpu> {
    let ticks = files.keyed("cpuacct.stat")?;
    let ticks = |key: &str| ticks.get(key).copied().unwrap_or(0) * NANOSECONDS_PER_TICK;
    let per_cpu = files.per_cpu("cpuacct.usage_all")?;
    let usage = CpuUsage {
        total: files.number("cpuacct.usage")?,
        percpu: files.numbers("cpuacct.usage_percpu")?,
        percpu_kernel: per_cpu.iter().map(|[_, kernel]| *kernel).collect(),
        percpu_user: per_cpu.iter().map(|[user, _]| *user).collect(),
        kernel: ticks("system"),
        user: ticks("user"),
    };
    let stat = files.keyed("cpu.stat")?;
    let stat = |key: &str| stat.get(key).copied().unwrap_or(0);
    let throttling = Throttling {
        periods: stat("nr_periods"),
        throttled_periods: stat("nr_throttled"),
        throttled_time: stat("throttled_time"),
    };
    Ok(Cpu { usage, throttling, psi: None })
}

fn cpuset(files: &Files<'_>) -> Result<Cpuset> {
    Ok(Cpuset {
        cpus: files.list("cpuset.cpus")?,
        cpu_exclusive: files.number("cpuset.cpu_exclusive")?,
        mems: files.list("cpuset.mems")?,
        mem_hardwall: files.number("cpuset.mem_hardwall")?,
        mem_exclusive: files.number("cpuset.mem_exclusive")?,
        memory_migrate: files.number("cpuset.memory_migrate")?,
        memory_spread_page: files.number("cpuset.memory_spread_page")?,
        memory_spread_slab: files.number("cpuset.memory_spread_slab")?,
        memory_pressure: files.number("cpuset.memory_pressure")?,
        sched_load_balance: files.number("cpuset.sched_load_balance")?,
        sched_relax_domain_level: files.signed("cpuset.sched_relax_domain_level")?,
    })
}

fn memory(files: &Files<'_>) -> Result<Memory> {
    let raw = files.keyed("memory.stat")?;
    let entry = |name: &str| {
        let number = |value: &str| files.number(&format!("memory.{name}{value}"));
        Ok(MemoryEntry {
            limit: number("limit_in_bytes")?,
            usage: number("usage_in_bytes")?,
            max: number("max_usage_in_bytes")?,
            failcnt: number("failcnt")?,
        })
    };
    Ok(Memory {
        cache: raw.get("cache").copied().unwrap_or(0),
        usage: entry("")?,
        swap: entry("memsw.")?,
        kernel: entry("kmem.")?,
        kernel_tcp: entry("kmem.tcp.")?,
        raw,
        psi: None,
    })
}

fn pids(files: &Files<'_>) -> Result<Pids> {
    let limit = Some(files.number("pids.max")?).filter(|limit| *limit != u64::MAX);
    Ok(Pids { current: files.number("pids.current")?, limit: limit.unwrap_or(0) })
}

/// The scheduler that has counted something: BFQ, CFQ (before Linux 5.0), or none and the throttling that
/// is before all of them.
fn blkio(files: &Files<'_>) -> Result<Blkio> {
    for scheduler in ["bfq.", "", "throttle."] {
        let entries = |name: &str| files.blkio(&format!("blkio.{scheduler}{name}_recursive"));
        let serviced = entries("io_serviced")?;
        if serviced.is_empty() {
            continue;
        }
        return Ok(Blkio {
            io_service_bytes_recursive: entries("io_service_bytes")?,
            io_serviced_recursive: serviced,
            io_queue_recursive: entries("io_queued")?,
            io_service_time_recursive: entries("io_service_time")?,
            io_wait_time_recursive: entries("io_wait_time")?,
            io_merged_recursive: entries("io_merged")?,
            io_time_recursive: entries("time")?,
            sectors_recursive: entries("sectors")?,
            psi: None,
        });
    }
    Ok(Blkio {
        io_service_bytes_recursive: files.blkio("blkio.throttle.io_service_bytes")?,
        io_serviced_recursive: files.blkio("blkio.throttle.io_serviced")?,
        ..Blkio::default()
    })
}

/// Reservations, which count whatever may still be used, where the kernel has them (Linux 5.7).
fn hugetlb(files: &Files<'_>, size: &str) -> Result<Option<Hugetlb>> {
    for kind in [".rsvd", ""] {
        let number = |value: &str| files.number(&format!("hugetlb.{size}{kind}.{value}"));
        if files.text(&format!("hugetlb.{size}{kind}.usage_in_bytes"))?.is_some() {
            return Ok(Some(Hugetlb {
                usage: number("usage_in_bytes")?,
                max: number("max_usage_in_bytes")?,
                failcnt: number("failcnt")?,
            }));
        }
    }
    Ok(None)
}
