// SPDX-License-Identifier: Apache-2.0
use std::fs;

use crate::harness::{Container, alive, processes, wait_for};

#[test]
fn stopped_container_is_gone() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    c.delete(&[]).ok();
    c.delete(&[]).fails(1, "container does not exist");
}

#[test]
fn running_container_is_refused() {
    let c = Container::new().up();
    c.delete(&[]).fails(1, &format!("cannot delete container {} that is not stopped: running", c.id));
    assert_eq!(c.status(), "running");
}

#[test]
fn paused_container_is_refused() {
    let c = Container::new().up();
    c.cmd(&["pause", &c.id]).ok();
    c.delete(&[]).fails(1, &format!("cannot delete container {} that is not stopped: paused", c.id));
}

#[test]
fn force_kills_first() {
    let c = Container::new().up();
    let pid = c.pid();
    c.delete(&["--force"]).ok();
    assert!(!alive(pid));
}

#[test]
fn force_deletes_a_paused_container() {
    let c = Container::new().up();
    c.cmd(&["pause", &c.id]).ok();
    c.delete(&["-f"]).ok();
}

#[test]
fn unknown_container_is_an_error_unless_forced() {
    let c = Container::new();
    c.delete(&[]).fails(1, "container does not exist");
    c.delete(&["--force"]).ok();
}

/// A creator that was killed between mkdir and its first write leaves this.
#[test]
fn force_removes_a_directory_without_a_state() {
    let c = Container::new();
    fs::create_dir_all(c.state_root().join(&c.id)).unwrap();
    c.delete(&["--force"]).ok();
    assert!(!c.state_root().join(&c.id).exists());
}

#[test]
fn force_kills_every_process_without_a_pid_namespace() {
    let c = Container::new().namespace("pid", None).sh("sleep 1000 & wait");
    c.run(&["--detach"]).ok();
    let pids = wait_for("two processes", || Some(processes(&c.id)).filter(|p| p.len() == 2));
    c.delete(&["--force"]).ok();
    wait_for("the end of both", || pids.iter().all(|&p| !alive(p)).then_some(()));
}

/// systemd or a Docker in the container makes its own.
#[test]
fn cgroups_below_the_container_go_too() {
    let c = Container::new().up();
    let Some(pids) = c.cgroup("pids") else { return eprintln!("skipped: no pids controller of cgroup v1") };
    fs::create_dir_all(pids.join("a/b")).unwrap();
    fs::create_dir(pids.join("c")).unwrap();
    c.delete(&["--force"]).ok();
    assert!(!pids.exists());
}

#[test]
fn bundle_may_be_gone() {
    let c = Container::new().up();
    fs::remove_file(c.path("config.json")).unwrap();
    fs::remove_dir_all(c.path("rootfs")).unwrap();
    c.delete(&["--force"]).ok();
}
