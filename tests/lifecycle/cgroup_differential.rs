// SPDX-License-Identifier: Apache-2.0
//! The same config on tare, on runc and on crun, whichever are installed: the same files with the same values, and the
//! same devices that open and that do not.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Container, finish, is_v2, only_tare, runtime};

/// Files that hold a limit; what counts or tells is the machine's.
const FILES: &[&str] = &[
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.swappiness",
    "memory.max",
    "memory.low",
    "memory.high",
    "memory.min",
    "memory.swap.max",
    "memory.oom.group",
    "cpu.shares",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.cfs_burst_us",
    "cpu.idle",
    "cpu.weight",
    "cpu.max",
    "cpu.max.burst",
    "cpuset.cpus",
    "cpuset.mems",
    "pids.max",
    "net_cls.classid",
    "net_prio.ifpriomap",
    "hugetlb.2MB.limit_in_bytes",
    "hugetlb.2MB.max",
    "blkio.throttle.read_bps_device",
    "io.max",
    "devices.list",
];

fn others() -> Vec<&'static str> {
    let there = |name: &str| ["/usr/bin", "/usr/sbin"].iter().any(|dir| Path::new(dir).join(name).exists());
    // crun refuses a host that has both versions, with controllers left for v2.
    let usable = |name: &&str| there(name) && (is_v2() || *name != "crun");
    ["runc", "crun"].into_iter().filter(usable).collect()
}

/// The container on another runtime, while `look` looks at its init's pid.
fn on<T>(name: &str, c: &Container, look: impl FnOnce(&Path, i32) -> T) -> T {
    let root = c.path("root").join("other");
    let command = |args: &[&str]| {
        let mut cmd = Command::new(name);
        cmd.arg("--root").arg(&root).args(args).current_dir(c.bundle()).stdin(Stdio::null());
        finish(cmd)
    };
    command(&["run", "--detach", &c.id]).ok();
    let state: Value = serde_json::from_str(&command(&["state", &c.id]).ok().stdout()).unwrap();
    let pid = i32::try_from(state["pid"].as_i64().unwrap()).unwrap();
    let seen = look(&root, pid);
    command(&["delete", "--force", &c.id]).ok();
    fs::remove_dir_all(&root).unwrap();
    seen
}

fn limits(pid: i32) -> BTreeMap<String, String> {
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut found = BTreeMap::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap(), fields.next().unwrap());
        let mount = match controllers {
            "" if is_v2() => "/sys/fs/cgroup".to_owned(),
            name => format!("/sys/fs/cgroup/{}", name.strip_prefix("name=").unwrap_or(name)),
        };
        for file in FILES {
            if let Ok(text) = fs::read_to_string(format!("{mount}{path}/{file}")) {
                // The order of device rules is the order of writing.
                let mut lines: Vec<_> = text.lines().collect();
                lines.sort_unstable();
                found.insert((*file).to_owned(), lines.join("\n"));
            }
        }
    }
    found
}

/// The files of one config, on each runtime, less those that are known to differ.
fn same(resources: Value, but: &[&str]) {
    let c = Container::new().args(&["sleep", "1000"]).config(|config| {
        config["linux"]["resources"].as_object_mut().unwrap().extend(resources.as_object().unwrap().clone());
    });
    let kept = |mut all: BTreeMap<String, String>| {
        all.retain(|file, _| !but.contains(&file.as_str()));
        all
    };
    let ours = kept(on(&runtime(), &c, |_, pid| limits(pid)));
    assert!(ours.len() > 5, "{ours:?}");
    for other in others() {
        let theirs = kept(on(other, &c, |_, pid| limits(pid)));
        assert_eq!(ours, theirs, "{other}: {resources}");
    }
}

#[test]
fn memory_and_pids() {
    only_tare!("it runs the others by itself");
    same(
        json!({ "memory": { "limit": 64 << 20, "swap": 128 << 20, "reservation": 32 << 20 }, "pids": { "limit": 23 } }),
        &[],
    );
    // crun leaves swap alone.
    same(
        json!({ "memory": { "limit": -1 }, "pids": { "limit": -1 } }),
        &["memory.swap.max", "memory.memsw.limit_in_bytes"],
    );
}

