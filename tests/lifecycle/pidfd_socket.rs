// SPDX-License-Identifier: Apache-2.0
//! `--pidfd-socket`: the container's process as a descriptor, which no other process can come to be.
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::harness::{Container, FdSocket, only_tare};

/// The pid that a pidfd stands for.
fn pid(pidfd: &OwnedFd) -> i32 {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
    info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap().trim().parse().unwrap()
}

#[test]
fn of_create_and_run_is_inits() {
    only_tare!("runc 1.1 has no --pidfd-socket");
    for command in ["create", "run"] {
        let c = Container::new().args(&["sleep", "1000"]);
        let socket = FdSocket::bind(c.bundle());
        let mut flags = vec!["--pidfd-socket", socket.arg()];
        flags.extend((command == "run").then_some("--detach"));
        crate::harness::finish(c.on(command, &flags)).ok();
        let (payload, pidfd) = socket.receive();
        assert_eq!((payload.as_str(), pid(&pidfd)), ("standard", c.pid()), "{command}");
    }
}

#[test]
fn of_exec_is_the_new_processs() {
    only_tare!("runc 1.1 has no --pidfd-socket");
    let c = Container::new().up();
    let socket = FdSocket::bind(c.bundle());
    let file = c.path("exec.pid");
    let flags = ["--detach", "--pidfd-socket", socket.arg(), "--pid-file", file.to_str().unwrap()];
    c.exec(&flags, &["sleep", "1000"]).ok();
    let (payload, pidfd) = socket.receive();
    assert_eq!((payload.as_str(), pid(&pidfd).to_string()), ("setns", fs::read_to_string(file).unwrap()));
}

#[test]
fn nobody_there_is_an_error() {
    only_tare!("runc 1.1 has no --pidfd-socket");
    let c = Container::new().args(&["sleep", "1000"]);
    c.create(&["--pidfd-socket", "nosuch.sock"]).fails(1, "no such file or directory");
    let c = Container::new().up();
    c.exec(&["--pidfd-socket", "nosuch.sock"], &["true"]).fails(255, "no such file or directory");
}
