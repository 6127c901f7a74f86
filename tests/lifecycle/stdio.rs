// SPDX-License-Identifier: Apache-2.0
//! Which file descriptors reach the process: 0 to 2, those asked for, and no other (CVE-2024-21626).
use std::fs;

use serde_json::json;

use crate::harness::{Container, after, finish};

/// The last entry is the shell's own, on the directory it lists.
const LIST: &str = "cd /proc/self/fd; echo *";

#[test]
fn no_other_fd_reaches_the_process() {
    let c = Container::new().sh(LIST);
    let open = "exec 3</dev/null 7</dev/null 9</";
    assert_eq!(finish(after(open, &c.on("run", &[]))).ok().stdout(), "0 1 2 3\n");
    let created = finish(after(open, &c.on("create", &[]))).ok();
    finish(after(open, &c.on("start", &[]))).ok();
    c.wait_status("stopped");
    assert_eq!(created.stdout(), "0 1 2 3\n");
    c.delete(&[]).ok();
    let c = c.up();
    let mut exec = c.on("exec", &[]);
    exec.args(["sh", "-c", LIST]);
    assert_eq!(finish(after(open, &exec)).ok().stdout(), "0 1 2 3\n");
}

#[test]
fn preserved_fds_keep_their_numbers() {
    let c = Container::new().sh(&format!("cat <&3; cat <&4; {LIST}"));
    fs::write(c.path("a"), "a\n").unwrap();
    fs::write(c.path("b"), "b\n").unwrap();
    let run = c.on("run", &["--preserve-fds", "2"]);
    let out = finish(after("exec 3<a 4<b 5</dev/null", &run)).ok().stdout();
    assert_eq!(out, "a\nb\n0 1 2 3 4 5\n");
}

#[test]
fn preserved_fd_has_to_be_open() {
    let c = Container::new();
    // Many: the Go runtime has some fds of its own.
    let run = c.on("run", &["--preserve-fds", "50"]);
    finish(after("exec 3</dev/null", &run)).fails(1, "unable to stat preserved-fd");
}

/// Socket activation: the fds of systemd come first, then those of `--preserve-fds`.
#[test]
fn listen_fds() {
    let c = Container::new().sh(&format!("echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4; {LIST}"));
    fs::write(c.path("a"), "a\n").unwrap();
    fs::write(c.path("b"), "b\n").unwrap();
    let run = c.on("run", &["--preserve-fds", "1"]);
    let open = "export LISTEN_FDS=1 LISTEN_PID=$$; exec 3<a 4<b 5</dev/null";
    assert_eq!(finish(after(open, &run)).ok().stdout(), "1 1\na\nb\n0 1 2 3 4 5\n");
}

/// Meant for some other process, from which they were inherited.
#[test]
fn listen_fds_of_another_pid_do_not_count() {
    let c = Container::new().sh(&format!("echo [$LISTEN_FDS]; {LIST}"));
    let open = "export LISTEN_FDS=1 LISTEN_PID=1; exec 3</dev/null";
    assert_eq!(finish(after(open, &c.on("run", &[]))).ok().stdout(), "[]\n0 1 2 3\n");
}

/// A program that opens /dev/stdout anew has to be allowed to.
#[test]
fn stdio_belongs_to_the_user() {
    let c = Container::new().set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let c = c.sh("echo out >>/dev/stdout; echo err >>/dev/stderr");
    let out = c.run(&[]).ok();
    assert_eq!((out.stdout().as_str(), out.stderr().as_str()), ("out\n", "err\n"));
}

#[test]
fn closed_stdio_of_the_caller_is_no_way_in() {
    let c = Container::new().sh("for f in 0 1 2; do readlink /proc/self/fd/$f; done >/out; true").writable();
    finish(after("exec <&- >&- 2>&-", &c.on("run", &[]))).ok();
    let out = fs::read_to_string(c.rootfs("out")).unwrap();
    for line in out.lines() {
        assert!(line == "/dev/null" || line.starts_with("pipe:") || line == "/out", "{out}");
    }
}

/// It comes from a mount of the host.
#[test]
fn null_of_the_caller_becomes_that_of_the_container() {
    let c = Container::new().sh("stat -Lc '%t:%T %d' /proc/self/fd/0 /dev/null");
    let out = c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    let lines: Vec<_> = out.stdout().lines().map(str::to_owned).collect();
    assert!(lines[0] == lines[1] && lines[0].starts_with("1:3 "), "{lines:?}");
}
