// SPDX-License-Identifier: Apache-2.0
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

fn host(version: Version, hierarchies: &[(&str, &str, &str)]) -> Cgroups {
    let hierarchies = hierarchies.iter().map(|(controllers, mount, own)| Hierarchy {
        controllers: (*controllers).to_owned(),
        mount: (*mount).to_owned(),
        own: (*own).to_owned(),
    });
    Cgroups { version, hierarchies: hierarchies.collect(), available: Vec::new() }
}

fn spec(linux: Value) -> Spec {
    let config = json!({ "ociVersion": "1.2.0", "root": { "path": "rootfs" }, "linux": linux });
    serde_json::from_value(config).unwrap()
}

/// "controller file=value pointer", with marks for what may fail.
fn writes(version: Version, resources: Value) -> Vec<String> {
    let resources = serde_json::from_value(resources).unwrap();
    let limits = limits(Some(&resources), version).unwrap();
    let show = |write: &Write| {
        let place = write.place.strip_prefix("/linux/resources/").unwrap();
        let mut line = format!("{} {}={} {place}", write.controller, write.file, write.value);
        if write.stage == Stage::Make {
            line += " make";
        }
        match &write.missing {
            Missing::Fatal => {}
            Missing::Skip => line += " skip",
            Missing::Instead { file, value } => line += &format!(" or {file}={value}"),
        }
        if write.invalid == Invalid::Defer {
            line += " defer";
        }
        line
    };
    limits.writes.iter().map(show).collect()
}

fn refusal(version: Version, resources: Value) -> String {
    let resources = serde_json::from_value(resources).unwrap();
    limits(Some(&resources), version).unwrap_err().to_string()
}

/// Version, hierarchies, cgroupsPath, the paths it stands for.
type PathCase<'a> = (Version, &'a [(&'a str, &'a str, &'a str)], &'a str, &'a [&'a str]);

#[test]
fn paths_follow_the_hierarchy_and_never_leave_it() {
    let v1 = [("devices", "/d", "/"), ("memory", "/m", "/own/x"), ("name=systemd", "/s", "/user")];
    let hybrid = [("devices", "/d", "/own"), ("", "/u", "/own")];
    let v2 = [("", "/u", "/user.slice/session.scope")];
    let cases: &[PathCase] = &[
        (Version::V1, &v1, "", &["/d/c1", "/m/own/x/c1", "/s/user/c1"]),
        (Version::V1, &v1, "/a/b", &["/d/a/b", "/m/a/b", "/s/a/b"]),
        (Version::V1, &v1, "a/b", &["/d/a/b", "/m/own/x/a/b", "/s/user/a/b"]),
        (Version::V1, &v1, "/../../a//./b/", &["/d/a/b", "/m/a/b", "/s/a/b"]),
        (Version::V1, &v1, "../../../a", &["/d/a", "/m/own/x/a", "/s/user/a"]),
        (Version::V1, &v1, "a/../../b", &["/d/b", "/m/own/x/b", "/s/user/b"]),
        (Version::Hybrid, &hybrid, "", &["/u/c1", "/d/own/c1"]),
        (Version::Hybrid, &hybrid, "/k", &["/u/k", "/d/k"]),
        (Version::V2, &v2, "", &["/u/user.slice/c1"]),
        (Version::V2, &v2, "x", &["/u/user.slice/x"]),
        (Version::V2, &v2, "/kubepods/x", &["/u/kubepods/x"]),
        (Version::V2, &[("", "/u", "/")], "", &["/u/c1"]),
        (Version::V2, &[("", "/u", "/../up")], "", &["/u/c1"]),
        (Version::V2, &v2, "system.slice:tare:c1", &["/u/user.slice/system.slice:tare:c1"]),
    ];
    for (version, hierarchies, path, expected) in cases {
        let spec = spec(json!({ "cgroupsPath": path }));
        let plan = plan(&spec, "c1", &host(*version, hierarchies), false, None).unwrap();
        assert_eq!(plan.paths().into_values().collect::<Vec<_>>(), *expected, "{version:?} {path:?}");
        assert_eq!(plan.is_v2(), *version == Version::V2);
    }
    for path in ["/", "/..", "..", ".", "a/..", "//"] {
        let spec = spec(json!({ "cgroupsPath": path }));
        let error = plan(&spec, "c1", &host(Version::V1, &v1), false, None).unwrap_err().to_string();
        assert!(error.contains("(config.json: /linux/cgroupsPath)"), "{path}: {error}");
    }
    assert!(
        plan(&spec(json!({ "cgroupsPath": "a\u{0}b" })), "c1", &host(Version::V1, &v1), false, None).is_err()
    );
}

