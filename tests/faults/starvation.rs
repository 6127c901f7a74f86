// SPDX-License-Identifier: Apache-2.0
//! A caller or a machine that is short of something: the container runs as it should, or the command says why not; and
//! nothing is left.

use std::process::Command;

use serde_json::json;

use crate::harness::{Container, Output, after, finish, only_tare, wait_for};
use crate::left::what_stays;
use crate::whole::light;

/// Runs after a line of shell that takes something away.
fn short_of(prelude: &str, cmd: &Command) -> Output {
    finish(after(prelude, &light(cmd)))
}

#[track_caller]
fn works_or_says_why(c: &Container, what: &str, out: &Output) -> bool {
    assert!(out.code >= 0 && out.code != 101, "{what}: {} {}", out.code, out.stderr());
    assert!(out.code == 0 || !out.stderr().trim().is_empty(), "{what}: {} without a word", out.code);
    if out.code != 0 {
        let (left, _) = what_stays(c);
        assert!(left.is_empty(), "{what}: {left:?}");
    }
    out.code == 0
}

#[test]
fn of_descriptors() {
    only_tare!("runc 1.1 leaves its cgroups behind a create that fails late");
    let c = Container::new().set("/process/rlimits", json!([]));
    let mut worked = false;
    for limit in (3..64).step_by(3) {
        let out = short_of(&format!("ulimit -n {limit}"), &c.on("run", &[]));
        worked = works_or_says_why(&c, &format!("{limit} descriptors"), &out);
    }
    assert!(worked, "not even with 63");
}

#[test]
fn of_room_for_the_state() {
    only_tare!("as above");
    let c = Container::new();
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    for inodes in 1..12 {
        let mount = format!("mount -t tmpfs -o size=16k,nr_inodes={inodes} none {at}");
        let run = Command::new(crate::whole::light_runtime());
        let mut cmd = Command::new("unshare");
        cmd.args(["--mount", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")]).arg(run.get_program());
        cmd.args(["--root", at, "run", "--bundle"]).arg(c.bundle()).arg(&c.id);
        works_or_says_why(&c, &format!("{inodes} inodes"), &finish(cmd));
    }
}

#[test]
fn of_a_writable_state_directory() {
    let c = Container::new();
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let mut cmd = Command::new("unshare");
    let mount = format!("mount -t tmpfs -o ro none {at}");
    cmd.args(["--mount", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")])
        .arg(crate::whole::light_runtime());
    cmd.args(["--root", at, "create", "--bundle"]).arg(c.bundle()).arg(&c.id);
    let out = finish(cmd);
    assert_ne!(out.code, 0);
    works_or_says_why(&c, "a read-only root", &out);
}

#[test]
fn of_proc() {
    let c = Container::new();
    let mut cmd = Command::new("unshare");
    let prelude = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";
    cmd.args(["--mount", "sh", "-c", prelude]).arg(crate::whole::light_runtime());
    cmd.arg("--root").arg(c.state_root()).args(["run", "--bundle"]).arg(c.bundle()).arg(&c.id);
    let out = finish(cmd);
    assert_ne!(out.code, 0);
    works_or_says_why(&c, "no /proc", &out);
}

#[test]
fn of_processes_and_memory() {
    only_tare!("runc needs more threads and memory than these");
    let c = Container::new().set("/linux/resources/pids", json!({ "limit": 1 }));
    assert!(works_or_says_why(&c, "one process", &finish(light(&c.on("run", &[])))));
    let c = Container::new();
    for kib in [4, 64, 256, 512, 4096] {
        let c = c.config_of(kib);
        let out = finish(light(&c.on("run", &[])));
        works_or_says_why(&c, &format!("{kib} KiB"), &out);
    }
}

/// What the kernel has charged in advance is no reason to refuse it: before, every tenth start or so failed.
#[test]
fn a_limit_above_the_use_is_set() {
    only_tare!("runc needs more memory than this");
    for _ in 0..20 {
        let c = Container::new().config_of(192);
        let out = finish(light(&c.on("run", &[])));
        assert!(!out.stderr().contains("unable to set memory limit"), "{}", out.stderr());
        // 137: it was started, and the program needs more than that at times.
        if out.code != 137 {
            works_or_says_why(&c, "192 KiB", &out);
        }
    }
}

impl Container {
    fn config_of(&self, kib: u64) -> Self {
        Self::new().set("/linux/resources/memory", json!({ "limit": kib << 10 }))
    }
}

#[test]
fn of_streams() {
    let c = Container::new();
    for closed in ["0<&-", "1>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"] {
        let out = short_of(&format!("exec {closed}"), &c.on("create", &[]));
        assert_eq!(out.code, 0, "{closed}: {}", out.stderr());
        c.start().ok();
        wait_for("its end", || (c.status() == "stopped").then_some(()));
        c.delete(&[]).ok();
    }
}

#[test]
fn of_stack_environment_and_signals() {
    let c = Container::new().args(&["sh", "-c", "umask; grep -E 'Sig(Blk|Ign)' /proc/self/status"]);
    let want = finish(light(&c.on("run", &[]))).ok().stdout();
    for prelude in [
        "ulimit -s 512",
        "umask 0",
        "umask 077",
        "trap '' CHLD",
        "trap '' PIPE HUP",
        "set --; unset PATH HOME",
    ] {
        let cmd = light(&c.on("run", &[]));
        let prelude = prelude.strip_prefix("set --; ").unwrap_or(prelude);
        let out = finish(after(prelude, &cmd)).ok();
        assert!(prelude.contains("PIPE") || out.stdout() == want, "{prelude}: {} {want}", out.stdout());
    }
    let mut cmd = Command::new("env");
    cmd.args(["--block-signal=TERM,CHLD,HUP", "--ignore-environment"]);
    let light = light(&c.on("run", &[]));
    cmd.arg(light.get_program()).args(light.get_args()).current_dir(c.bundle());
    assert_eq!(finish(cmd).ok().stdout(), want);
}

#[test]
fn of_a_thawed_cgroup() {
    let c = Container::new().up();
    finish(light(&c.on("pause", &[]))).ok();
    let mut exec = c.on("exec", &[]);
    exec.arg("true");
    assert_ne!(finish(light(&exec)).code, 0);
    assert_eq!(finish(light(&c.on("state", &[]))).ok().stdout().matches("paused").count(), 1);
    finish(light(&c.on("delete", &["--force"]))).ok();
    let (left, _) = what_stays(&c);
    assert!(left.is_empty(), "{left:?}");
}

/// One that never reads what it is given, and one that never ends.
#[test]
fn of_a_hook_that_ends() {
    only_tare!("runc 1.1 leaves its cgroups behind a hook that fails");
    let hook = |args: &[&str]| json!([{ "path": "/bin/sleep", "args": args, "timeout": 1 }]);
    let c = Container::new().set("/hooks/createRuntime", hook(&["sleep", "0.1"]));
    finish(light(&c.on("run", &[]))).ok();
    let c = Container::new().set("/hooks/createRuntime", hook(&["sleep", "1000"]));
    let out = finish(light(&c.on("create", &[])));
    assert_ne!(out.code, 0);
    works_or_says_why(&c, "a hook without an end", &out);
}
