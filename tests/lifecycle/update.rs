// SPDX-License-Identifier: Apache-2.0
//! Limits of a live container, in the files of whatever hierarchy the machine has.
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Container, Output, cgroup_mounts, finish};

/// A container with limits from the start.
pub(super) fn limited() -> Container {
    let c = Container::new()
        .set("/linux/resources/memory", json!({ "limit": 32 << 20, "reservation": 24 << 20 }))
        .set("/linux/resources/cpu", json!({ "shares": 100, "quota": 500_000, "period": 1_000_000 }))
        .set("/linux/resources/pids", json!({ "limit": 20 }));
    c.up()
}

/// The file that holds a value on v1 (controller and name) or on v2; none where that controller is off.
pub(super) fn file(c: &Container, (controller, v1): (&str, &str), v2: &str) -> Option<PathBuf> {
    let path = match c.cgroup(controller) {
        Some(dir) => dir.join(v1),
        None => {
            let own = fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
            let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
            cgroup_mounts().find(|mount| mount.fs == "cgroup2")?.at.join(own).join(v2)
        }
    };
    if path.exists() {
        return Some(path);
    }
    eprintln!("not looked at: no {} here", path.display());
    None
}

/// The file shows one of two values, that of v1 or that of v2.
#[track_caller]
pub(super) fn shows(c: &Container, v1: (&str, &str, &str), v2: (&str, &str)) {
    if let Some(path) = file(c, (v1.0, v1.1), v2.0) {
        let expected = if path.ends_with(v1.1) && c.cgroup(v1.0).is_some() { v1.2 } else { v2.1 };
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), expected, "{}", path.display());
    }
}

#[track_caller]
fn memory(c: &Container, limit: &str) {
    shows(c, ("memory", "memory.limit_in_bytes", limit), ("memory.max", limit));
}

#[track_caller]
fn quota(c: &Container, quota: &str, period: &str) {
    let max = if quota == "-1" { "max" } else { quota };
    shows(c, ("cpu", "cpu.cfs_quota_us", quota), ("cpu.max", &format!("{max} {period}")));
    shows(c, ("cpu", "cpu.cfs_period_us", period), ("cpu.max", &format!("{max} {period}")));
}

#[track_caller]
fn pids(c: &Container, limit: &str) {
    shows(c, ("pids", "pids.max", limit), ("pids.max", limit));
}

#[track_caller]
pub(super) fn update(c: &Container, flags: &[&str]) -> Output {
    finish(c.on("update", flags))
}

/// `update --resources - ID`, with this on standard input.
#[track_caller]
pub(super) fn resources(c: &Container, text: &str) -> Output {
    let path = c.path("resources.json");
    fs::write(&path, text).unwrap();
    let mut cmd: Command = c.on("update", &["--resources=-"]);
    cmd.stdin(Stdio::from(fs::File::open(path).unwrap()));
    finish(cmd)
}

#[test]
fn each_flag_is_in_force() {
    let c = limited();
    update(&c, &["--memory", "64m", "--memory-reservation=48M"]).ok();
    memory(&c, "67108864");
    let (v1, v2) = (("memory", "memory.soft_limit_in_bytes", "50331648"), ("memory.low", "50331648"));
    shows(&c, v1, v2);
    update(&c, &["--memory-swap", "96m"]).ok();
    let swap = ("memory", "memory.memsw.limit_in_bytes", "100663296");
    shows(&c, swap, ("memory.swap.max", "33554432"));
    update(&c, &["--pids-limit", "10", "--cpu-share", "1024"]).ok();
    pids(&c, "10");
    update(&c, &["--pids-limit", "-1"]).ok();
    pids(&c, "max");
    shows(&c, ("cpu", "cpu.shares", "1024"), ("cpu.weight", "100"));
    update(&c, &["--cpuset-cpus", "0", "--cpuset-mems", "0"]).ok();
    shows(&c, ("cpuset", "cpuset.cpus", "0"), ("cpuset.cpus", "0"));
}

#[test]
fn idle_and_burst() {
    crate::harness::only_tare!("runc 1.1 has no such flags");
    let c = limited();
    update(&c, &["--cpu-quota", "500000", "--cpu-burst", "400000"]).ok();
    shows(&c, ("cpu", "cpu.cfs_burst_us", "400000"), ("cpu.max.burst", "400000"));
    update(&c, &["--cpu-period", "900000", "--cpu-burst", "0"]).ok();
    shows(&c, ("cpu", "cpu.cfs_burst_us", "0"), ("cpu.max.burst", "0"));
    update(&c, &["--cpu-idle", "1"]).ok();
    // The period is written, the weight that the config has is not: an idle cgroup would refuse it.
    update(&c, &["--cpu-period", "800000"]).ok();
    shows(&c, ("cpu", "cpu.idle", "1"), ("cpu.idle", "1"));
    update(&c, &["--cpu-idle", "2"]).fails(1, "cpu.idle");
    shows(&c, ("cpu", "cpu.idle", "1"), ("cpu.idle", "1"));
    update(&c, &["--cpu-idle", "0", "--cpu-share", "1024"]).ok();
    shows(&c, ("cpu", "cpu.shares", "1024"), ("cpu.weight", "100"));
}

