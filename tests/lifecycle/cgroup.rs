// SPDX-License-Identifier: Apache-2.0
//! cgroup v1 by the cgroupfs driver. On a machine without a hierarchy its tests say so and end.
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Container, cgroup_mounts, only_tare};

/// The files of one controller for these resources, by name; `None` where the machine has no such hierarchy.
fn files(controller: &str, resources: &Value, names: &[&str]) -> Option<Vec<String>> {
    let c = Container::new().config(|c| {
        c["linux"]["resources"].as_object_mut().unwrap().extend(resources.as_object().unwrap().clone());
    });
    let c = c.up();
    let Some(dir) = c.cgroup(controller) else {
        eprintln!("skipped: no {controller} controller of cgroup v1");
        return None;
    };
    Some(names.iter().map(|n| fs::read_to_string(dir.join(n)).unwrap().trim().to_owned()).collect())
}

#[test]
fn memory() {
    let resources = json!({ "memory": { "limit": 64 << 20, "reservation": 32 << 20, "swap": 128 << 20, "swappiness": 7 } });
    let names = [
        "memory.limit_in_bytes",
        "memory.soft_limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "memory.swappiness",
    ];
    if let Some(got) = files("memory", &resources, &names) {
        assert_eq!(got, ["67108864", "33554432", "134217728", "7"]);
    }
}

#[test]
fn memory_without_a_limit() {
    let resources = json!({ "memory": { "limit": -1, "swap": -1 } });
    if let Some(got) = files("memory", &resources, &["memory.limit_in_bytes"]) {
        assert!(got[0].parse::<u64>().unwrap() > 1 << 60, "{got:?}");
    }
}

#[test]
fn oom_killer_is_turned_off() {
    let resources = json!({ "memory": { "limit": 64 << 20, "disableOOMKiller": true } });
    if let Some(got) = files("memory", &resources, &["memory.oom_control"]) {
        assert!(got[0].contains("oom_kill_disable 1"), "{got:?}");
    }
}

#[test]
fn pids() {
    if let Some(got) = files("pids", &json!({ "pids": { "limit": 23 } }), &["pids.max"]) {
        assert_eq!(got, ["23"]);
    }
    if let Some(got) = files("pids", &json!({ "pids": { "limit": -1 } }), &["pids.max"]) {
        assert_eq!(got, ["max"]);
    }
}

#[test]
fn cpu() {
    let resources = json!({ "cpu": { "shares": 512, "quota": 50000, "period": 100_000 } });
    if let Some(got) = files("cpu", &resources, &["cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"]) {
        assert_eq!(got, ["512", "50000", "100000"]);
    }
}

#[test]
fn cpuset() {
    if let Some(got) =
        files("cpuset", &json!({ "cpu": { "cpus": "0", "mems": "0" } }), &["cpuset.cpus", "cpuset.mems"])
    {
        assert_eq!(got, ["0", "0"]);
    }
    // A new cpuset of v1 has no CPU at all until it is given some.
    if let Some(got) = files("cpuset", &json!({}), &["cpuset.cpus", "cpuset.mems"]) {
        assert!(got.iter().all(|f| !f.is_empty()), "{got:?}");
    }
}

#[test]
fn devices() {
    let rules = json!({ "devices": [
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw" },
        { "allow": true, "type": "b", "major": 7, "access": "r" }
    ]});
    if let Some(got) = files("devices", &rules, &["devices.list"]) {
        let list: Vec<_> = got[0].lines().collect();
        for rule in ["c 10:229 rw", "b 7:* r", "c 1:3 rwm", "c *:* m", "c 136:* rwm"] {
            assert!(
                list.iter().any(|l| *l == rule || rule == "b 7:* r" && *l == "b 7:* rm"),
                "{rule} in {list:?}"
            );
        }
        assert!(!list.contains(&"a *:* rwm"), "{list:?}");
    }
}

