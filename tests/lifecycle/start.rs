// SPDX-License-Identifier: Apache-2.0
use crate::harness::Container;

#[test]
fn starts_once() {
    let c = Container::new().args(&["sleep", "1000"]);
    c.create(&[]).ok();
    c.start().ok();
    assert_eq!(c.status(), "running");
    c.start().fails(1, "cannot start an already running container");
}

#[test]
fn stopped_container_does_not_start() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    c.start().fails(1, "cannot start a container that has stopped");
}

#[test]
fn container_killed_before_start_does_not_start() {
    let c = Container::new();
    c.create(&[]).ok();
    c.kill("KILL").ok();
    c.wait_status("stopped");
    c.start().fails(1, "cannot start a container that has stopped");
}

#[test]
fn unknown_container_does_not_start() {
    Container::new().start().fails(1, "container does not exist");
}

#[test]
fn paused_container_does_not_start() {
    let c = Container::new();
    c.create(&[]).ok();
    c.cmd(&["pause", &c.id]).ok();
    c.start().fails(1, "cannot start a container in the paused state");
}
