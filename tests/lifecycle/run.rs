// SPDX-License-Identifier: Apache-2.0
use std::fs::{self, File};

use nix::sys::signal::Signal;

use crate::harness::{Container, Running, finish, wait_for};

#[test]
fn exit_code_is_that_of_the_process() {
    for code in [0, 1, 42, 255] {
        Container::new().sh(&format!("exit {code}")).run(&[]).code(code);
    }
}

/// Without a pid namespace: the init of one ignores its own signals.
#[test]
fn death_by_a_signal_is_128_and_its_number() {
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("SEGV", 139)] {
        let c = Container::new().namespace("pid", None).sh(&format!("kill -{signal} $$"));
        c.run(&[]).code(code);
    }
}

#[test]
fn foreground_run_leaves_no_container() {
    let c = Container::new();
    c.run(&[]).ok();
    c.cmd(&["state", &c.id]).fails(1, "container does not exist");
}

#[test]
fn keep_leaves_a_stopped_container() {
    let c = Container::new().sh("exit 3");
    c.run(&["--keep"]).code(3);
    assert_eq!(c.status(), "stopped");
    c.delete(&[]).ok();
}

#[test]
fn detached_run_returns_while_the_process_goes_on() {
    let c = Container::new().args(&["sleep", "1000"]);
    c.run(&["--detach", "--pid-file", "pid"]).ok();
    assert_eq!(c.status(), "running");
    assert_eq!(fs::read_to_string(c.path("pid")).unwrap(), c.pid().to_string());
}

#[test]
fn detached_run_of_a_process_that_ends_at_once() {
    let c = Container::new().args(&["echo", "ran"]);
    let out = c.run(&["-d"]).ok();
    c.wait_status("stopped");
    assert_eq!(out.stdout(), "ran\n");
    c.delete(&[]).ok();
}

#[test]
fn stdin_comes_through_with_its_end() {
    let c = Container::new().args(&["wc", "-c"]);
    fs::write(c.path("in"), vec![b'x'; 300_000]).unwrap();
    let mut run = c.on("run", &[]);
    run.stdin(File::open(c.path("in")).unwrap());
    assert_eq!(finish(run).ok().stdout(), "300000\n");
}

#[test]
fn stdout_and_stderr_are_apart_and_whole() {
    let c = Container::new().sh("head -c 3000000 /dev/zero | tr '\\0' x; echo err >&2");
    let out = c.run(&[]).ok();
    assert_eq!((out.stdout().len(), out.stderr().as_str()), (3_000_000, "err\n"));
}

#[test]
fn signals_reach_the_process() {
    let c =
        Container::new().sh("trap 'exit 7' USR1; trap 'exit 8' TERM; echo up; while :; do sleep 0.02; done");
    for (signal, code) in [(Signal::SIGUSR1, 7), (Signal::SIGTERM, 8)] {
        let run = Running::spawn(c.on("run", &[]));
        wait_for("the process", || run.stdout().contains("up").then_some(()));
        run.signal(signal);
        run.wait().code(code);
    }
}

/// buildkit: a pid file and `state` while `run` is in the foreground.
#[test]
fn foreground_container_has_a_pid_file_and_a_state() {
    let c = Container::new().args(&["sleep", "1000"]);
    let run = Running::spawn(c.on("run", &["--pid-file", "pid"]));
    wait_for("the pid file", || c.path("pid").exists().then_some(()));
    c.wait_status("running");
    assert_eq!(fs::read_to_string(c.path("pid")).unwrap(), c.pid().to_string());
    c.kill("9").ok();
    run.wait().code(137);
}

/// Without a pid namespace only the cgroup says which processes belong to the container.
#[test]
fn what_init_leaves_behind_is_killed() {
    let c = Container::new().namespace("pid", None).sh("sleep 1000 >/dev/null 2>&1 </dev/null & exit 5");
    c.run(&[]).code(5);
}

#[test]
fn orphans_of_the_container_are_reaped_not_waited_for() {
    let c = Container::new().namespace("pid", None).sh("(sleep 0.2; true) >/dev/null 2>&1 & exit 6");
    c.run(&[]).code(6);
}
