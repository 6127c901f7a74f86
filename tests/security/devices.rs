// SPDX-License-Identifier: Apache-2.0
//! A list of devices that is taken for one of what is forbidden: GHSA-g54h-m393-cpwq. Whatever the list, what nobody allows
//! is shut, before and after what may touch the rules.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, finish};

/// All but the usual ones, among which runc has tun too: the host's memory, its kernel log, the first disk and a loop device, made by mknod and opened.
const TRY: &str = "for d in 'c 1 1' 'c 1 2' 'c 1 4' 'c 1 11' 'b 7 0' 'b 8 0' 'b 259 0' 'c 10 237' 'c 10 229'; do \
                   rm -f /dev/n; mknod /dev/n $d 2>/dev/null || { echo -n 'm '; continue; }; \
                   ( : </dev/n ) 2>/dev/null && echo \"OPEN $d\"; echo -n 'd '; done; echo";

fn with(devices: &Value) -> Container {
    let c = Container::new().writable().config(|c| {
        match devices {
            Value::Null => drop(c["linux"]["resources"].as_object_mut().unwrap().remove("devices")),
            list => c["linux"]["resources"]["devices"] = list.clone(),
        }
        for set in ["bounding", "effective", "permitted"] {
            c["process"]["capabilities"][set] =
                json!(["CAP_MKNOD", "CAP_SYS_ADMIN", "CAP_SYS_RAWIO", "CAP_SYSLOG"]);
        }
    });
    c.up()
}

fn shut(c: &Container, when: &str) {
    // Without CAP_MKNOD in reach by `exec` the config's own set counts.
    let out = c.exec(&[], &["sh", "-c", TRY]).ok().stdout();
    assert!(!out.contains("OPEN") && (out.contains('d') || out.contains('m')), "{when}: {out}");
}

#[test]
fn what_nobody_allows_is_shut() {
    for list in [
        json!(null),
        json!([]),
        json!([{ "allow": false, "access": "rwm" }]),
        json!([{ "allow": false, "type": "c", "major": 5, "minor": 1, "access": "rwm" }]),
        json!([{ "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm" }]),
        json!([{ "allow": true, "type": "c", "access": "m" }, { "allow": true, "type": "b", "access": "m" }]),
    ] {
        let c = with(&list);
        shut(&c, &list.to_string());
    }
}

#[test]
fn it_stays_shut() {
    let c = with(&json!([{ "allow": false, "access": "rwm" }]));
    c.cmd(&["pause", &c.id]).ok();
    c.cmd(&["resume", &c.id]).ok();
    shut(&c, "after pause and resume");
    let file = c.path("resources.json");
    for resources in [
        json!({ "devices": [] }),
        json!({ "pids": { "limit": 99 } }),
        json!({}),
        json!({ "devices": [{ "allow": false, "access": "rwm" }] }),
    ] {
        fs::write(&file, resources.to_string()).unwrap();
        let mut update = c.runtime(["update", "--resources"]);
        update.arg(&file).arg(&c.id);
        finish(update).ok();
        shut(&c, &resources.to_string());
    }
}

/// In a user namespace nobody makes nodes, and what the host shows in there has its own owner.
#[test]
fn user_namespace_makes_no_device() {
    let c = Container::new().userns().writable().config(|c| {
        for set in ["bounding", "effective", "permitted"] {
            c["process"]["capabilities"][set] = json!(["CAP_MKNOD", "CAP_SYS_ADMIN"]);
        }
    });
    let out = c.sh(TRY).says();
    assert!(!out.contains("OPEN") && !out.contains('d'), "{out}");
}
