// SPDX-License-Identifier: Apache-2.0
//! Many containers by systemd, one after the other and at once: in the guest, or below `hack/systemd`.
use std::process::Command;

use serde_json::json;

use super::systemd::{Unit, by_systemd, is_known, limited, limits, unit, up};
use super::update::resources;
use crate::harness::{Container, Running, finish, has_systemd, needs, only_tare};

const CYCLES: usize = 100;
const AT_ONCE: usize = 50;
const CLIENTS: usize = 20;

fn container() -> (Container, Unit) {
    let c = Container::new().args(&["sleep", "1000"]);
    let unit = unit(&c);
    (c.set("/linux/cgroupsPath", json!(unit.path)), unit)
}

#[test]
fn a_hundred_lives_leave_nothing() {
    needs!(has_systemd(), "no systemd");
    let (c, unit) = container();
    for _ in 0..CYCLES {
        finish(by_systemd(&c, "create", &[])).ok();
        c.start().ok();
        c.delete(&["--force"]).ok();
        assert!(!unit.cgroup.exists());
    }
    assert!(!is_known(&unit.name), "{}", unit.name);
}

/// Asks for the whole list of units, over and over: over the bus where there is one, else of systemd itself.
fn client() -> Running {
    let mut cmd = Command::new("sh");
    cmd.arg("-c").arg(
        "ask() { if [ -S /run/dbus/system_bus_socket ]; \
            then busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager ListUnits; \
            else systemctl list-units --all; fi; }; while ask >/dev/null; do :; done",
    );
    Running::spawn(cmd)
}

#[test]
fn many_at_once_while_others_keep_the_bus_busy() {
    needs!(has_systemd(), "no systemd");
    let all: Vec<_> = (0..AT_ONCE).map(|_| container().0).collect();
    let clients: Vec<_> = (0..CLIENTS).map(|_| client()).collect();
    let running: Vec<_> = all.iter().map(|c| Running::spawn(by_systemd(c, "create", &[]))).collect();
    for each in running {
        each.wait().ok();
    }
    drop(clients);
    for c in &all {
        c.start().ok();
        c.delete(&["--force"]).ok();
    }
}

/// systemd executes itself anew, over and over, as an upgrade of it does: it is not there for a moment, and all who were
/// connected are no more.
#[test]
fn a_new_systemd_knows_the_limits_and_hinders_nobody() {
    needs!(has_systemd(), "no systemd");
    only_tare!("runc gives up when its connection is closed");
    let (first, first_unit) = up(&limits());
    let mut cmd = Command::new("sh");
    cmd.args(["-c", "while :; do systemctl daemon-reexec; sleep ${SLOWER:-0}.1; done"]);
    let anew = Running::spawn(cmd);
    let (c, unit) = container();
    let device = json!({ "allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw" });
    for _ in 0..10 {
        finish(by_systemd(&c, "create", &[])).ok();
        resources(&first, &json!({ "devices": [device] }).to_string()).ok();
        c.start().ok();
        c.delete(&["--force"]).ok();
        assert!(!unit.cgroup.exists());
    }
    drop(anew);
    // It may be on its way yet.
    let mut there = Command::new("sh");
    there.args(["-c", "until systemctl show >/dev/null 2>&1; do sleep 0.05; done"]);
    finish(there).ok();
    limited(&first_unit);
    first.exec(&[], &["true"]).ok();
    assert!(!is_known(&unit.name), "{}", unit.name);
}
