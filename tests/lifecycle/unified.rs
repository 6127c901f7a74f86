// SPDX-License-Identifier: Apache-2.0
//! cgroup v2 without a guest: beside v1 it has a tree of its own here, and in a mount namespace it can be where v2 alone
//! would be. It has no controllers then but those that v1 leaves; freezer, devices, kill and types are v2's anyway.
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Container, is_v2, needs, only_tare, runtime};

/// Tests of this binary, by the beginnings of their names, in a mount namespace. The option is the whole machine's, and
/// set wherever systemd is: who is in a cgroup namespace puts no process into its cgroups from outside of them.
fn on_v2(tests: &[&str]) {
    let mut cmd = Command::new("unshare");
    cmd.args(["--mount", "--propagation", "private", "sh", "-c"]);
    cmd.arg("mount -t cgroup2 -o nsdelegate none /sys/fs/cgroup && exec \"$0\" \"$@\"");
    again(cmd, tests);
}

/// The same below a systemd of their own.
fn by_systemd(version: &[&str], tests: &str) {
    let mut cmd = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/hack/systemd"));
    cmd.args(version);
    again(cmd, &[tests]);
}

/// Each of them limits the time that its own commands take.
fn again(mut cmd: Command, tests: &[&str]) {
    needs!(!is_v2(), "the tests themselves run on v2");
    cmd.arg(std::env::current_exe().unwrap()).args(tests).args(["--skip", "is_done_by_the_freezer"]);
    let out = cmd.env("RUNTIME", runtime()).output().unwrap();
    let (text, err) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && !text.contains(" 0 passed"), "{text}\n{err}");
}

#[test]
fn units_of_systemd() {
    only_tare!("runc wants a bus daemon beside systemd");
    by_systemd(&[], "lifecycle::systemd::");
}

#[test]
fn units_of_systemd_on_v1() {
    only_tare!("runc wants a bus daemon beside systemd");
    by_systemd(&["--v1"], "lifecycle::systemd::");
}

/// Apart from the others, who would not be served meanwhile.
#[test]
fn a_systemd_that_is_executed_anew() {
    only_tare!("runc gives up when its connection is closed");
    for version in [&[][..], &["--v1"]] {
        by_systemd(version, "lifecycle::systemd_load::a_new");
    }
}

#[test]
fn device_rules() {
    on_v2(&["lifecycle::cgroup_differential::device", "lifecycle::update_devices::a_"]);
}

/// Apart from those that run runc, which turns the option off.
#[test]
fn exec_into_a_cgroup_namespace() {
    on_v2(&["lifecycle::exec::joins_"]);
}

#[test]
fn types_freezer_and_kill() {
    on_v2(&[
        "lifecycle::unified::a_",
        "lifecycle::pause::",
        "lifecycle::kill::",
        "lifecycle::cgroup_differential::huge",
    ]);
}

/// A cgroup that somebody has made, with others below it; gone in the end.
struct Other(PathBuf);

impl Other {
    fn new(c: &Container) -> Other {
        let this = Other(PathBuf::from(format!("/sys/fs/cgroup/{}-other", c.id)));
        fs::create_dir(&this.0).unwrap();
        this
    }

    fn config(&self, c: Container, below: &str) -> Container {
        let path = format!("/{}{below}", self.0.file_name().unwrap().to_str().unwrap());
        c.set("/linux/cgroupsPath", json!(path))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        for below in fs::read_dir(&self.0).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            let _ = fs::remove_dir(below.path());
        }
        let _ = fs::remove_dir(&self.0);
    }
}

fn huge_pages() -> Value {
    json!([{ "pageSize": "2MB", "limit": 0 }])
}

#[test]
fn a_threaded_parent_takes_no_domain_controllers() {
    needs!(is_v2(), "cgroup v2 is not at its usual place");
    let c = Container::new();
    let other = Other::new(&c);
    fs::create_dir(other.0.join("t")).unwrap();
    fs::write(other.0.join("t/cgroup.type"), "threaded").unwrap();
    let c = other.config(c, "/c");
    let c = c.set("/linux/resources/hugepageLimits", huge_pages());
    c.create(&[]).fails(1, "cannot enter cgroupv2").fails(1, "with domain controllers");
    assert!(!other.0.join("c").exists());
    drop(other);
}

#[test]
fn a_frozen_or_used_cgroup_is_refused() {
    needs!(is_v2(), "cgroup v2 is not at its usual place");
    only_tare!("runc refuses from 1.2 on");
    let c = Container::new();
    let other = Other::new(&c);
    let c = other.config(c, "");
    fs::write(other.0.join("cgroup.freeze"), "1").unwrap();
    c.create(&[]).fails(1, "container's cgroup unexpectedly frozen");
    fs::write(other.0.join("cgroup.freeze"), "0").unwrap();
    let mut sleep = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(other.0.join("cgroup.procs"), sleep.id().to_string()).unwrap();
    let refused = c.create(&[]);
    let alive = sleep.try_wait().unwrap().is_none();
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    assert!(alive);
    refused.fails(1, "container's cgroup is not empty: 1 process(es) found");
    drop(other);
}
