// SPDX-License-Identifier: Apache-2.0
//! `startContainer` hooks run a program that may be the image's: with what the container's process has, and no
//! more. Those of `createContainer` are the host's, at the container's root.
use serde_json::{Value, json};

use crate::harness::Container;

/// A hook that is one line of shell in a container; what it says comes out in the container's own output.
fn hook(c: Container, script: &str) -> Container {
    let hook =
        json!([{ "path": "/bin/sh", "args": ["sh", "-c", format!("{{ {script}; }} >/out/said 2>&1")] }]);
    let out = c.path("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::set_permissions(&out, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    c.bind(&out, "/out", &["bind"]).set("/hooks/startContainer", hook)
}

fn said(c: &Container) -> String {
    c.run(&[]).ok();
    std::fs::read_to_string(c.path("out/said")).unwrap()
}

#[test]
fn has_the_environment_of_the_process() {
    let c = Container::new().set("/process/env", json!(["PATH=/bin", "ONE=two"]));
    let c = hook(c, "echo $ONE; [ -n \"$HOME\" ] && echo home");
    assert_eq!(said(&c), "two\nhome\n");
}

#[test]
fn has_its_own_environment_if_it_lists_one() {
    let c = Container::new().set("/process/env", json!(["PATH=/bin", "ONE=two"]));
    let c = hook(c, "env | sort").set("/hooks/startContainer/0/env", json!(["PATH=/bin", "MINE=1"]));
    let said = said(&c);
    let mut names: Vec<_> = said.lines().filter_map(|line| line.split('=').next()).collect();
    // A shell's own.
    names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    assert_eq!(names, ["MINE", "PATH"]);
}

#[test]
fn has_the_rights_of_the_process() {
    let c = Container::new().set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let caps = json!(["CAP_KILL"]);
    let c = c.set("/process/capabilities", json!({ "bounding": caps, "permitted": caps, "effective": caps }));
    let c = c.set("/process/noNewPrivileges", json!(true));
    let said = said(&hook(c, "id -u; grep -E 'CapBnd|CapEff|NoNewPrivs' /proc/self/status"));
    assert_eq!(said, "1000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000020\nNoNewPrivs:\t1\n");
}

#[test]
fn is_in_the_cgroups_of_the_container() {
    let c = Container::new().set("/linux/cgroupsPath", json!("/tare-test-start-hooks/one"));
    let c = c.namespace("cgroup", None);
    let said = said(&hook(c, "cat /proc/self/cgroup"));
    let lines: Vec<_> =
        said.lines().filter(|line| line.contains(":memory:") || line.contains(":pids:")).collect();
    assert!(lines.iter().all(|line| line.ends_with(":/tare-test-start-hooks/one")), "{said}");
    for mount in crate::harness::cgroup_mounts() {
        let _ = std::fs::remove_dir(mount.at.join("tare-test-start-hooks"));
    }
}

fn seccomp(names: &[&str], action: &str) -> Value {
    let calls = json!([{ "names": names, "action": action }]);
    json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls })
}

#[test]
fn is_under_the_filter_of_the_process() {
    for no_new_privs in [true, false] {
        let c = Container::new().set("/process/noNewPrivileges", json!(no_new_privs));
        let c = c.set("/linux/seccomp", seccomp(&["mkdir", "mkdirat"], "SCMP_ACT_KILL"));
        let c = c.set("/process/rlimits", json!([{ "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }]));
        let c = c
            .set("/hooks/startContainer", json!([{ "path": "/bin/mkdir", "args": ["mkdir", "/dev/shm/x"] }]));
        c.run(&[]).fails(1, "error running startContainer hook #0: signal: bad system call");
    }
}

#[test]
fn has_its_arguments_as_they_are() {
    let c = Container::new();
    let hook = json!([{ "path": "/bin/busybox", "args": ["cat", "/nosuch"] }]);
    let c = c.set("/hooks/startContainer", hook);
    c.run(&[]).fails(1, "cat: can't open '/nosuch'");
}

#[test]
fn create_container_hooks_begin_at_the_root() {
    let c = Container::new().args(&["cat", "/by-the-hook"]).writable();
    let hook = json!([{ "path": "/bin/sh", "args": ["sh", "-c", "echo here >by-the-hook"] }]);
    let c = c.set("/hooks/createContainer", hook);
    assert_eq!(c.says(), "here");
}