#[test]
fn block_io() {
    let device = json!({ "major": 1, "minor": 0, "rate": 1_048_576 });
    let resources = json!({ "blockIO": { "throttleReadBpsDevice": [device] } });
    // A disk of this machine, if it has one.
    let disk = fs::read_dir("/sys/block")
        .unwrap()
        .flatten()
        .find(|d| d.file_name().to_string_lossy().starts_with("loop0"));
    let Some(disk) = disk else { return eprintln!("skipped: no block device") };
    let number = fs::read_to_string(disk.path().join("dev")).unwrap();
    let (major, minor) = number.trim().split_once(':').unwrap();
    let mut resources = resources;
    resources["blockIO"]["throttleReadBpsDevice"][0]["major"] = json!(major.parse::<u32>().unwrap());
    resources["blockIO"]["throttleReadBpsDevice"][0]["minor"] = json!(minor.parse::<u32>().unwrap());
    if let Some(got) = files("blkio", &resources, &["blkio.throttle.read_bps_device"]) {
        assert_eq!(got, [format!("{major}:{minor} 1048576")]);
    }
}

#[test]
fn bad_value_is_refused() {
    let c = Container::new().set("/linux/resources/cpu", json!({ "cpus": "4000" }));
    c.create(&[]).fails(1, "cpuset.cpus");
}

fn own_cgroups(c: &Container) -> Vec<(String, String)> {
    let own = fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
    own.lines()
        .filter_map(|l| l.split_once(':')?.1.split_once(':'))
        .map(|(a, b)| (a.into(), b.into()))
        .collect()
}

fn ours(controllers: &str) -> String {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own
        .lines()
        .find_map(|l| l.split_once(':')?.1.strip_prefix(controllers)?.strip_prefix(':').map(str::to_owned));
    own.unwrap().trim_end_matches('/').to_owned()
}

fn has_v1() -> bool {
    cgroup_mounts().any(|m| m.fs == "cgroup")
}

#[test]
fn container_is_in_every_hierarchy() {
    let c = Container::new().up();
    for (controllers, path) in own_cgroups(&c).iter().filter(|(controllers, _)| !controllers.is_empty()) {
        assert_eq!(path, &format!("{}/{}", ours(controllers), c.id), "{controllers}");
    }
}

#[test]
fn path_is_absolute_below_the_root_of_the_hierarchy() {
    if !has_v1() {
        return eprintln!("skipped: no cgroup v1");
    }
    let c = Container::new();
    let path = format!("/{}-absolute", c.id);
    let c = c.set("/linux/cgroupsPath", json!(path)).up();
    for (controllers, own) in own_cgroups(&c).iter().filter(|(controllers, _)| !controllers.is_empty()) {
        assert_eq!(own, &path, "{controllers}");
    }
}

#[test]
fn path_is_relative_to_our_own_cgroup() {
    if !has_v1() {
        return eprintln!("skipped: no cgroup v1");
    }
    let c = Container::new();
    let name = format!("{}-relative", c.id);
    let c = c.set("/linux/cgroupsPath", json!(name)).up();
    for (controllers, own) in own_cgroups(&c).iter().filter(|(controllers, _)| !controllers.is_empty()) {
        assert_eq!(own, &format!("{}/{name}", ours(controllers)), "{controllers}");
    }
}

/// No `..` leads out of the hierarchy, or up from our own.
#[test]
fn path_with_dots_stays_below() {
    if !has_v1() {
        return eprintln!("skipped: no cgroup v1");
    }
    let c = Container::new();
    let c2 = c.id.clone();
    let c = c.set("/linux/cgroupsPath", json!(format!("../../../../{c2}-dots"))).up();
    for (controllers, own) in own_cgroups(&c).iter().filter(|(controllers, _)| !controllers.is_empty()) {
        assert_eq!(own, &format!("{}/{c2}-dots", ours(controllers)), "{controllers}");
    }
}

