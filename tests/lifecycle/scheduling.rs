// SPDX-License-Identifier: Apache-2.0
//! How the kernel schedules the process and its memory: read back from the host's /proc and by system calls.
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, cgroup_mounts, only_tare};

/// The fields of /proc/PID/stat from the third on, numbered as in proc(5).
fn stat(pid: i32, field: usize) -> i64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(field - 3).unwrap().parse().unwrap()
}

const NICE: usize = 19;
const RT_PRIORITY: usize = 40;
const POLICY: usize = 41;

fn scheduled(scheduler: Value) -> Container {
    Container::new().set("/process/scheduler", scheduler)
}

/// With RT_GROUP_SCHED that of a new v1 cpu cgroup is 0, and no process in it can be of a realtime policy.
fn with_realtime_share(c: Container) -> Container {
    match cgroup_mounts().any(|mount| mount.at.join("cpu.rt_runtime_us").exists()) {
        true => c.set("/linux/resources/cpu", json!({ "realtimeRuntime": 1000 })),
        false => c,
    }
}

#[test]
fn policies() {
    only_tare!("runc 1.1 has no scheduler");
    for (scheduler, policy, priority, nice) in [
        (json!({ "policy": "SCHED_OTHER", "nice": 7 }), 0, 0, 7),
        (json!({ "policy": "SCHED_BATCH", "nice": -3 }), 3, 0, -3),
        (json!({ "policy": "SCHED_IDLE" }), 5, 0, 0),
        (json!({ "policy": "SCHED_FIFO", "priority": 10, "flags": ["SCHED_FLAG_RESET_ON_FORK"] }), 1, 10, 0),
        (json!({ "policy": "SCHED_RR", "priority": 5 }), 2, 5, 0),
    ] {
        let c = with_realtime_share(scheduled(scheduler.clone())).up();
        let pid = c.pid();
        assert_eq!(
            (stat(pid, POLICY), stat(pid, RT_PRIORITY), stat(pid, NICE)),
            (policy, priority, nice),
            "{scheduler}"
        );
    }
}

#[test]
fn deadline() {
    only_tare!("runc 1.1 has no scheduler");
    let c = scheduled(json!({
        "policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 10_000_000, "period": 20_000_000,
        "flags": ["SCHED_FLAG_RESET_ON_FORK"],
    }));
    let c = c.up();
    assert_eq!(stat(c.pid(), POLICY), 6);
    let refused =
        json!({ "policy": "SCHED_DEADLINE", "runtime": 3_000_000, "deadline": 2_000_000, "period": 1 });
    scheduled(refused)
        .create(&[])
        .fails(1, "set the scheduler (config.json: /process/scheduler): invalid argument");
}

/// A process that is added has its own, or that of the container's process.
#[test]
fn scheduler_and_io_priority_of_exec() {
    only_tare!("runc 1.1 has no scheduler");
    let c = scheduled(json!({ "policy": "SCHED_BATCH", "nice": 4 }))
        .set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 }))
        .up();
    let words = "cut -d' ' -f19,41 /proc/self/stat; ionice -p 0";
    let show = c.exec(&[], &["sh", "-c", &words.replace("-p 0", "-p $$")]).ok().stdout();
    assert_eq!(show, "4 3\nbest-effort: prio 6\n");
    let process = c.path("process.json");
    fs::write(
        &process,
        json!({
            "user": { "uid": 0, "gid": 0 }, "args": ["sh", "-c", words.replace("-p 0", "-p $$")], "cwd": "/",
            "env": ["PATH=/bin"], "scheduler": { "policy": "SCHED_OTHER", "nice": 9 },
            "ioPriority": { "class": "IOPRIO_CLASS_IDLE", "priority": 0 },
        })
        .to_string(),
    )
    .unwrap();
    let own = c.exec(&["--process", process.to_str().unwrap()], &[]).ok().stdout();
    assert!(own.starts_with("9 0\nidle"), "{own}");
}

