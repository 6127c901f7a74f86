// SPDX-License-Identifier: Apache-2.0
use crate::harness::{Container, Output, alive, only_tare, processes, wait_for};

/// Prints each signal it gets, ends with the last.
fn listener() -> (Container, Output) {
    let c = Container::new()
        .sh("for s in USR1 USR2 HUP; do trap \"echo $s\" $s; done; trap 'echo TERM; exit' TERM; echo up
         while :; do sleep 0.02; done");
    let out = c.run(&["--detach"]).ok();
    wait_for("the process", || out.stdout().contains("up").then_some(()));
    (c, out)
}

#[test]
fn signal_by_number_and_by_name_in_any_case() {
    let (c, out) = listener();
    for (signal, name) in
        [("10", "USR1"), ("SIGUSR2", "USR2"), ("HUP", "HUP"), ("sigusr1", "USR1"), ("usr2", "USR2")]
    {
        let before = out.stdout().matches(name).count();
        c.kill(signal).ok();
        wait_for(signal, || (out.stdout().matches(name).count() == before + 1).then_some(()));
    }
}

#[test]
fn default_is_term() {
    let (c, out) = listener();
    c.cmd(&["kill", &c.id]).ok();
    c.wait_status("stopped");
    assert!(out.stdout().ends_with("TERM\n"));
}

#[test]
fn signal_0_only_asks() {
    let c = Container::new().up();
    c.kill("0").ok();
    assert_eq!(c.status(), "running");
}

#[test]
fn unknown_signal() {
    let c = Container::new().up();
    c.kill("BOGUS").fails(1, "unknown signal \"BOGUS\"");
    c.kill("-1").code(1);
    assert_eq!(c.status(), "running");
}

/// containerd takes exactly these words for "gone already".
#[test]
fn stopped_container_is_not_running() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    c.kill("KILL").fails(1, "container not running");
    c.kill("0").fails(1, "container not running");
}

#[test]
fn unknown_container() {
    Container::new().kill("KILL").fails(1, "container does not exist");
}

#[test]
fn created_container_is_killed() {
    let c = Container::new();
    c.create(&[]).ok();
    c.kill("KILL").ok();
    c.wait_status("stopped");
}

/// A frozen process of cgroup v1 does not die before it is thawed.
#[test]
fn paused_container_is_killed() {
    let c = Container::new().up();
    c.cmd(&["pause", &c.id]).ok();
    c.kill("KILL").ok();
    c.wait_status("stopped");
}

fn two_processes_without_a_pid_namespace() -> (Container, Vec<i32>) {
    let c = Container::new().namespace("pid", None).sh("sleep 1000 & echo up; wait");
    let out = c.run(&["--detach"]).ok();
    wait_for("the process", || out.stdout().contains("up").then_some(()));
    let pids = wait_for("two processes", || Some(processes(&c.id)).filter(|p| p.len() == 2));
    (c, pids)
}

#[test]
fn all_means_every_process_of_the_cgroup() {
    let (c, pids) = two_processes_without_a_pid_namespace();
    c.cmd(&["kill", "--all", &c.id, "KILL"]).ok();
    wait_for("the end of both", || pids.iter().all(|&p| !alive(p)).then_some(()));
}

#[test]
fn kill_without_a_pid_namespace_means_every_process() {
    only_tare!("runc does so from 1.2 on");
    let (c, pids) = two_processes_without_a_pid_namespace();
    c.kill("KILL").ok();
    wait_for("the end of both", || pids.iter().all(|&p| !alive(p)).then_some(()));
}

#[test]
fn all_of_a_stopped_container_is_no_error() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    c.cmd(&["kill", "--all", &c.id, "KILL"]).ok();
}

/// The other half of `delete`'s promise: what init has left behind can be ended.
#[test]
fn what_outlives_init_is_killed() {
    only_tare!("runc does so from 1.2 on");
    let (c, pids) = two_processes_without_a_pid_namespace();
    let init = c.pid();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(init), nix::sys::signal::Signal::SIGKILL).unwrap();
    c.wait_status("stopped");
    let rest: Vec<i32> = pids.into_iter().filter(|pid| *pid != init).collect();
    assert!(rest.iter().all(|pid| alive(*pid)));
    c.kill("TERM").fails(1, "container not running");
    c.kill("KILL").ok();
    wait_for("the end of the rest", || rest.iter().all(|&p| !alive(p)).then_some(()));
    c.kill("KILL").fails(1, "container not running");
}

/// As the first process of its pid namespace it would not get a signal that it does not handle.
#[test]
fn created_container_ends_of_what_ends_a_program() {
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let c = Container::new();
        c.create(&[]).ok();
        c.kill(signal).ok();
        c.wait_status("stopped");
    }
}

#[test]
fn program_has_its_signals_as_ever() {
    let c = Container::new().args(&["grep", "SigCgt", "/proc/self/status"]);
    let out = c.create(&[]).ok();
    c.start().ok();
    c.wait_status("stopped");
    assert_eq!(out.stdout(), "SigCgt:\t0000000000000000\n");
}
