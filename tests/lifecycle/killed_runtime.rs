// SPDX-License-Identifier: Apache-2.0
//! The runtime is killed at any moment of a command; `delete --force` (the harness) leaves nothing.
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Container, Running, only_tare};

/// Kills `command` after each of `count` moments spread over the time that a whole one takes.
fn kill_at_moments(count: u32, container: impl Fn() -> Container, command: &str) {
    let c = container();
    let start = Instant::now();
    Running::spawn(c.on(command, &[])).wait().ok();
    let whole = start.elapsed();
    drop(c);
    for n in 0..count {
        let c = container();
        let running = Running::spawn(c.on(command, &[]));
        std::thread::sleep(whole * n / count);
        running.signal(Signal::SIGKILL);
        running.wait();
        let state = c.cmd(&["state", &c.id]);
        assert!(state.code == 0 || state.stderr().contains("container does not exist"), "{}", state.stderr());
    }
}

#[test]
fn during_create() {
    only_tare!("runc writes its state after its cgroups: a killed create leaves them for ever");
    kill_at_moments(40, Container::new, "create");
}

#[test]
fn during_create_with_a_user_namespace() {
    only_tare!("as above");
    kill_at_moments(20, || Container::new().userns(), "create");
}

#[test]
fn during_run() {
    only_tare!("as above");
    kill_at_moments(20, || Container::new().args(&["sleep", "0.05"]), "run");
}

#[test]
fn during_start() {
    only_tare!("as above");
    let created = || {
        let c = Container::new().args(&["sleep", "1000"]);
        c.create(&[]).ok();
        c
    };
    kill_at_moments(10, created, "start");
}

#[test]
fn during_delete() {
    only_tare!("as above");
    let stopped = || {
        let c = Container::new();
        c.run(&["--detach"]).ok();
        c.wait_status("stopped");
        c
    };
    kill_at_moments(20, stopped, "delete");
}

/// A hook that hangs holds the runtime where it is: killed there, the container is still deleted.
#[test]
fn in_a_hook() {
    only_tare!("as above");
    for point in ["prestart", "createRuntime", "createContainer"] {
        let hook = serde_json::json!([{ "path": "/bin/sleep", "args": ["sleep", "1"] }]);
        let c = Container::new().set(&format!("/hooks/{point}"), hook);
        let running = Running::spawn(c.on("create", &[]));
        std::thread::sleep(Duration::from_millis(200));
        running.signal(Signal::SIGKILL);
        running.wait();
    }
}
