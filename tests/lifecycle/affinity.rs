// SPDX-License-Identifier: Apache-2.0
//! Where a container may run is its cpuset's business, not that of the CPU that its caller is pinned to.
use std::process::Command;

use serde_json::json;

use crate::harness::{Container, finish, only_tare};

const SHOW: [&str; 3] = ["grep", "Cpus_allowed_list", "/proc/self/status"];

fn ours() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap()
        .trim()
        .to_owned()
}

/// The same command, pinned to the first CPU that is ours.
fn pinned(command: &Command) -> Command {
    let list = ours();
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", list.split(['-', ',']).next().unwrap()]);
    pinned.arg(command.get_program()).args(command.get_args());
    pinned.current_dir(command.get_current_dir().unwrap()).stdin(std::process::Stdio::null());
    pinned
}

fn list(out: &str) -> &str {
    out.split_once(':').unwrap().1.trim()
}

#[test]
fn of_the_caller_does_not_count() {
    only_tare!("runc does so from 1.3 on");
    let c = Container::new().args(&SHOW);
    let run = finish(pinned(&c.on("run", &[]))).ok();
    assert_eq!(list(&run.stdout()), ours());
    let c = Container::new().up();
    let mut exec = c.on("exec", &[]);
    exec.args(SHOW);
    assert_eq!(list(&finish(pinned(&exec)).ok().stdout()), ours());
}

#[test]
fn of_the_cpuset_counts() {
    let own = ours();
    let last = own.rsplit(['-', ',']).next().unwrap().to_owned();
    let c = Container::new().args(&SHOW).set("/linux/resources/cpu", json!({ "cpus": last }));
    assert_eq!(list(&c.says()), last);
}

#[test]
fn initial_one_of_exec_stays() {
    only_tare!("execCPUAffinity came with runc 1.3");
    let own = ours();
    let last = own.rsplit(['-', ',']).next().unwrap().to_owned();
    let c = Container::new().set("/process/execCPUAffinity", json!({ "initial": last })).up();
    assert_eq!(list(&c.exec(&[], &SHOW).ok().stdout()), last);
}