#[test]
fn quota_and_period_keep_each_other() {
    let c = limited();
    update(&c, &["--cpu-period", "900000"]).ok();
    quota(&c, "500000", "900000");
    update(&c, &["--cpu-quota", "600000"]).ok();
    quota(&c, "600000", "900000");
    update(&c, &["--cpu-quota", "-1"]).ok();
    quota(&c, "-1", "900000");
    update(&c, &["--cpu-quota", "-1", "--cpu-period", "100000"]).ok();
    quota(&c, "-1", "100000");
}

/// The kernel of v1 wants memory+swap never below memory, at any moment.
#[test]
fn memory_and_swap_grow_and_shrink_together() {
    let c = limited();
    for (memory, swap, v2) in [("30m", "50m", "20971520"), ("60m", "80m", "20971520"), ("20m", "20m", "0")] {
        update(&c, &["--memory", memory, "--memory-swap", swap]).ok();
        let bytes = |text: &str| (text.trim_end_matches('m').parse::<u64>().unwrap() << 20).to_string();
        self::memory(&c, &bytes(memory));
        let swap = ("memory", "memory.memsw.limit_in_bytes", &*bytes(swap));
        shows(&c, swap, ("memory.swap.max", v2));
    }
}

#[test]
fn no_limit_on_memory_is_none_on_swap() {
    let c = limited();
    update(&c, &["--memory", "30m", "--memory-swap", "50m"]).ok();
    update(&c, &["--memory", "-1"]).ok();
    let none = "9223372036854771712";
    shows(&c, ("memory", "memory.limit_in_bytes", none), ("memory.max", "max"));
    shows(&c, ("memory", "memory.memsw.limit_in_bytes", none), ("memory.swap.max", "max"));
}

/// containerd and Docker: `update --resources=- ID`.
#[test]
fn resources_come_as_json() {
    let c = limited();
    let text = json!({
        "memory": { "limit": 64 << 20 },
        "cpu": { "quota": 600_000, "period": 900_000, "cpus": "0" },
        "pids": { "limit": 10 },
    });
    resources(&c, &text.to_string()).ok();
    memory(&c, "67108864");
    quota(&c, "600000", "900000");
    pids(&c, "10");
    fs::write(c.path("update.json"), json!({ "pids": { "limit": 12 } }).to_string()).unwrap();
    update(&c, &["-r", "update.json"]).ok();
    pids(&c, "12");
    memory(&c, "67108864");
    resources(&c, "{").fails(1, "");
    update(&c, &["-r", "nosuch.json"]).fails(1, "no such file or directory");
}

#[test]
fn what_was_in_force_is_put_back() {
    let c = limited();
    let flags = ["--memory", "64m", "--pids-limit", "10", "--cpu-quota", "300000", "--cpuset-cpus", "4000"];
    update(&c, &flags).fails(1, "cpuset.cpus");
    memory(&c, "33554432");
    pids(&c, "20");
    quota(&c, "500000", "1000000");
    // And the next one goes on from there.
    update(&c, &["--cpu-period", "900000"]).ok();
    quota(&c, "500000", "900000");
    pids(&c, "20");
}

#[test]
fn created_and_paused_containers_too() {
    let c = Container::new().args(&["sleep", "1000"]);
    c.create(&[]).ok();
    update(&c, &["--pids-limit", "30"]).ok();
    pids(&c, "30");
    c.start().ok();
    finish(c.on("pause", &[])).ok();
    update(&c, &["--pids-limit", "31"]).ok();
    pids(&c, "31");
    assert_eq!(c.status(), "paused");
    finish(c.on("resume", &[])).ok();
}

#[test]
fn who_does_not_run_has_no_limits() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    update(&c, &["--pids-limit", "30"]).fails(1, "container not running");
    c.cmd(&["update", "--pids-limit", "30", "nosuch"]).fails(1, "does not exist");
}

#[test]
fn values_that_are_none() {
    let c = limited();
    for (flag, value) in [("--memory", "10x"), ("--cpu-share", "-1"), ("--cpu-quota", "much")] {
        update(&c, &[flag, value]).fails(1, &format!("invalid value for {}", &flag[2..]));
    }
    update(&c, &["--pids-limit"]).code(1);
    update(&c, &["--l3-cache-schema", "L3:0=f"]).code(1);
    memory(&c, "33554432");
}

/// They were limits once; whoever still gives them is told and served.
#[test]
fn obsolete_flags_are_taken() {
    let c = limited();
    let out = update(&c, &["--kernel-memory", "10m", "--kernel-memory-tcp=-1", "--pids-limit", "7"]).ok();
    assert!(out.stderr().contains("Kernel memory settings are ignored"), "{}", out.stderr());
    pids(&c, "7");
}

/// What others have written meanwhile is theirs: only what is asked for is written.
#[test]
fn others_write_too() {
    crate::harness::only_tare!("runc writes all of its old values again");
    let c = limited();
    let Some(path) = file(&c, ("memory", "memory.soft_limit_in_bytes"), "memory.low") else { return };
    fs::write(&path, "20971520").unwrap();
    update(&c, &["--pids-limit", "7"]).ok();
    assert_eq!(fs::read_to_string(&path).unwrap().trim(), "20971520");
}
