// SPDX-License-Identifier: Apache-2.0
use std::fs;

use crate::harness::{Container, wait_for};

fn counter() -> (Container, crate::harness::Output) {
    let c = Container::new().sh("while :; do echo x; sleep 0.01; done");
    let out = c.run(&["--detach"]).ok();
    wait_for("output", || (!out.stdout().is_empty()).then_some(()));
    (c, out)
}

#[test]
fn paused_container_stands_still_until_resumed() {
    let (c, out) = counter();
    c.cmd(&["pause", &c.id]).ok();
    let before = out.stdout().len();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(out.stdout().len(), before);
    c.cmd(&["resume", &c.id]).ok();
    wait_for("more output", || (out.stdout().len() > before).then_some(()));
    assert_eq!(c.status(), "running");
}

#[test]
fn is_done_by_the_freezer() {
    let c = Container::new().up();
    let Some(freezer) = c.cgroup("freezer") else { return eprintln!("skipped: no freezer of cgroup v1") };
    let state = || fs::read_to_string(freezer.join("freezer.state")).unwrap();
    c.cmd(&["pause", &c.id]).ok();
    assert_eq!(state(), "FROZEN\n");
    c.cmd(&["resume", &c.id]).ok();
    assert_eq!(state(), "THAWED\n");
}

#[test]
fn created_container_is_paused_too() {
    let c = Container::new();
    c.create(&[]).ok();
    c.cmd(&["pause", &c.id]).ok();
    assert_eq!(c.status(), "paused");
    c.cmd(&["resume", &c.id]).ok();
    assert_eq!(c.status(), "created");
}

#[test]
fn stopped_container_is_not_paused() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    c.cmd(&["pause", &c.id]).fails(1, "container not running");
    assert_eq!(c.status(), "stopped");
}

#[test]
fn running_container_is_not_resumed() {
    let c = Container::new().up();
    c.cmd(&["resume", &c.id]).fails(1, "container not paused");
}

#[test]
fn unknown_container() {
    let c = Container::new();
    c.cmd(&["pause", "nosuch"]).fails(1, "container does not exist");
    c.cmd(&["resume", "nosuch"]).fails(1, "container does not exist");
}