#[test]
fn a_missing_controller_is_an_error_only_when_it_is_needed() {
    let limited = spec(json!({ "resources": { "pids": { "limit": 5 } } }));
    let devices = host(Version::V1, &[("devices", "/d", "/")]);
    let error = plan(&limited, "c1", &devices, false, None).unwrap_err().to_string();
    let expected = "cannot set pids limit: container could not join or create cgroup (config.json: \
                    /linux/resources/pids/limit)";
    assert_eq!(error, expected);
    assert!(plan(&spec(json!({})), "c1", &devices, false, None).is_ok());
    let error =
        plan(&spec(json!({})), "c1", &host(Version::V1, &[("pids", "/p", "/")]), false, None).unwrap_err();
    assert!(error.to_string().contains("mountpoint for devices not found"), "{error}");
}

#[test]
fn a_rootless_caller_may_do_without_a_cgroup_unless_it_names_one() {
    let host = host(Version::V2, &[("", "/u", "/a/b")]);
    let plan = |linux| super::plan(&spec(linux), "c1", &host, true, None).unwrap();
    assert!(plan(json!({})).optional);
    assert!(!plan(json!({ "cgroupsPath": "x" })).optional);
    assert!(plan(json!({ "cgroupsPath": "x" })).limits.devices_optional);
}

fn everything() -> Value {
    json!({
        "memory": { "limit": 1000, "reservation": 500, "swap": 1500, "kernel": 7, "kernelTCP": 7,
            "swappiness": 60, "disableOOMKiller": true, "checkBeforeUpdate": true },
        "cpu": { "shares": 1024, "quota": 5000, "period": 10000, "burst": 0, "idle": 0,
            "realtimeRuntime": 900, "realtimePeriod": 1000, "cpus": "0-1", "mems": "0" },
        "pids": { "limit": 9 },
        "blockIO": { "weight": 100, "leafWeight": 20,
            "weightDevice": [{ "major": 8, "minor": 0, "weight": 500, "leafWeight": 300 }],
            "throttleReadBpsDevice": [{ "major": 8, "minor": 0, "rate": 11 }],
            "throttleWriteBpsDevice": [{ "major": 8, "minor": 1, "rate": 0 }],
            "throttleReadIOPSDevice": [{ "major": 8, "minor": 2, "rate": 13 }],
            "throttleWriteIOPSDevice": [{ "major": 8, "minor": 3, "rate": 14 }] },
        "hugepageLimits": [{ "pageSize": "2MB", "limit": 4096 }],
        "network": { "classID": 0x100001, "priorities": [{ "name": "eth0", "priority": 3 }] },
        "rdma": { "mlx5_1": { "hcaHandles": 3, "hcaObjects": 10000 }, "a": { "hcaObjects": 1 } },
    })
}

