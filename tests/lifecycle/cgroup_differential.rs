// SPDX-License-Identifier: Apache-2.0
//! The same config on tare, on runc and on crun, whichever are installed: the same files with the same values, and the
//! same devices that open and that do not.
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Container, finish, is_v2, only_tare, runtime};

/// Files that are written for other ends than a limit, and those that count.
const NO_LIMITS: &[&str] = &[
    "cgroup.",
    "cpuacct.",
    "notify_on_release",
    "release_agent",
    "tasks",
    ".force_empty",
    ".reclaim",
    ".reset_stats",
    ".pressure",
    ".pressure_level",
    ".peak",
    ".failcnt",
    "max_usage_in_bytes",
    "memory.move_charge_at_immigrate",
];

/// As a file: this runtime refuses the config.
const REFUSED: &str = "";

fn others() -> Vec<&'static str> {
    let there = |name: &str| ["/usr/bin", "/usr/sbin"].iter().any(|dir| Path::new(dir).join(name).exists());
    // crun refuses a host that has both versions.
    let usable = |name: &&str| there(name) && (*name != "crun" || (is_v2() && has_pids()));
    ["runc", "crun"].into_iter().filter(usable).collect()
}

/// The container's files on a runtime, or that it refuses the config.
fn on(name: &str, c: &Container) -> Option<BTreeMap<String, String>> {
    let root = c.path("root").join("other");
    let command = |args: &[&str]| {
        let mut cmd = Command::new(name);
        cmd.arg("--root").arg(&root).args(args).current_dir(c.bundle()).stdin(Stdio::null());
        finish(cmd)
    };
    let run = command(&["run", "--detach", &c.id]);
    let seen = (run.code == 0).then(|| {
        let state: Value = serde_json::from_str(&command(&["state", &c.id]).ok().stdout()).unwrap();
        limits(i32::try_from(state["pid"].as_i64().unwrap()).unwrap())
    });
    let deleted = command(&["delete", "--force", &c.id]);
    assert!(seen.is_none() || deleted.code == 0, "{}", deleted.stderr());
    let _ = fs::remove_dir_all(&root);
    seen
}

/// Every file of the container's cgroups that can be written, and holds a limit.
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
        for entry in fs::read_dir(format!("{mount}{path}")).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let limits = name == "devices.list" || entry.metadata().unwrap().mode() & 0o200 != 0;
            let other = NO_LIMITS.iter().any(|part| name.starts_with(part) || name.ends_with(part));
            if let (true, false, Ok(text)) = (limits, other, fs::read_to_string(entry.path())) {
                // The order of device rules is the order of writing.
                let mut lines: Vec<_> = text.lines().collect();
                lines.sort_unstable();
                found.insert(name, lines.join("\n"));
            }
        }
    }
    found
}

/// The files of one config, on each runtime, less those that are known to differ: of a runtime, or of each ("").
fn same(resources: &Value, but: &[(&str, &str)]) {
    let c = Container::new().args(&["sleep", "1000"]).config(|config| {
        config["linux"]["resources"].as_object_mut().unwrap().extend(resources.as_object().unwrap().clone());
    });
    let ours = on(&runtime(), &c);
    assert_eq!(cgroups_left(&c), Vec::<PathBuf>::new());
    assert!(ours.as_ref().is_none_or(|files| !files.is_empty()), "{ours:?}");
    for other in others() {
        if but.contains(&(other, REFUSED)) {
            continue;
        }
        let kept = |all: &Option<BTreeMap<String, String>>| {
            all.clone().map(|mut all| {
                all.retain(|file, _| {
                    !but.iter().any(|(who, name)| (who.is_empty() || *who == other) && name == file)
                });
                all
            })
        };
        assert_eq!(kept(&ours), kept(&on(other, &c)), "tare, then {other}: {resources}");
        // On v2 one of them leaves the cgroup of a config that it refuses.
        for cgroup in cgroups_left(&c) {
            let _ = fs::remove_dir(cgroup);
        }
    }
}

fn cgroups_left(c: &Container) -> Vec<PathBuf> {
    c.left().iter().filter_map(|left| left.strip_prefix("cgroup ")).map(PathBuf::from).collect()
}

