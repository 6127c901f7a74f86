// SPDX-License-Identifier: Apache-2.0
//! What a container uses, as the kernel counts it, in the shape that runc's clients decode (runc v1.5
//! types/events.go): the names and units of cgroup v1, whatever the host has.
//!
//! A file that is not there, of a controller that is off or of a newer kernel, leaves zeroes.

mod files;
mod v1;
mod v2;

use std::collections::BTreeMap;

use serde::Serialize;

use super::Cgroup;
use super::dir::value;
use crate::error::{Result, While};
use crate::sys::fs::{self, O_DIRECTORY, O_RDONLY};
use crate::sys::{self, Errno};
use files::Files;

#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    cpu: Cpu,
    cpuset: Cpuset,
    memory: Memory,
    pids: Pids,
    blkio: Blkio,
    hugetlb: BTreeMap<String, Hugetlb>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Cpu {
    usage: CpuUsage,
    throttling: Throttling,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Pressure>,
}

/// Nanoseconds.
#[derive(Debug, Default, PartialEq, Serialize)]
struct CpuUsage {
    total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu_user: Vec<u64>,
    kernel: u64,
    user: u64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    periods: u64,
    throttled_periods: u64,
    throttled_time: u64,
}

/// Of v1 alone.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Cpuset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpus: Vec<u16>,
    cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mems: Vec<u16>,
    mem_hardwall: u64,
    mem_exclusive: u64,
    memory_migrate: u64,
    memory_spread_page: u64,
    memory_spread_slab: u64,
    memory_pressure: u64,
    sched_load_balance: u64,
    sched_relax_domain_level: i64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Memory {
    cache: u64,
    usage: MemoryEntry,
    /// Memory and swap together.
    swap: MemoryEntry,
    kernel: MemoryEntry,
    #[serde(rename = "kernelTCP")]
    kernel_tcp: MemoryEntry,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    raw: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Pressure>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct MemoryEntry {
    limit: u64,
    usage: u64,
    max: u64,
    failcnt: u64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Pids {
    current: u64,
    /// 0 is none.
    limit: u64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blkio {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_queue_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_merged_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sectors_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Pressure>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct BlkioEntry {
    major: u64,
    minor: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    op: String,
    value: u64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Hugetlb {
    usage: u64,
    max: u64,
    failcnt: u64,
}

/// How long tasks had to wait for a resource (Documentation/accounting/psi.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Pressure {
    some: Stalled,
    full: Stalled,
}

/// Percentages of time, and microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Stalled {
    avg10: f64,
    avg60: f64,
    avg300: f64,
    total: u64,
}

impl Cgroup {
    pub fn stats(&self) -> Result<Stats> {
        let sizes = huge_page_sizes().or_unable(|| "list the sizes of huge pages".into())?;
        let read = |file: &str| self.file_of(file);
        let mut stats = match self.v2() {
            Some(_) => v2::stats(&Files(&read), &sizes)?,
            None => v1::stats(&Files(&read), &sizes)?,
        };
        // A hybrid host has it in its v2 hierarchy.
        if let Some(dir) = self.unified() {
            let read = |file: &str| value(&format!("{}/{file}", dir.path()));
            stats.add_pressure(&Files(&read))?;
        }
        Ok(stats)
    }

    /// The controller is the first part of the name.
    fn file_of(&self, file: &str) -> sys::Result<String> {
        let controller = file.split_once('.').map_or(file, |(controller, _)| controller);
        self.dir(controller).ok_or(Errno::ENOENT)?.read(file)
    }
}

impl Stats {
    fn add_pressure(&mut self, files: &Files<'_>) -> Result<()> {
        self.cpu.psi = files.pressure("cpu.pressure")?;
        self.memory.psi = files.pressure("memory.pressure")?;
        self.blkio.psi = files.pressure("io.pressure")?;
        Ok(())
    }
}

/// As the files of the hugetlb controller have them: "2MB", "1GB".
fn huge_page_sizes() -> sys::Result<Vec<String>> {
    let dir = match fs::open(c"/sys/kernel/mm/hugepages", O_RDONLY | O_DIRECTORY) {
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        result => result?,
    };
    let entries = fs::entries(std::os::fd::AsFd::as_fd(&dir))?;
    Ok(entries.iter().filter_map(|entry| page_size(entry.name.to_str().ok()?)).collect())
}

/// "hugepages-2048kB" is "2MB".
fn page_size(directory: &str) -> Option<String> {
    let kib: u64 = directory.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(match kib {
        kib if kib >= 1 << 20 => format!("{}GB", kib >> 20),
        kib if kib >= 1 << 10 => format!("{}MB", kib >> 10),
        kib => format!("{kib}KB"),
    })
}

#[cfg(test)]
mod tests;