#[test]
fn cpu() {
    only_tare!("it runs the others by itself");
    // runc before 1.3 and crun before 1.23 make a weight of 20 of 512 shares, and now 59.
    same(
        json!({ "cpu": { "shares": 512, "quota": 50000, "period": 200_000, "cpus": "0", "mems": "0" } }),
        &["cpu.weight"],
    );
    same(json!({ "cpu": { "quota": -1 } }), &[]);
}

#[test]
fn what_only_one_version_has() {
    only_tare!("it runs the others by itself");
    if is_v2() {
        let unified = json!({
            "memory.high": "50000000", "memory.min": "1048576", "memory.oom.group": "1", "pids.max": "9",
            "cpu.weight": "77", "cpu.max": "70000 100000",
        });
        same(json!({ "unified": unified }), &[]);
    } else {
        same(json!({ "memory": { "limit": 64 << 20, "swappiness": 7 } }), &[]);
    }
}

/// Makes each device and opens it for reading, for writing and both: what the kernel says.
fn opens(name: &str, rules: &Value, capability: &str) -> String {
    const SCRIPT: &str = "cd /dev; for d in 'c 1 3' 'c 1 5' 'c 1 7' 'c 1 1' 'c 5 2' 'c 10 229' 'c 10 235' 'b 7 0' 'b 7 1'; do \
        set -- $d; n=n-$1-$2-$3; mknod $n $d; m=$?; (: <$n) 2>/dev/null; r=$?; (: >>$n) 2>/dev/null; w=$?; \
        (: 0<>$n) 2>/dev/null; echo \"$d: $m $r $w $?\"; done 2>/dev/null; echo end; exec sleep 1000";
    let c = Container::new().sh(SCRIPT).set("/linux/resources/devices", rules.clone()).config(|config| {
        for set in ["bounding", "effective", "permitted"] {
            config["process"]["capabilities"][set].as_array_mut().unwrap().push(json!(capability));
        }
    });
    let out = c.path("out");
    let root = c.path("root").join("other");
    let command = |args: &[&str]| {
        let mut cmd = Command::new(name);
        cmd.arg("--root").arg(&root).args(args).current_dir(c.bundle()).stdin(Stdio::null());
        cmd
    };
    let line = format!("exec \"$0\" \"$@\" >{}", out.display());
    let detached = command(&["run", "--detach", &c.id]);
    let mut cmd = Command::new("sh");
    cmd.arg("-c").arg(line).arg(detached.get_program()).args(detached.get_args());
    cmd.current_dir(c.bundle()).stdin(Stdio::null());
    finish(cmd).ok();
    let text = crate::harness::wait_for("the devices to be tried", || {
        fs::read_to_string(&out).ok().filter(|text| text.ends_with("end\n"))
    });
    finish(command(&["delete", "--force", &c.id])).ok();
    fs::remove_dir_all(&root).unwrap();
    text
}

#[test]
fn device_rules_open_and_shut_the_same() {
    only_tare!("it runs the other by itself");
    let deny = json!({ "allow": false, "access": "rwm" });
    let rule = |allow: bool, kind: &str, major: i64, minor: i64, access: &str| json!({ "allow": allow, "type": kind, "major": major, "minor": minor, "access": access });
    // On v2 runc opens for both what is shut for one of reading and writing; tare keeps it shut, as v1 does.
    let part = if is_v2() { "rwm" } else { "w" };
    for rules in [
        json!([]),
        json!([deny]),
        json!([{ "allow": true, "access": "rwm" }]),
        json!([deny, rule(true, "c", 10, 229, "r"), rule(true, "b", 7, -1, "rw")]),
        json!([
            deny,
            rule(true, "b", 7, -1, "rwm"),
            rule(true, "c", 1, 1, "w"),
            rule(true, "c", 10, 235, "rw")
        ]),
        json!([{ "allow": true, "access": "rwm" }, rule(false, "c", 10, 229, "rwm"), rule(false, "b", 7, 0, part)]),
    ] {
        let ours = opens(&runtime(), &rules, "CAP_MKNOD");
        assert_eq!(ours.lines().count(), 10, "{ours}");
        if others().contains(&"runc") {
            assert_eq!(ours, opens("runc", &rules, "CAP_MKNOD"), "{rules}");
        }
    }
}