#[test]
fn every_resource_as_v1_files() {
    let expected = [
        "cpuset cpuset.cpus=0-1 cpu/cpus make",
        "cpuset cpuset.mems=0 cpu/mems make",
        "memory memory.limit_in_bytes=1000 memory/limit defer",
        "memory memory.memsw.limit_in_bytes=1500 memory/swap",
        "memory memory.soft_limit_in_bytes=500 memory/reservation",
        "memory memory.oom_control=1 memory/disableOOMKiller",
        "memory memory.swappiness=60 memory/swappiness",
        "cpu cpu.rt_period_us=1000 cpu/realtimePeriod make defer",
        "cpu cpu.rt_runtime_us=900 cpu/realtimeRuntime make",
        "cpu cpu.shares=1024 cpu/shares defer",
        "cpu cpu.idle=0 cpu/idle",
        "cpu cpu.cfs_period_us=10000 cpu/period defer",
        "cpu cpu.cfs_burst_us=0 cpu/burst skip defer",
        "cpu cpu.cfs_quota_us=5000 cpu/quota",
        "pids pids.max=9 pids/limit",
        "blkio blkio.weight=100 blockIO/weight or blkio.bfq.weight=100",
        "blkio blkio.leaf_weight=20 blockIO/leafWeight",
        "blkio blkio.weight_device=8:0 500 blockIO/weightDevice/0/weight or blkio.bfq.weight_device=8:0 500",
        "blkio blkio.leaf_weight_device=8:0 300 blockIO/weightDevice/0/leafWeight",
        "blkio blkio.throttle.read_bps_device=8:0 11 blockIO/throttleReadBpsDevice/0/rate",
        "blkio blkio.throttle.write_bps_device=8:1 0 blockIO/throttleWriteBpsDevice/0/rate",
        "blkio blkio.throttle.read_iops_device=8:2 13 blockIO/throttleReadIOPSDevice/0/rate",
        "blkio blkio.throttle.write_iops_device=8:3 14 blockIO/throttleWriteIOPSDevice/0/rate",
        "hugetlb hugetlb.2MB.limit_in_bytes=4096 hugepageLimits/0/limit",
        "hugetlb hugetlb.2MB.rsvd.limit_in_bytes=4096 hugepageLimits/0/limit skip",
        "net_cls net_cls.classid=1048577 network/classID",
        "net_prio net_prio.ifpriomap=eth0 3 network/priorities/0",
        "rdma rdma.max=a hca_object=1 rdma/a",
        "rdma rdma.max=mlx5_1 hca_handle=3 hca_object=10000 rdma/mlx5_1",
    ];
    assert_eq!(writes(Version::V1, everything()), expected);
    assert_eq!(writes(Version::Hybrid, everything()), expected);
}

#[test]
fn every_resource_as_v2_files() {
    let mut resources = everything();
    resources["unified"] = json!({ "io.max": "8:0 rbps=1\n8:1 rbps=2\n", "cpu.weight": "5" });
    let expected = [
        "pids pids.max=9 pids/limit",
        "memory memory.swap.max=500 memory/swap",
        "memory memory.max=1000 memory/limit",
        "memory memory.low=500 memory/reservation",
        "io io.bfq.weight=100 blockIO/weight or io.weight=910",
        "io io.bfq.weight=8:0 500 blockIO/weightDevice/0/weight skip",
        "io io.max=8:0 rbps=11 blockIO/throttleReadBpsDevice/0/rate",
        "io io.max=8:1 wbps=max blockIO/throttleWriteBpsDevice/0/rate",
        "io io.max=8:2 riops=13 blockIO/throttleReadIOPSDevice/0/rate",
        "io io.max=8:3 wiops=14 blockIO/throttleWriteIOPSDevice/0/rate",
        "cpu cpu.idle=0 cpu/idle",
        "cpu cpu.weight=100 cpu/shares",
        "cpu cpu.max.burst=0 cpu/burst defer",
        "cpu cpu.max=5000 10000 cpu/quota",
        "cpuset cpuset.cpus=0-1 cpu/cpus",
        "cpuset cpuset.mems=0 cpu/mems",
        "hugetlb hugetlb.2MB.max=4096 hugepageLimits/0/limit",
        "hugetlb hugetlb.2MB.rsvd.max=4096 hugepageLimits/0/limit skip",
        "rdma rdma.max=a hca_object=1 rdma/a",
        "rdma rdma.max=mlx5_1 hca_handle=3 hca_object=10000 rdma/mlx5_1",
        "cpu cpu.weight=5 unified/cpu.weight",
        "io io.max=8:0 rbps=1 unified/io.max",
        "io io.max=8:1 rbps=2 unified/io.max",
    ];
    assert_eq!(writes(Version::V2, resources.clone()), expected);
    let limits = limits(Some(&serde_json::from_value(resources).unwrap()), Version::V2).unwrap();
    assert_eq!(limits.usage, Some(UsageCheck { limit: 1000, swap: 1500 }));
}

