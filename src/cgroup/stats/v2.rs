// SPDX-License-Identifier: Apache-2.0
//! Statistics from the files of cgroup v2, under the names that v1 has for them.

use super::files::Files;
use super::{Blkio, BlkioEntry, Cpu, CpuUsage, Hugetlb, Memory, MemoryEntry, Pids, Stats, Throttling};
use crate::error::{Error, Result};

pub(super) fn stats(files: &Files<'_>, huge_pages: &[String]) -> Result<Stats> {
    let mut stats = Stats {
        cpu: cpu(files)?,
        memory: memory(files)?,
        pids: pids(files)?,
        blkio: io(files)?,
        ..Stats::default()
    };
    for size in huge_pages {
        if let Some(entry) = hugetlb(files, size)? {
            stats.hugetlb.insert(size.clone(), entry);
        }
    }
    Ok(stats)
}

/// From microseconds to nanoseconds.
fn cpu(files: &Files<'_>) -> Result<Cpu> {
    let stat = files.keyed("cpu.stat")?;
    let stat = |key: &str| stat.get(key).copied().unwrap_or(0);
    Ok(Cpu {
        usage: CpuUsage {
            total: stat("usage_usec") * 1000,
            kernel: stat("system_usec") * 1000,
            user: stat("user_usec") * 1000,
            ..CpuUsage::default()
        },
        throttling: Throttling {
            periods: stat("nr_periods"),
            throttled_periods: stat("nr_throttled"),
            throttled_time: stat("throttled_usec") * 1000,
        },
        psi: None,
    })
}

fn memory(files: &Files<'_>) -> Result<Memory> {
    let raw = files.keyed("memory.stat")?;
    let entry = |name: &str| {
        let number = |value: &str| files.number(&format!("memory.{name}{value}"));
        // The peak of memory since Linux 5.19.
        Ok(MemoryEntry { limit: number("max")?, usage: number("current")?, max: number("peak")?, failcnt: 0 })
    };
    let usage: MemoryEntry = entry("")?;
    let swap: MemoryEntry = entry("swap.")?;
    Ok(Memory {
        cache: raw.get("file").copied().unwrap_or(0),
        usage,
        // v1 counts memory in. Peaks cannot be added.
        swap: MemoryEntry {
            limit: swap.limit.saturating_add(usage.limit),
            usage: swap.usage + usage.usage,
            max: 0,
            failcnt: 0,
        },
        raw,
        ..Memory::default()
    })
}

/// Without the controller, the processes are counted.
fn pids(files: &Files<'_>) -> Result<Pids> {
    if files.text("pids.current")?.is_none() {
        let processes = files.text("cgroup.procs")?.unwrap_or_default().lines().count();
        return Ok(Pids { current: processes as u64, limit: 0 });
    }
    let limit = Some(files.number("pids.max")?).filter(|limit| *limit != u64::MAX);
    Ok(Pids { current: files.number("pids.current")?, limit: limit.unwrap_or(0) })
}

/// "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0". A device that was used by nobody here may
/// stand there without a number.
fn io(files: &Files<'_>) -> Result<Blkio> {
    let mut blkio = Blkio::default();
    let text = files.text("io.stat")?.unwrap_or_default();
    for line in text.lines() {
        add_device(&mut blkio, line).ok_or_else(|| {
            Error::new("unable to understand io.stat").because(format!("it has the line {line:?}"))
        })?;
    }
    Ok(blkio)
}

fn add_device(blkio: &mut Blkio, line: &str) -> Option<()> {
    let mut words = line.split_whitespace();
    // A device that has gone has lost its name.
    let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else {
        return Some(());
    };
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        let (list, op) = match key {
            "rbytes" => (&mut blkio.io_service_bytes_recursive, "Read"),
            "wbytes" => (&mut blkio.io_service_bytes_recursive, "Write"),
            "rios" => (&mut blkio.io_serviced_recursive, "Read"),
            "wios" => (&mut blkio.io_serviced_recursive, "Write"),
            _ => continue,
        };
        list.push(BlkioEntry { major, minor, op: op.to_owned(), value: value.parse().ok()? });
    }
    Some(())
}

/// Reservations, which count whatever may still be used, where the kernel has them (Linux 5.7).
fn hugetlb(files: &Files<'_>, size: &str) -> Result<Option<Hugetlb>> {
    for kind in [".rsvd", ""] {
        let current = format!("hugetlb.{size}{kind}.current");
        if files.text(&current)?.is_some() {
            let events = files.keyed(&format!("hugetlb.{size}.events"))?;
            let failcnt = events.get("max").copied().unwrap_or(0);
            return Ok(Some(Hugetlb { usage: files.number(&current)?, max: 0, failcnt }));
        }
    }
    Ok(None)
}
