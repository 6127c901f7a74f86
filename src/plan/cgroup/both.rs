// SPDX-License-Identifier: Apache-2.0
//! The resources that v1 and v2 take alike, or nearly so.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

use super::Write;
use crate::error::{Error, Result};

pub(super) fn cpuset(cpu: &LinuxCpu, out: &mut Vec<Write>) -> Result<()> {
    for (name, list) in [("cpus", cpu.cpus()), ("mems", cpu.mems())] {
        if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
            let place = format!("/linux/resources/cpu/{name}");
            // The kernel would read as far as a NUL, and take that for the whole list.
            crate::spec::c_string(list, || place.clone())?;
            out.push(Write::new("cpuset", &format!("cpuset.{name}"), list, place));
        }
    }
    Ok(())
}

/// What no kernel would take.
pub(super) fn check_memory(memory: &LinuxMemory) -> Result<()> {
    let fields = [("limit", memory.limit()), ("reservation", memory.reservation()), ("swap", memory.swap())];
    for (field, value) in fields {
        if let Some(value) = value.filter(|value| *value < -1) {
            let error = Error::new(format!("invalid memory value: {value}"));
            return Err(error.at(format!("/linux/resources/memory/{field}")));
        }
    }
    match (memory.limit(), memory.swap()) {
        (Some(limit), Some(swap)) if limit > 0 && swap > 0 && swap < limit => {
            let error = Error::new("memory+swap limit should be >= memory limit");
            Err(error.at("/linux/resources/memory/swap"))
        }
        _ => Ok(()),
    }
}

pub(super) fn pids(resources: &LinuxResources, out: &mut Vec<Write>) {
    let Some(pids) = resources.pids() else { return };
    let value = match pids.limit() {
        // systemd cannot set 0, and both drivers are to do the same; 1 lets no more fork than 0 does.
        0 => "1".to_owned(),
        limit if limit < 0 => "max".to_owned(),
        limit => limit.to_string(),
    };
    out.push(Write::new("pids", "pids.max", value, "/linux/resources/pids/limit"));
}

/// One of the four lists of rates.
pub(super) struct Throttle<'a> {
    pub(super) field: &'static str,
    pub(super) v1_file: &'static str,
    pub(super) v2_key: &'static str,
    pub(super) devices: &'a [LinuxThrottleDevice],
}

pub(super) fn throttles(io: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    let lists = [
        ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps", io.throttle_read_bps_device()),
        ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps", io.throttle_write_bps_device()),
        (
            "throttleReadIOPSDevice",
            "blkio.throttle.read_iops_device",
            "riops",
            io.throttle_read_iops_device(),
        ),
        (
            "throttleWriteIOPSDevice",
            "blkio.throttle.write_iops_device",
            "wiops",
            io.throttle_write_iops_device(),
        ),
    ];
    lists.map(|(field, v1_file, v2_key, devices)| Throttle {
        field,
        v1_file,
        v2_key,
        devices: devices.as_deref().unwrap_or_default(),
    })
}

/// The files are called alike but for the end of their names.
pub(super) fn hugetlb(resources: &LinuxResources, suffix: &str, out: &mut Vec<Write>) -> Result<()> {
    for (i, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
        let (size, value) = (limit.page_size(), limit.limit());
        if !is_page_size(size) {
            let error = Error::new(format!("invalid hugepage size {size:?}"));
            let error = error.at(format!("/linux/resources/hugepageLimits/{i}/pageSize"));
            return Err(error.because("it must be like 64KB, 2MB or 1GB"));
        }
        let place = format!("/linux/resources/hugepageLimits/{i}/limit");
        out.push(Write::new("hugetlb", &format!("hugetlb.{size}.{suffix}"), value, &*place));
        // Reservations are limited apart from use since Linux 5.7.
        let write = Write::new("hugetlb", &format!("hugetlb.{size}.rsvd.{suffix}"), value, place);
        out.push(write.skip_if_missing(true));
    }
    Ok(())
}

fn is_page_size(size: &str) -> bool {
    let number = ["KB", "MB", "GB"].iter().find_map(|unit| size.strip_suffix(unit));
    number.is_some_and(|n| !n.is_empty() && !n.starts_with('0') && n.bytes().all(|b| b.is_ascii_digit()))
}

pub(super) fn rdma(resources: &LinuxResources, out: &mut Vec<Write>) -> Result<()> {
    let mut devices: Vec<_> = resources.rdma().iter().flatten().collect();
    devices.sort_by_key(|(name, _)| *name);
    for (name, limit) in devices {
        let place = format!("/linux/resources/rdma/{}", crate::spec::key(name));
        let mut value = one_word(name, "RDMA device", &place)?.to_owned();
        for (key, max) in [("hca_handle", limit.hca_handles()), ("hca_object", limit.hca_objects())] {
            if let Some(max) = max {
                value += &format!(" {key}={max}");
            }
        }
        out.push(Write::new("rdma", "rdma.max", value, place));
    }
    Ok(())
}

/// A name that goes into a line of words must be one.
pub(super) fn one_word<'a>(name: &'a str, what: &str, place: &str) -> Result<&'a str> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Error::new(format!("invalid name of a {what}: {name:?}")).at(place));
    }
    Ok(name)
}
