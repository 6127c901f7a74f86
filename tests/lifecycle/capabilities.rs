// SPDX-License-Identifier: Apache-2.0
use serde_json::{Value, json};

use crate::harness::{Container, only_tare};

const CHOWN: u64 = 1 << 0;
const KILL: u64 = 1 << 5;
const NET_ADMIN: u64 = 1 << 12;

/// Inheritable, permitted, effective, bounding, ambient.
fn sets(c: Container) -> [u64; 5] {
    let out = c.args(&["grep", "Cap", "/proc/self/status"]).says();
    let mut sets =
        out.lines().map(|l| u64::from_str_radix(l.split_whitespace().nth(1).unwrap(), 16).unwrap());
    std::array::from_fn(|_| sets.next().unwrap())
}

fn with(caps: Value) -> Container {
    Container::new().set("/process/capabilities", caps)
}

#[test]
fn each_set_is_its_own() {
    let c = with(json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_ADMIN"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_CHOWN"],
        "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL"]
    }));
    // execve: root's own are permitted and effective, and with no_new_privs no others (capabilities(7)).
    assert_eq!(sets(c), [KILL, CHOWN | KILL, CHOWN | KILL, CHOWN | KILL | NET_ADMIN, KILL]);
}

#[test]
fn of_a_user_who_is_not_root() {
    let caps = json!(["CAP_CHOWN", "CAP_KILL"]);
    let c = with(
        json!({ "bounding": caps, "permitted": caps, "effective": caps, "inheritable": caps, "ambient": ["CAP_KILL"] }),
    );
    let all = CHOWN | KILL;
    assert_eq!(
        sets(c.set("/process/user", json!({ "uid": 1000, "gid": 1000 }))),
        [all, KILL, KILL, all, KILL]
    );
    let c = with(json!({ "bounding": caps, "permitted": caps, "effective": caps }));
    assert_eq!(sets(c.set("/process/user", json!({ "uid": 1000, "gid": 1000 }))), [0, 0, 0, all, 0]);
}

#[test]
fn empty_means_none() {
    assert_eq!(sets(with(json!({}))), [0; 5]);
    assert_eq!(
        sets(with(json!({ "bounding": [], "permitted": [], "effective": [], "ambient": [] }))),
        [0; 5]
    );
}

#[test]
fn none_is_left_for_what_needs_it() {
    let c = with(json!({})).writable().sh("chown 1 /bin/busybox || mount -t tmpfs t /mnt || hostname x");
    c.run(&[]).code(1);
}

/// A profile for a newer kernel must start on an older one.
#[test]
fn unknown_one_is_ignored() {
    let caps = json!(["CAP_KILL", "CAP_NOT_YET_THERE"]);
    let c = with(json!({ "bounding": caps, "permitted": caps, "effective": caps }));
    assert_eq!(sets(c)[3], KILL);
}

/// A bit that is left in the bounding set comes back by a set-uid program.
#[test]
fn bounding_set_is_cut_for_exec_too() {
    let c =
        with(json!({ "bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"] })).up();
    let out = c.exec(&[], &["grep", "CapBnd", "/proc/self/status"]).ok().stdout();
    assert_eq!(out, format!("CapBnd:\t{KILL:016x}\n"));
}

#[test]
fn ambient_without_inheritable_is_dropped() {
    only_tare!("runc 1.1 adds what is ambient to the inheritable set");
    let caps = json!(["CAP_KILL"]);
    let c = with(json!({ "bounding": caps, "permitted": caps, "effective": caps, "ambient": caps }));
    assert_eq!(sets(c)[4], 0);
}

#[test]
fn ambient_that_cannot_be_raised_is_told() {
    only_tare!("runc warns from 1.3 on");
    let caps = json!(["CAP_KILL", "CAP_CHOWN"]);
    let c =
        with(json!({ "bounding": caps, "permitted": caps, "effective": caps, "inheritable": ["CAP_KILL"],
        "ambient": caps }));
    let out = c.args(&["grep", "CapAmb", "/proc/self/status"]).run(&[]).ok();
    assert_eq!(out.stdout(), format!("CapAmb:\t{KILL:016x}\n"));
    let said = out.stderr();
    assert!(said.contains("can't raise ambient capability CAP_CHOWN: "), "{said}");
    assert!(!said.contains("CAP_KILL"), "{said}");
}
