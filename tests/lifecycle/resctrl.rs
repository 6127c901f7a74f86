// SPDX-License-Identifier: Apache-2.0
//! `linux.intelRdt` on a machine without it; the plan for one with it is tested in plan/resctrl.
use serde_json::json;

use crate::harness::{Container, only_tare};

#[test]
fn resource_control_that_is_not_there() {
    only_tare!("runc 1.1 ignores what it cannot do");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    if mounts.contains(" - resctrl ") {
        eprintln!("this machine has resctrl mounted: it would be used");
        return;
    }
    let c = Container::new().set("/linux/intelRdt", json!({ "closID": "x", "schemata": ["L3:0=f"] }));
    let words =
        "intelRdt is specified in config, but Intel RDT is not enabled (config.json: /linux/intelRdt)";
    c.create(&[]).fails(1, words);
    c.cmd(&["state", &c.id]).fails(1, "does not exist");
}