/// A whole disk of this machine.
fn disk() -> (u64, u64) {
    let number = |name: &str| fs::read_to_string(format!("/sys/block/{name}/dev"));
    let number = number("vda").or_else(|_| number("loop0")).unwrap();
    let (major, minor) = number.trim().split_once(':').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

#[test]
fn memory_and_pids() {
    only_tare!("it runs the others by itself");
    same(&json!({ "memory": { "limit": 64 << 20 }, "pids": { "limit": 23 } }), &[]);
    same(&json!({ "memory": { "limit": 64 << 20, "swap": 128 << 20, "reservation": 32 << 20 } }), &[]);
    same(&json!({ "memory": { "limit": 64 << 20, "swap": 64 << 20 } }), &[]);
    same(&json!({ "memory": { "limit": 64 << 20, "swap": -1 } }), &[]);
    same(&json!({ "memory": { "swap": 64 << 20 } }), &[]);
    same(&json!({ "memory": { "limit": 64 << 20, "swap": 32 << 20 } }), &[]);
    // crun leaves swap alone.
    same(
        &json!({ "memory": { "limit": -1 }, "pids": { "limit": -1 } }),
        &[("crun", "memory.swap.max"), ("crun", "memory.memsw.limit_in_bytes")],
    );
    same(
        &json!({ "memory": { "limit": 64 << 20, "swappiness": 7, "disableOOMKiller": true, "useHierarchy": true } }),
        &[("crun", REFUSED)],
    );
}

#[test]
fn cpu() {
    only_tare!("it runs the others by itself");
    // runc before 1.3 and crun before 1.23 make a weight of 20 of 512 shares, and now 59. The ends of both are the same.
    same(
        &json!({ "cpu": { "shares": 512, "cpus": "0", "mems": "0" } }),
        &[("", "cpu.weight"), ("", "cpu.weight.nice")],
    );
    same(&json!({ "cpu": { "shares": 2, "quota": 50000 } }), &[]);
    same(&json!({ "cpu": { "shares": 262_144, "quota": 50000, "period": 200_000 } }), &[]);
    same(&json!({ "cpu": { "quota": -1, "period": 50000 } }), &[]);
    same(&json!({ "cpu": { "period": 50000, "cpus": "0-1" } }), &[]);
    // runc 1.1 does not know them.
    same(
        &json!({ "cpu": { "quota": 50000, "burst": 20000 } }),
        &[("runc", "cpu.max.burst"), ("runc", "cpu.cfs_burst_us")],
    );
    same(
        &json!({ "cpu": { "idle": 1 } }),
        &[("runc", "cpu.idle"), ("runc", "cpu.weight"), ("runc", "cpu.weight.nice"), ("runc", "cpu.shares")],
    );
}

#[test]
fn input_and_output() {
    only_tare!("it runs the others by itself");
    let (major, minor) = disk();
    let rate = |rate: u64| json!([{ "major": major, "minor": minor, "rate": rate }]);
    same(
        &json!({ "blockIO": {
            "throttleReadBpsDevice": rate(1 << 20), "throttleWriteBpsDevice": rate(2 << 20),
            "throttleReadIOPSDevice": rate(300), "throttleWriteIOPSDevice": rate(400),
        } }),
        &[],
    );
    same(&json!({ "blockIO": { "throttleReadBpsDevice": rate(1 << 20) } }), &[]);
    same(&json!({ "blockIO": { "weight": 500 } }), &[]);
}

#[test]
fn huge_pages() {
    only_tare!("it runs the others by itself");
    // Debian's runc and crun leave reservations alone.
    same(
        &json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4 << 20 }] }),
        &[("", "hugetlb.2MB.rsvd.max"), ("", "hugetlb.2MB.rsvd.limit_in_bytes")],
    );
}

#[test]
fn what_only_one_version_has() {
    only_tare!("it runs the others by itself");
    let unified = json!({
        "memory.high": "50000000", "memory.min": "1048576", "memory.oom.group": "1", "pids.max": "9",
        "cpu.weight": "77", "cpu.max": "70000 100000", "cpuset.cpus": "0", "memory.swap.max": "max",
    });
    same(&json!({ "unified": unified }), &[]);
    same(&json!({ "unified": { "nosuch.max": "1" } }), &[]);
    same(&json!({ "unified": { "a/b": "1" } }), &[]);
}

