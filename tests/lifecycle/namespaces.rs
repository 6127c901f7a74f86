// SPDX-License-Identifier: Apache-2.0
use std::fs::read_link;

use serde_json::json;

use crate::harness::{Container, only_tare};

/// The type in config.json, and its name in /proc/PID/ns.
const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("cgroup", "cgroup"),
];

fn ours(name: &str) -> String {
    read_link(format!("/proc/self/ns/{name}")).unwrap().display().to_string()
}

fn inside(c: &Container, name: &str) -> String {
    c.exec(&[], &["readlink", &format!("/proc/self/ns/{name}")]).ok().stdout().trim().to_owned()
}

#[test]
fn each_is_new() {
    let c =
        KINDS.iter().fold(Container::new(), |c, (kind, _)| c.namespace(kind, Some(json!({ "type": kind }))));
    let c = c.up();
    for (kind, name) in KINDS {
        assert_ne!(inside(&c, name), ours(name), "{kind}");
        let init = read_link(format!("/proc/{}/ns/{name}", c.pid())).unwrap();
        assert_eq!(inside(&c, name), init.display().to_string(), "{kind}");
    }
    assert_eq!(inside(&c, "user"), ours("user"));
}

/// The host's, for a namespace that config.json does not name.
#[test]
fn absent_is_ours() {
    for (kind, name) in [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("cgroup", "cgroup")] {
        let c = Container::new().namespace(kind, None);
        assert_eq!(c.args(&["readlink", &format!("/proc/self/ns/{name}")]).says(), ours(name), "{kind}");
    }
    let c = Container::new()
        .namespace("uts", None)
        .config(|c| drop(c.as_object_mut().unwrap().remove("hostname")));
    assert_eq!(c.args(&["readlink", "/proc/self/ns/uts"]).says(), ours("uts"));
}

/// A pod: the other containers join what the first one made.
#[test]
fn each_is_joined_by_its_path() {
    let pod = Container::new().namespace("cgroup", Some(json!({ "type": "cgroup" }))).up();
    for (kind, name) in KINDS.into_iter().filter(|(kind, _)| *kind != "mount") {
        let path = format!("/proc/{}/ns/{name}", pod.pid());
        let c = Container::new().namespace(kind, Some(json!({ "type": kind, "path": path })));
        let c =
            if kind == "uts" { c.config(|c| drop(c.as_object_mut().unwrap().remove("hostname"))) } else { c };
        assert_eq!(
            c.args(&["readlink", &format!("/proc/self/ns/{name}")]).says(),
            inside(&pod, name),
            "{kind}"
        );
    }
}

#[test]
fn all_are_joined_at_once() {
    let pod = Container::new().up();
    let join = |c: Container, (kind, name): &(&str, &str)| {
        let path = format!("/proc/{}/ns/{name}", pod.pid());
        c.namespace(kind, Some(json!({ "type": kind, "path": path })))
    };
    let c = KINDS[..4].iter().fold(Container::new(), join).args(&["sleep", "1000"]);
    c.run(&["--detach"]).ok();
    for (kind, name) in &KINDS[..4] {
        assert_eq!(inside(&c, name), inside(&pod, name), "{kind}");
    }
    assert_ne!(c.exec(&[], &["echo", "$$"]).ok().stdout(), "1\n");
    // Not the init of the pid namespace: the signal is for this one process.
    c.kill("KILL").ok();
    c.wait_status("stopped");
    assert_eq!(pod.status(), "running");
}

#[test]
fn init_of_a_pid_namespace_is_1() {
    assert_eq!(Container::new().sh("echo $$").says(), "1");
}

#[test]
fn time_namespace_has_its_offsets() {
    only_tare!("runc has no time namespace before 1.2");
    let c = Container::new()
        .namespace("time", Some(json!({ "type": "time" })))
        .set("/linux/timeOffsets", json!({ "boottime": { "secs": 1_000_000, "nanosecs": 0 } }));
    let uptime: f64 = c.sh("cut -d' ' -f1 /proc/uptime").says().parse().unwrap();
    assert!(uptime > 1e6, "{uptime}");
}

#[test]
fn hostname_is_set_in_its_namespace_only() {
    let before = nix::unistd::gethostname().unwrap();
    assert_eq!(Container::new().set("/hostname", json!("inner")).args(&["hostname"]).says(), "inner");
    assert_eq!(nix::unistd::gethostname().unwrap(), before);
}

#[test]
fn domainname_is_set() {
    only_tare!("runc has it from 1.2 on");
    let c = Container::new().set("/domainname", json!("inner.example"));
    assert_eq!(c.args(&["cat", "/proc/sys/kernel/domainname"]).says(), "inner.example");
}

#[test]
fn loopback_of_a_new_network_is_up() {
    // IFF_UP | IFF_LOOPBACK
    assert_eq!(Container::new().args(&["cat", "/sys/class/net/lo/flags"]).says(), "0x9");
}

#[test]
fn sysctl_is_set_in_its_namespace() {
    let c = Container::new().set(
        "/linux/sysctl",
        json!({ "net.ipv4.ip_forward": "1", "kernel.msgmax": "8193", "net/ipv4/ping_group_range": "0 7" }),
    );
    let c = c.sh("cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax net/ipv4/ping_group_range");
    assert_eq!(c.says(), "1\n8193\n0\t7");
}

#[test]
fn sysctl_of_the_host_is_refused() {
    for key in ["kernel.panic", "vm.swappiness", "fs.file-max"] {
        let c = Container::new().set("/linux/sysctl", json!({ key: "1" }));
        c.create(&[]).fails(1, key);
    }
    let c = Container::new()
        .namespace("network", None)
        .set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }));
    c.create(&[]).fails(1, "net.ipv4.ip_forward");
    let c = Container::new().namespace("ipc", None).set("/linux/sysctl", json!({ "kernel.msgmax": "8193" }));
    c.create(&[]).fails(1, "kernel.msgmax");
    let own = json!({ "type": "network", "path": "/proc/self/ns/net" });
    let c = Container::new()
        .namespace("network", Some(own))
        .set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }));
    c.create(&[]).fails(1, "not allowed in host network namespace");
}
