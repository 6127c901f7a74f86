// SPDX-License-Identifier: Apache-2.0
use serde_json::json;

use super::hooks::{hook, log, with_log};
use crate::harness::{Container, is_tare, only_tare, wait_for};

const BEFORE_START: [&str; 3] = ["prestart", "createRuntime", "createContainer"];

fn is_gone(c: &Container) {
    c.cmd(&["state", &c.id]).fails(1, "container does not exist");
}

/// The specification: the container is destroyed, its poststop hooks run.
#[test]
fn before_start_fails_create() {
    for point in BEFORE_START {
        let c = hook(with_log(), point, "echo the-reason >&2; exit 3");
        let c = hook(c, point, "echo second >>$L/order");
        let c = hook(c, "poststop", "echo poststop >>$L/order");
        // runc 1.1 does not say which.
        let which = if is_tare() { format!("{point} hook #0") } else { "hook #0".into() };
        let out = c.create(&[]).fails(1, &which);
        assert!(out.stderr().contains("the-reason"), "{point}: {}", out.stderr());
        is_gone(&c);
        assert_eq!(log(&c, "order"), "poststop\n", "{point}");
    }
}

#[test]
fn before_start_fails_run() {
    for point in BEFORE_START {
        let c = hook(with_log(), point, "exit 3").sh("echo ran >/log/order");
        c.run(&[]).fails(1, "hook #0");
        is_gone(&c);
        assert_eq!(log(&c, "order"), "", "{point}");
    }
}

#[test]
fn second_hook_is_number_1() {
    let c = hook(with_log(), "createRuntime", "true");
    hook(c, "createRuntime", "exit 1").create(&[]).fails(1, "hook #1");
}

#[test]
fn timeout_kills_the_hook() {
    for point in BEFORE_START {
        let c = hook(with_log(), point, "echo $$ >$L/pid; exec sleep 1000")
            .set(&format!("/hooks/{point}/0/timeout"), json!(1));
        c.create(&[]).fails(1, "hook ran past specified timeout of 1.0s");
        is_gone(&c);
    }
}

#[test]
fn missing_hook_is_named() {
    for point in BEFORE_START {
        let c = Container::new().set(&format!("/hooks/{point}"), json!([{ "path": "/nosuch/hook" }]));
        c.create(&[]).fails(1, "/nosuch/hook");
        is_gone(&c);
    }
}

#[test]
fn death_by_a_signal_is_a_failure() {
    let c = hook(with_log(), "createRuntime", "kill -9 $$");
    c.create(&[]).fails(1, ": signal: ");
    is_gone(&c);
}

#[test]
fn start_container_hook_fails_start() {
    only_tare!("runc's start has returned by then, against the specification");
    let c = hook(with_log(), "startContainer", "exit 3").sh("echo ran >/log/order");
    c.create(&[]).ok();
    c.start().fails(1, "startContainer hook #0");
    assert_eq!(log(&c, "order"), "");
}

#[test]
fn start_container_hook_keeps_the_process_from_running() {
    let c = hook(with_log(), "startContainer", "exit 3").sh("echo ran >/log/order");
    c.create(&[]).ok();
    let _ = c.start();
    c.wait_status("stopped");
    assert_eq!(log(&c, "order"), "");
}

#[test]
fn poststart_fails_start_and_stops_the_container() {
    only_tare!("runc before 1.4 runs it at the end of create");
    let c = hook(with_log(), "poststart", "exit 3").args(&["sleep", "1000"]);
    c.create(&[]).ok();
    c.start().fails(1, "poststart hook #0");
    wait_for("the end", || (c.cmd(&["state", &c.id]).code != 0 || c.status() == "stopped").then_some(()));
}

#[test]
fn poststop_only_warns() {
    only_tare!("runc's delete fails and leaves out the other hooks, against the specification");
    let c = hook(hook(with_log(), "poststop", "exit 3"), "poststop", "echo second >>$L/order");
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    let out = c.delete(&[]).ok();
    assert!(out.stderr().contains("poststop hook #0"), "{}", out.stderr());
    assert_eq!(log(&c, "order"), "second\n");
    is_gone(&c);
}