#[test]
fn values_that_need_a_conversion() {
    let cases = [
        (
            Version::V1,
            json!({ "memory": { "limit": -1 } }),
            "memory.limit_in_bytes=-1 memory.memsw.limit_in_bytes=-1",
        ),
        (Version::V1, json!({ "memory": { "limit": 0, "swap": 0 } }), ""),
        (Version::V1, json!({ "memory": { "swap": -1 } }), "memory.memsw.limit_in_bytes=-1"),
        (Version::V1, json!({ "cpu": { "shares": 0, "quota": -1, "period": 0 } }), "cpu.cfs_quota_us=-1"),
        (Version::V1, json!({ "pids": { "limit": 0 } }), "pids.max=1"),
        (Version::V1, json!({ "pids": { "limit": -7 } }), "pids.max=max"),
        (Version::V1, json!({ "memory": { "disableOOMKiller": false } }), ""),
        (Version::V2, json!({ "memory": { "limit": -1 } }), "memory.swap.max=max memory.max=max"),
        (Version::V2, json!({ "memory": { "limit": -1, "swap": 5 } }), "memory.swap.max=5 memory.max=max"),
        (Version::V2, json!({ "memory": { "limit": 5, "swap": 5 } }), "memory.swap.max=0 memory.max=5"),
        (Version::V2, json!({ "memory": { "limit": 5, "swap": -1 } }), "memory.swap.max=max memory.max=5"),
        (Version::V2, json!({ "memory": { "limit": 5 } }), "memory.max=5"),
        (Version::V2, json!({ "cpu": { "quota": -1 } }), "cpu.max=max 100000"),
        (Version::V2, json!({ "cpu": { "period": 7000 } }), "cpu.max=max 7000"),
        (Version::V2, json!({ "cpu": { "quota": 9, "period": 0 } }), "cpu.max=9 100000"),
        (Version::V2, json!({ "cpu": { "realtimeRuntime": 9 } }), ""),
    ];
    for (version, resources, expected) in cases {
        let files: Vec<_> = writes(version, resources.clone())
            .iter()
            .map(|line| {
                let assignment = line.split_once(' ').unwrap().1;
                // Up to the pointer, which is the first word with a slash in it.
                assignment.split(' ').take_while(|word| !word.contains('/')).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(files.join(" "), expected, "{version:?} {resources}");
    }
}

/// The ends and the default are fixed points of the formula; the rest was computed apart from this code.
#[test]
fn shares_become_weights_by_the_newer_formula() {
    let pairs = [
        (1, 1),
        (2, 1),
        (3, 2),
        (1023, 100),
        (1024, 100),
        (1025, 101),
        (4096, 303),
        (262_143, 10_000),
        (262_144, 10_000),
        (u64::MAX, 10_000),
    ];
    for (shares, weight) in pairs {
        let expected = format!("cpu cpu.weight={weight} cpu/shares");
        assert_eq!(writes(Version::V2, json!({ "cpu": { "shares": shares } })), [expected], "{shares}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn invalid_values_name_their_field() {
    let page = |size: &str| json!({ "hugepageLimits": [{ "pageSize": size, "limit": 1 }] });
    let cases = [
        (
            Version::V1,
            json!({ "unified": { "cpu.weight": "1" } }),
            "cannot use unified on cgroup v1",
            "unified",
        ),
        (
            Version::V1,
            json!({ "memory": { "swappiness": 101 } }),
            "invalid memory swappiness value: 101",
            "memory/swappiness",
        ),
        (
            Version::V1,
            json!({ "memory": { "limit": 2, "swap": 1 } }),
            "memory+swap limit should be >= memory limit",
            "memory/swap",
        ),
        (Version::V1, json!({ "memory": { "limit": -2 } }), "invalid memory value: -2", "memory/limit"),
        (Version::V1, json!({ "cpu": { "shares": 1 } }), "minimum allowed cpu-shares is 2", "cpu/shares"),
        (
            Version::V1,
            json!({ "cpu": { "shares": 262_145 } }),
            "maximum allowed cpu-shares is 262144",
            "cpu/shares",
        ),
        (Version::V1, page("../../x"), "invalid hugepage size \"../../x\"", "hugepageLimits/0/pageSize"),
        (Version::V1, page("2M"), "invalid hugepage size", "hugepageLimits/0/pageSize"),
        (Version::V2, page("MB"), "invalid hugepage size", "hugepageLimits/0/pageSize"),
        (Version::V2, page("02MB"), "invalid hugepage size", "hugepageLimits/0/pageSize"),
        (
            Version::V1,
            json!({ "network": { "priorities": [{ "name": "a b", "priority": 1 }] } }),
            "invalid name of a network interface",
            "network/priorities/0",
        ),
        (Version::V2, json!({ "rdma": { "": {} } }), "invalid name of a RDMA device", "rdma/"),
        (
            Version::V2,
            json!({ "memory": { "swap": 1 } }),
            "unable to set swap limit without memory limit",
            "memory/swap",
        ),
        (
            Version::V2,
            json!({ "memory": { "limit": 2, "swap": 1 } }),
            "memory+swap limit should be >= memory limit",
            "memory/swap",
        ),
        (
            Version::V2,
            json!({ "unified": { "../x": "1" } }),
            "must be a file name (no slashes)",
            "unified/..~1x",
        ),
        (
            Version::V2,
            json!({ "unified": { "a/b": "1" } }),
            "must be a file name (no slashes)",
            "unified/a~1b",
        ),
        (Version::V2, json!({ "unified": { "a.b": "1\u{0}2" } }), "must not have a NUL byte", "unified/a.b"),
        (
            Version::V2,
            json!({ "unified": { "tasks": "1" } }),
            "must be in the form CONTROLLER.PARAMETER",
            "unified/tasks",
        ),
        (
            Version::V2,
            json!({ "unified": { "..": "1" } }),
            "must be in the form CONTROLLER.PARAMETER",
            "unified/..",
        ),
        (
            Version::V1,
            json!({ "devices": [{ "allow": true }] }),
            "invalid device access \"\"",
            "devices/0/access",
        ),
        (
            Version::V1,
            json!({ "devices": [{ "allow": true, "access": "x" }] }),
            "invalid device access \"x\"",
            "devices/0/access",
        ),
        (
            Version::V1,
            json!({ "devices": [{ "allow": true, "access": "a" }] }),
            "invalid device access \"a\"",
            "devices/0/access",
        ),
        (
            Version::V1,
            json!({ "devices": [{ "allow": true, "type": "p", "access": "r" }] }),
            "invalid cgroup device type \"p\"",
            "devices/0/type",
        ),
        (
            Version::V1,
            json!({ "devices": [{ "allow": true, "type": "c", "major": -2, "access": "r" }] }),
            "invalid major number",
            "devices/0/major",
        ),
        (
            Version::V1,
            json!({ "devices": [{ "allow": true, "type": "c", "minor": 4_294_967_296i64, "access": "r" }] }),
            "invalid minor number",
            "devices/0/minor",
        ),
    ];
    for (version, resources, words, place) in cases {
        let error = refusal(version, resources);
        assert!(error.contains(words), "{words}: {error}");
        assert!(error.contains(&format!("(config.json: /linux/resources/{place})")), "{place}: {error}");
    }
}
