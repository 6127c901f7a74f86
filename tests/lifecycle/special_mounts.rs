// SPDX-License-Identifier: Apache-2.0
//! proc, sysfs, mqueue, devpts and cgroup.
use std::fs;

use serde_json::json;

use crate::harness::{Container, cgroup_mounts};

#[test]
fn proc_is_that_of_the_pid_namespace() {
    let c = Container::new().sh("echo /proc/[0-9]*; cat /proc/1/comm; true");
    assert_eq!(c.says(), "/proc/1\nsh");
    assert_eq!(Container::new().mounted("/proc").fs, "proc");
}

/// All that may be mounted over in /proc is what lxcfs gives.
#[test]
fn only_some_files_of_proc_are_mounted_over() {
    let with_file = |at: &str| {
        let c = Container::new();
        let file = c.path("uptime");
        fs::write(&file, "1.00 1.00\n").unwrap();
        c.bind(&file, at, &["bind"]).args(&["cat", at])
    };
    for at in ["/proc/uptime", "/proc/meminfo", "/proc/cpuinfo", "/proc/loadavg"] {
        assert_eq!(with_file(at).says(), "1.00 1.00", "{at}");
    }
    with_file("/proc/self/attr/exec").create(&[]).fails(1, "inside /proc");
    with_file("/proc/sys/kernel/core_pattern").create(&[]).fails(1, "inside /proc");
}

/// A symlink of the image must not lead a mount into /proc (CVE-2019-16884).
#[test]
fn symlink_to_proc_is_seen_through() {
    let c = Container::new();
    std::os::unix::fs::symlink("/proc/sys", c.rootfs("link")).unwrap();
    let file = c.path("file");
    fs::write(&file, "x").unwrap();
    c.bind(&file, "/link/kernel/core_pattern", &["bind"]).create(&[]).fails(1, "/link/kernel/core_pattern");
}

#[test]
fn proc_needs_a_directory_of_its_own() {
    let c = Container::new();
    std::os::unix::fs::symlink("/bin", c.rootfs("proc")).unwrap();
    c.create(&[]).fails(1, "/proc");
}

#[test]
fn sysfs_is_read_only_and_shows_the_network_namespace() {
    let mount = Container::new().mounted("/sys");
    assert!(
        mount.fs == "sysfs" && ["ro", "nosuid", "nodev", "noexec"].iter().all(|f| mount.has(f)),
        "{mount:?}"
    );
    assert_eq!(Container::new().args(&["ls", "/sys/class/net"]).says(), "lo");
}

#[test]
fn mqueue_is_that_of_the_ipc_namespace() {
    assert_eq!(Container::new().mounted("/dev/mqueue").fs, "mqueue");
    assert_eq!(Container::new().sh("ls -A /dev/mqueue | wc -l").says(), "0");
}

#[test]
fn devpts_is_new() {
    let mount = Container::new().mounted("/dev/pts");
    assert_eq!(mount.fs, "devpts");
    for option in ["gid=5", "mode=620", "ptmxmode=666"] {
        assert!(mount.data.contains(option), "{option} in {mount:?}");
    }
    assert_eq!(Container::new().args(&["ls", "/dev/pts"]).says(), "ptmx");
}

fn v1() -> Vec<String> {
    let mounts = cgroup_mounts().filter(|m| m.fs == "cgroup");
    mounts.map(|m| m.at.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn cgroup_shows_the_container_in_every_hierarchy() {
    if v1().is_empty() {
        return eprintln!("skipped: no cgroup v1");
    }
    for new in [None, Some(json!({ "type": "cgroup" }))] {
        let c = Container::new()
            .namespace("cgroup", new.clone())
            .sh("cd /sys/fs/cgroup; grep -xl 1 */cgroup.procs");
        let out = c.says();
        for controller in v1() {
            let file = format!("{controller}/cgroup.procs");
            assert!(out.lines().any(|l| l == file), "{file} with {new:?} in {out}");
        }
    }
}

#[test]
fn cgroup_is_read_only() {
    if v1().is_empty() {
        return eprintln!("skipped: no cgroup v1");
    }
    for new in [None, Some(json!({ "type": "cgroup" }))] {
        let c = Container::new()
            .namespace("cgroup", new)
            .sh("mkdir /sys/fs/cgroup/pids/x || mkdir /sys/fs/cgroup/x");
        c.run(&[]).fails(1, "Read-only file system");
    }
}

#[test]
fn cgroup_namespace_hides_where_the_container_is() {
    let c = Container::new().namespace("cgroup", Some(json!({ "type": "cgroup" })));
    let c = c.args(&["cat", "/proc/self/cgroup"]);
    let out = c.says();
    assert!(!out.contains(&c.id) && out.lines().any(|l| l.ends_with(":/")), "{out}");
    let c = Container::new();
    assert!(c.args(&["cat", "/proc/self/cgroup"]).says().contains("tare-test-"));
}