fn dirs(c: &Container) -> Vec<PathBuf> {
    ["memory", "pids", "cpu", "devices", "freezer"].iter().filter_map(|k| c.cgroup(k)).collect()
}

#[test]
fn is_gone_after_delete() {
    let c = Container::new().up();
    let dirs = dirs(&c);
    assert!(dirs.iter().all(|d| d.exists()));
    c.delete(&["--force"]).ok();
    assert!(dirs.iter().all(|d| !d.exists()));
}

#[test]
fn no_more_processes_than_allowed() {
    let c = Container::new().set("/linux/resources/pids", json!({ "limit": 4 }));
    let c = c.sh("for i in 1 2 3 4 5 6; do sleep 5 & done");
    c.run(&[]).fails(2, "can't fork");
}

#[test]
fn no_more_memory_than_allowed() {
    let memory = json!({ "limit": 16 << 20, "swap": 16 << 20 });
    let c = Container::new().set("/linux/resources/memory", memory);
    let c = c.sh("dd if=/dev/zero of=/dev/null bs=64M count=1; echo rc $?");
    let out = c.run(&[]).ok().stdout();
    assert_eq!(out, "rc 137\n");
}

/// What `exec` adds counts against the limits of the container.
#[test]
fn exec_is_limited_too() {
    let c = Container::new().set("/linux/resources/pids", json!({ "limit": 6 })).up();
    c.exec(&[], &["sh", "-c", "for i in 1 2 3 4 5 6 7; do sleep 5 & done"]).fails(2, "can't fork");
}

#[test]
fn killed_for_memory_ends_with_137() {
    let memory = json!({ "limit": 16 << 20, "swap": 16 << 20 });
    let c = Container::new().set("/linux/resources/memory", memory);
    let c = c.args(&["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]);
    c.run(&[]).code(137);
}

/// A cgroup of the freezer's (or the memory's) hierarchy that somebody has made for himself.
fn of_another(controller: &str, name: &str) -> Option<PathBuf> {
    let mut mounts = cgroup_mounts();
    let mount = mounts.find(|m| m.fs == "cgroup" && m.data.split(',').any(|c| c == controller))?;
    let dir = mount.at.join(name);
    fs::create_dir(&dir).unwrap();
    Some(dir)
}

#[test]
fn frozen_cgroup_of_another_is_refused_and_left() {
    only_tare!("runc refuses from 1.2 on");
    let c = Container::new();
    let Some(dir) = of_another("freezer", &c.id) else { return eprintln!("no v1 freezer here") };
    fs::write(dir.join("freezer.state"), "FROZEN").unwrap();
    let c = c.set("/linux/cgroupsPath", json!(format!("/{}", dir.file_name().unwrap().to_str().unwrap())));
    for _ in 0..2 {
        c.create(&[]).fails(1, "container's cgroup unexpectedly frozen");
        assert!(dir.exists());
    }
    fs::remove_dir(&dir).unwrap();
}

/// Its processes are not the container's to kill, in whichever hierarchy they are.
#[test]
fn used_cgroup_of_another_is_refused_and_its_processes_live() {
    only_tare!("runc 1.1 only warns");
    for controller in ["freezer", "memory", "pids"] {
        let c = Container::new();
        let Some(dir) = of_another(controller, &c.id) else { return eprintln!("no v1 {controller} here") };
        let mut sleep = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        fs::write(dir.join("cgroup.procs"), sleep.id().to_string()).unwrap();
        let c =
            c.set("/linux/cgroupsPath", json!(format!("/{}", dir.file_name().unwrap().to_str().unwrap())));
        let refused = c.create(&[]);
        let alive = sleep.try_wait().unwrap().is_none();
        sleep.kill().unwrap();
        sleep.wait().unwrap();
        fs::remove_dir(&dir).unwrap();
        assert!(alive, "{controller}");
        refused.fails(1, "container's cgroup is not empty: 1 process(es) found");
    }
}
