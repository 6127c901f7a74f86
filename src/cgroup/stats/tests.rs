// SPDX-License-Identifier: Apache-2.0
//! File texts to statistics, no kernel needed.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

/// A cgroup of these files.
fn stats(files: &[(&str, &str)], read: fn(&Files<'_>, &[String]) -> Result<Stats>) -> Result<Stats> {
    let text = |name: &str| {
        let found = files.iter().find(|(file, _)| *file == name);
        found.map(|(_, text)| (*text).to_owned()).ok_or(Errno::ENOENT)
    };
    let mut stats = read(&Files(&text), &["2MB".to_owned(), "1GB".to_owned()])?;
    stats.add_pressure(&Files(&text))?;
    Ok(stats)
}

fn seen(files: &[(&str, &str)], read: fn(&Files<'_>, &[String]) -> Result<Stats>) -> Value {
    serde_json::to_value(stats(files, read).unwrap()).unwrap()
}

#[test]
fn v2_is_told_in_the_units_of_v1() {
    let files = [
        (
            "cpu.stat",
            "usage_usec 17\nuser_usec 9\nsystem_usec 8\nnice_usec 0\nnr_periods 3\nnr_throttled 2\nthrottled_usec 5\n",
        ),
        (
            "cpu.pressure",
            "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
        ),
        ("memory.stat", "anon 4096\nfile 8192\nkernel 100\n"),
        ("memory.current", "16384\n"),
        ("memory.max", "33554432\n"),
        ("memory.peak", "20480\n"),
        ("memory.swap.current", "4096\n"),
        ("memory.swap.max", "1048576\n"),
        ("memory.swap.peak", "8192\n"),
        ("pids.current", "2\n"),
        ("pids.max", "max\n"),
        ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0 \n(unknown) rbytes=1\n"),
        ("hugetlb.2MB.rsvd.current", "2097152\n"),
        ("hugetlb.2MB.current", "0\n"),
        ("hugetlb.2MB.events", "max 3\n"),
    ];
    let seen = seen(&files, v2::stats);
    let expected = json!({
        "cpu": {
            "usage": { "total": 17000, "kernel": 8000, "user": 9000 },
            "throttling": { "periods": 3, "throttledPeriods": 2, "throttledTime": 5000 },
            "psi": {
                "some": { "avg10": 1.5, "avg60": 0.25, "avg300": 0.0, "total": 77 },
                "full": { "avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total": 3 },
            },
        },
        "memory": {
            "cache": 8192,
            "usage": { "limit": 33_554_432, "usage": 16384, "max": 20480, "failcnt": 0 },
            "swap": { "limit": 34_603_008, "usage": 20480, "max": 0, "failcnt": 0 },
            "kernel": { "limit": 0, "usage": 0, "max": 0, "failcnt": 0 },
            "kernelTCP": { "limit": 0, "usage": 0, "max": 0, "failcnt": 0 },
            "raw": { "anon": 4096, "file": 8192, "kernel": 100 },
        },
        "pids": { "current": 2, "limit": 0 },
        "blkio": {
            "ioServiceBytesRecursive": [
                { "major": 8, "minor": 0, "op": "Read", "value": 1 },
                { "major": 8, "minor": 0, "op": "Write", "value": 2 },
            ],
            "ioServicedRecursive": [
                { "major": 8, "minor": 0, "op": "Read", "value": 3 },
                { "major": 8, "minor": 0, "op": "Write", "value": 4 },
            ],
        },
        "hugetlb": { "2MB": { "usage": 2_097_152, "max": 0, "failcnt": 3 } },
    });
    for (group, expected) in expected.as_object().unwrap() {
        assert_eq!(&seen[group], expected, "{group}");
    }
}

#[test]
fn v2_without_limits_or_controllers() {
    let unlimited = [
        ("memory.current", "16384\n"),
        ("memory.max", "max\n"),
        ("memory.swap.current", "0\n"),
        ("memory.swap.max", "1048576\n"),
    ];
    assert_eq!(seen(&unlimited, v2::stats)["memory"]["usage"]["limit"], u64::MAX);
    assert_eq!(seen(&unlimited, v2::stats)["memory"]["swap"]["limit"], u64::MAX, "no wrap");
    let bare = seen(&[("cgroup.procs", "1\n2\n3\n")], v2::stats);
    assert_eq!(bare["pids"], json!({ "current": 3, "limit": 0 }));
    assert!(bare["cpu"].get("psi").is_none() && bare["hugetlb"] == json!({}), "{bare}");
}

#[test]
fn v1_counts_cpu_time() {
    let files = [
        ("cpuacct.usage", "170\n"),
        ("cpuacct.usage_percpu", "100 70 \n"),
        ("cpuacct.usage_all", "cpu user system\n0 60 40\n1 50 20\n"),
        ("cpuacct.stat", "user 3\nsystem 2\n"),
        ("cpu.stat", "nr_periods 4\nnr_throttled 1\nthrottled_time 9\nwait_sum 3\n"),
        ("cpuset.cpus", "0-2,7\n"),
        ("cpuset.mems", "\n"),
        ("cpuset.sched_relax_domain_level", "-1\n"),
        ("cpuset.sched_load_balance", "1\n"),
    ];
    let seen = seen(&files, v1::stats);
    let usage = json!({
        "total": 170, "percpu": [100, 70], "percpu_kernel": [40, 20], "percpu_user": [60, 50],
        "kernel": 20_000_000, "user": 30_000_000,
    });
    let throttling = json!({ "periods": 4, "throttledPeriods": 1, "throttledTime": 9 });
    assert_eq!(seen["cpu"], json!({ "usage": usage, "throttling": throttling }));
    assert_eq!(seen["cpuset"]["cpus"], json!([0, 1, 2, 7]));
    assert_eq!(seen["cpuset"]["sched_relax_domain_level"], -1);
    assert!(seen["cpuset"].get("mems").is_none());
}

#[test]
fn v1_counts_memory_and_io() {
    let files = [
        ("memory.stat", "cache 12\nrss 4\n"),
        ("memory.usage_in_bytes", "16\n"),
        ("memory.limit_in_bytes", "9223372036854771712\n"),
        ("memory.max_usage_in_bytes", "20\n"),
        ("memory.failcnt", "1\n"),
        ("memory.memsw.usage_in_bytes", "18\n"),
        ("memory.kmem.tcp.limit_in_bytes", "5\n"),
        ("pids.current", "2\n"),
        ("pids.max", "23\n"),
        ("blkio.bfq.io_serviced_recursive", "Total 0\n"),
        ("blkio.throttle.io_serviced_recursive", "8:0 Read 3\n8:0 Total 3\nTotal 3\n"),
        ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 4096\nTotal 4096\n"),
        ("hugetlb.1GB.usage_in_bytes", "7\n"),
        ("hugetlb.1GB.max_usage_in_bytes", "8\n"),
        ("hugetlb.1GB.failcnt", "9\n"),
    ];
    let seen = seen(&files, v1::stats);
    assert_eq!(
        seen["memory"]["usage"],
        json!({ "limit": 9_223_372_036_854_771_712_u64, "usage": 16, "max": 20, "failcnt": 1 })
    );
    assert_eq!(
        (&seen["memory"]["swap"]["usage"], &seen["memory"]["kernelTCP"]["limit"]),
        (&json!(18), &json!(5))
    );
    assert_eq!(
        (&seen["memory"]["cache"], &seen["pids"]),
        (&json!(12), &json!({ "current": 2, "limit": 23 }))
    );
    assert_eq!(
        seen["blkio"],
        json!({
            "ioServicedRecursive": [
                { "major": 8, "minor": 0, "op": "Read", "value": 3 },
                { "major": 8, "minor": 0, "op": "Total", "value": 3 },
            ],
            "ioServiceBytesRecursive": [{ "major": 8, "minor": 0, "op": "Read", "value": 4096 }],
        })
    );
    assert_eq!(seen["hugetlb"], json!({ "1GB": { "usage": 7, "max": 8, "failcnt": 9 } }));
}

#[test]
fn what_is_not_understood_is_told() {
    for file in ["memory.current", "cpu.stat", "io.stat", "cpu.pressure", "pids.max"] {
        let text = if file == "cpu.pressure" { "some avg10\n" } else { "8:0 rbytes=x y\n" };
        let error = stats(&[(file, text), ("pids.current", "1\n")], v2::stats).unwrap_err().to_string();
        assert!(error.contains(file), "{error}");
    }
}

#[test]
fn page_sizes_are_named_as_the_controller_does() {
    for (directory, size) in
        [("hugepages-64kB", "64KB"), ("hugepages-2048kB", "2MB"), ("hugepages-1048576kB", "1GB")]
    {
        assert_eq!(page_size(directory).as_deref(), Some(size));
    }
    assert_eq!(page_size("other"), None);
}
