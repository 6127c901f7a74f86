// SPDX-License-Identifier: Apache-2.0
//! Device rules of a live container, which no other runtime changes.
use std::fs;

use serde_json::json;

use super::update::{resources, update};
use crate::harness::{Container, is_v2, only_tare};

/// With a node of a device that it may not open.
fn with_node() -> Container {
    let node = json!({ "path": "/dev/shut", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666 });
    Container::new().set("/linux/devices", json!([node])).up()
}

/// Whether there is a driver behind it or not: the rules are looked at first.
fn opens(c: &Container) -> bool {
    let out = c.exec(&[], &["sh", "-c", ": <>/dev/shut"]);
    let refused = out.stderr().to_lowercase().contains("operation not permitted");
    assert!(out.code == 0 || refused || out.stderr().contains("No such device"), "{}", out.stderr());
    !refused
}

fn rule(allow: bool) -> String {
    json!({ "devices": [{ "allow": allow, "type": "c", "major": 10, "minor": 229, "access": "rw" }] })
        .to_string()
}

#[test]
fn a_device_is_given_and_taken_away() {
    only_tare!("runc's update leaves the device rules alone");
    let c = with_node();
    assert!(!opens(&c));
    for allow in [true, false, true] {
        resources(&c, &rule(allow)).ok();
        assert_eq!(opens(&c), allow);
        // An update of something else does not change it; beside v1 there is no such controller on v2.
        let other = update(&c, &["--pids-limit", "50"]);
        assert!(other.code == 0 || is_v2(), "{}", other.stderr());
        assert_eq!(opens(&c), allow);
    }
    c.exec(&[], &["sh", "-c", "echo >/dev/null"]).ok();
}

/// An allow list of the whole, as containerd sends it, is the one that the container has.
#[test]
fn a_list_that_begins_with_all_replaces() {
    only_tare!("runc's update leaves the device rules alone");
    let c = with_node();
    resources(&c, &rule(true)).ok();
    assert!(opens(&c));
    resources(&c, &json!({ "devices": [{ "allow": false, "access": "rwm" }] }).to_string()).ok();
    assert!(!opens(&c));
    c.exec(&[], &["sh", "-c", "echo >/dev/null"]).ok();
}

#[test]
fn a_failed_update_gives_no_device() {
    only_tare!("runc's update leaves the device rules alone");
    let c = with_node();
    let mut request: serde_json::Value = serde_json::from_str(&rule(true)).unwrap();
    request["cpu"] = json!({ "cpus": "4000" });
    resources(&c, &request.to_string()).fails(1, "cpuset.cpus");
    assert!(!opens(&c));
}

/// The hook of a GPU's vendor writes rules of its own, of which we know nothing.
#[test]
fn foreign_rules_survive() {
    let c = with_node();
    let Some(dir) = c.cgroup("devices") else {
        return eprintln!("skipped: no devices controller of cgroup v1");
    };
    fs::write(dir.join("devices.allow"), "c 10:229 rw").unwrap();
    update(&c, &["--pids-limit", "50"]).ok();
    assert!(opens(&c));
}