/// Beside v1 that one has the controller.
fn has_pids() -> bool {
    !is_v2() || fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap().contains("pids")
}

/// Makes each device and opens it for reading, for writing and both: what the kernel says, to init and, once the
/// container has been stopped, woken and given a new limit, to exec.
fn opens(name: &str, rules: &Value) -> String {
    const SCRIPT: &str = "cd /dev; for d in 'c 1 3' 'c 1 5' 'c 1 7' 'c 1 1' 'c 5 2' 'c 10 229' 'c 10 235' 'b 7 0' 'b 7 1'; do \
        set -- $d; n=n-$1-$2-$3; rm -f $n; mknod $n $d; m=$?; (: <$n) 2>/dev/null; r=$?; (: >>$n) 2>/dev/null; w=$?; \
        (: 0<>$n) 2>/dev/null; echo \"$d: $m $r $w $?\"; done 2>/dev/null; echo end";
    let c = Container::new().sh(&format!("{SCRIPT}; exec sleep 1000"));
    let c = c.set("/linux/resources/devices", rules.clone()).config(|config| {
        for set in ["bounding", "effective", "permitted"] {
            config["process"]["capabilities"][set].as_array_mut().unwrap().push(json!("CAP_MKNOD"));
        }
    });
    let root = c.path("root").join("other");
    let command = |args: &[&str]| {
        let mut cmd = Command::new(name);
        cmd.arg("--root").arg(&root).args(args).current_dir(c.bundle()).stdin(Stdio::null());
        finish(cmd).ok()
    };
    let run = command(&["run", "--detach", &c.id]);
    let mut text = crate::harness::wait_for("the devices to be tried", || {
        Some(run.stdout()).filter(|text| text.ends_with("end\n"))
    });
    command(&["pause", &c.id]);
    command(&["resume", &c.id]);
    if has_pids() {
        command(&["update", "--pids-limit", "50", &c.id]);
    }
    text += &command(&["exec", &c.id, "sh", "-c", SCRIPT]).stdout();
    command(&["delete", "--force", &c.id]);
    fs::remove_dir_all(&root).unwrap();
    text
}

#[test]
fn device_rules_open_and_shut_the_same() {
    only_tare!("it runs the other by itself");
    let deny = json!({ "allow": false, "access": "rwm" });
    let all = json!({ "allow": true, "access": "rwm" });
    let rule = |allow: bool, kind: &str, major: i64, minor: i64, access: &str| json!({ "allow": allow, "type": kind, "major": major, "minor": minor, "access": access });
    // On v2 runc opens for both what is shut for one of reading and writing; tare keeps it shut, as v1 does.
    let part = if is_v2() { "rwm" } else { "w" };
    for rules in [
        json!([]),
        json!([deny]),
        json!([all]),
        json!([deny, rule(true, "c", 10, 229, "r"), rule(true, "b", 7, -1, "rw")]),
        json!([
            deny,
            rule(true, "b", 7, -1, "rwm"),
            rule(true, "c", 1, 1, "w"),
            rule(true, "c", 10, 235, "rw")
        ]),
        json!([all, rule(false, "c", 10, 229, "rwm"), rule(false, "b", 7, 0, part)]),
        // What comes last counts, for a part too.
        json!([
            deny,
            rule(true, "c", 10, 229, "rwm"),
            rule(false, "c", 10, 229, "w"),
            rule(true, "c", 10, 235, "m")
        ]),
        json!([deny, rule(true, "b", 7, 0, "rwm"), deny, rule(true, "b", 7, 1, "r")]),
        json!([rule(true, "c", 10, 229, "rw"), all]),
        json!([deny, rule(true, "c", 1, -1, "rw"), rule(true, "c", -1, 235, "r")]),
        // All of one kind.
        json!([deny, rule(true, "b", -1, -1, "rm")]),
    ] {
        let ours = opens(&runtime(), &rules);
        assert_eq!(ours.lines().count(), 20, "{ours}");
        if others().contains(&"runc") {
            assert_eq!(ours, opens("runc", &rules), "{rules}");
        }
    }
}
