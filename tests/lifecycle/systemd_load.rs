// SPDX-License-Identifier: Apache-2.0
//! Many containers by systemd, one after the other and at once: in the guest, or below `hack/systemd`.
use std::process::Command;

use serde_json::json;

use super::systemd::{Unit, by_systemd, is_known, unit};
use crate::harness::{Container, Running, finish, has_systemd, needs};

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
    needs!(has_systemd(), "no systemd on cgroup v2");
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
    needs!(has_systemd(), "no systemd on cgroup v2");
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
