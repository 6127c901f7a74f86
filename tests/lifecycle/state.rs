// SPDX-License-Identifier: Apache-2.0
use serde_json::json;

use crate::harness::{Container, Running, finish, is_tare, wait_for};

#[test]
fn keys_are_these_in_this_order() {
    let c = Container::new().set("/annotations", json!({ "a.b/c": "d" }));
    c.create(&[]).ok();
    let out = c.cmd(&["state", &c.id]).ok().stdout();
    let keys: Vec<_> = out.lines().filter_map(|l| l.strip_prefix("  \"")?.split('"').next()).collect();
    let all = ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"];
    assert_eq!(keys, all, "{out}");
}

#[test]
fn values() {
    let c = Container::new().set("/annotations", json!({ "a.b/c": "d" }));
    c.create(&[]).ok();
    let state = c.state();
    assert!(state["ociVersion"].as_str().unwrap().starts_with("1."));
    assert_eq!(state["id"], c.id);
    assert!(state["pid"].as_u64().unwrap() > 1);
    assert_eq!(state["bundle"].as_str(), c.bundle().to_str());
    assert_eq!(state["rootfs"].as_str(), c.path("rootfs").to_str(), "buildkit needs it absolute");
    assert_eq!(state["annotations"], json!({ "a.b/c": "d" }));
    assert_eq!(state["owner"], "");
    if is_tare() {
        assert_eq!(state["ociVersion"], "1.3.0", "the runtime's own; runc 1.1 gives that of the config");
    }
}

/// time.RFC3339Nano, in UTC.
#[test]
fn created_is_a_time() {
    let c = Container::new();
    c.create(&[]).ok();
    let state = c.state();
    let shape: String = state["created"]
        .as_str()
        .unwrap()
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let (seconds, rest) = shape.split_at("0000-00-00T00:00:00".len());
    assert_eq!(seconds, "0000-00-00T00:00:00");
    let fraction = rest.strip_suffix('Z').unwrap();
    assert!(fraction.is_empty() || fraction.starts_with(".0") && fraction.len() <= 10, "{shape}");
}

#[test]
fn status_through_life() {
    let c = Container::new().sh("trap exit TERM; while :; do sleep 0.02; done");
    c.create(&[]).ok();
    assert_eq!(c.status(), "created");
    c.start().ok();
    assert_eq!(c.status(), "running");
    c.cmd(&["pause", &c.id]).ok();
    assert_eq!(c.status(), "paused");
    c.cmd(&["resume", &c.id]).ok();
    assert_eq!(c.status(), "running");
    wait_for("the end", || {
        c.kill("TERM");
        (c.status() == "stopped").then_some(())
    });
    assert_eq!(c.state()["pid"], 0);
    assert!(c.state().get("annotations").is_none());
}

#[test]
fn unknown_container() {
    let c = Container::new();
    c.cmd(&["state", "nosuch"]).fails(1, "container does not exist");
}

/// buildah polls `state` from the return of `create` to `delete`, and takes a failure for the end.
#[test]
fn never_fails_between_create_and_delete() {
    let c = Container::new().sh("for i in $(seq 20); do :; done");
    c.create(&[]).ok();
    let start = Running::spawn(c.on("start", &[]));
    let seen: Vec<_> = wait_for("stopped", || {
        let status = c.status();
        (status == "stopped").then(|| vec![status])
    });
    start.wait().ok();
    assert_eq!(seen, ["stopped"]);
    for _ in 0..5 {
        finish(c.on("state", &[])).ok();
    }
}