#[test]
fn io_priorities() {
    only_tare!("runc 1.1 has no ioPriority");
    for (class, priority, shown) in [
        ("IOPRIO_CLASS_RT", 2, "realtime: prio 2"),
        ("IOPRIO_CLASS_BE", 0, "best-effort: prio 0"),
        ("IOPRIO_CLASS_IDLE", 0, "idle"),
    ] {
        let c = Container::new().set("/process/ioPriority", json!({ "class": class, "priority": priority }));
        let says = c.sh("ionice -p $$").says();
        assert!(says.starts_with(shown), "{class}: {says}");
    }
}

#[test]
fn personality_of_a_32_bit_machine() {
    only_tare!("runc 1.1 has no personality");
    let machine = |domain: &str| {
        let c = Container::new().set("/linux/personality", json!({ "domain": domain }));
        c.args(&["uname", "-m"]).says()
    };
    let own = machine("LINUX");
    assert_eq!(own, std::env::consts::ARCH);
    if own == "x86_64" {
        assert_eq!(machine("LINUX32"), "i686");
    }
    let c = Container::new().set("/linux/personality", json!({ "domain": "LINUX", "flags": ["X"] }));
    let out = c.args(&["true"]).run(&[]).ok();
    assert!(out.stderr().contains("personality.flags"), "{}", out.stderr());
}

/// The policy of a mapping that has none of its own is that of the process.
#[test]
fn memory_policies() {
    only_tare!("runc 1.1 has no memoryPolicy");
    for (policy, shown) in [
        (json!({ "mode": "MPOL_BIND", "nodes": "0" }), "bind:0"),
        (
            json!({ "mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"] }),
            "interleave=static:0",
        ),
        (json!({ "mode": "MPOL_PREFERRED_MANY", "nodes": "0" }), "prefer (many):0"),
        (json!({ "mode": "MPOL_LOCAL" }), "local"),
        (json!({ "mode": "MPOL_DEFAULT" }), "default"),
    ] {
        let c = Container::new().set("/linux/memoryPolicy", policy.clone()).up();
        let maps = fs::read_to_string(format!("/proc/{}/numa_maps", c.pid())).unwrap();
        let stack = maps.lines().find(|line| line.contains("stack")).unwrap();
        assert!(stack.contains(&format!(" {shown} ")), "{policy}: {stack}");
        let inside = c.exec(&[], &["grep", "stack", "/proc/self/numa_maps"]).ok().stdout();
        assert!(inside.contains(&format!(" {shown} ")), "exec, {policy}: {inside}");
    }
    let nowhere = json!({ "mode": "MPOL_BIND", "nodes": "63" });
    let c = Container::new().set("/linux/memoryPolicy", nowhere);
    c.create(&[]).fails(1, "set the memory policy (config.json: /linux/memoryPolicy): invalid argument");
}

#[test]
fn affinity_of_exec() {
    only_tare!("runc 1.1 has no execCPUAffinity");
    let c = Container::new().up();
    let all = allowed(&c, json!(null));
    assert_eq!(allowed(&c, json!({ "initial": "0" })), "0");
    assert_eq!(allowed(&c, json!({ "final": "0" })), "0");
    assert_eq!(allowed(&c, json!({ "initial": "0", "final": all })), all);
    let c = Container::new().set("/process/execCPUAffinity", json!({ "final": "0" })).up();
    assert_eq!(
        c.exec(&[], &["grep", "Cpus_allowed_list", "/proc/self/status"]).ok().stdout(),
        "Cpus_allowed_list:\t0\n"
    );
    let own = fs::read_to_string(format!("/proc/{}/status", c.pid())).unwrap();
    assert!(own.contains(&format!("Cpus_allowed_list:\t{all}\n")), "it is for exec alone: {own}");
}

/// What a process with this affinity may run on.
fn allowed(c: &Container, affinity: Value) -> String {
    let process = c.path("process.json");
    let mut json = json!({
        "user": { "uid": 0, "gid": 0 }, "cwd": "/", "env": ["PATH=/bin"],
        "args": ["sed", "-n", "s/Cpus_allowed_list:\t//p", "/proc/self/status"],
    });
    if !affinity.is_null() {
        json["execCPUAffinity"] = affinity;
    }
    fs::write(&process, json.to_string()).unwrap();
    c.exec(&["--process", process.to_str().unwrap()], &[]).ok().stdout().trim().to_owned()
}
