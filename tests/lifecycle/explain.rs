// SPDX-License-Identifier: Apache-2.0
//! The plan, printed and not performed.
use crate::harness::{Container, only_tare};

#[test]
fn explain_and_dry_run_print_the_same_and_do_nothing() {
    only_tare!("no other runtime has it");
    let c = Container::new();
    let explained = c.cmd(&["explain", "--bundle", "."]).ok().stdout();
    let dry = c.create(&["--dry-run"]).ok().stdout();
    for words in ["/proc", "/sys/fs/cgroup", "runc", "/process/rlimits"] {
        assert!(explained.contains(words), "{words} in {explained}");
    }
    let steps = |text: &str| text.replace(&c.id, "ID").lines().count();
    assert_eq!(steps(&explained), steps(&dry));
    c.cmd(&["state", &c.id]).fails(1, "container does not exist");
    assert!(!c.rootfs("proc").exists(), "not even a mount point");
}

#[test]
fn bad_config_is_refused_as_by_create() {
    only_tare!("no other runtime has it");
    let c = Container::new().set("/process/cwd", serde_json::json!("relative"));
    let explained = c.cmd(&["explain", "--bundle", "."]).fails(1, "Cwd must be an absolute path");
    drop(explained);
    c.create(&["--dry-run"]).fails(1, "Cwd must be an absolute path");
}

#[test]
fn systemd_cgroup_is_refused_not_ignored() {
    only_tare!("runc has the driver");
    let c = Container::new();
    c.cmd(&["--systemd-cgroup", "create", &c.id]).fails(1, "systemd");
}
