// SPDX-License-Identifier: Apache-2.0
//! What a process of the container meets under `linux.seccomp`. What a profile compiles to: tests/seccomp.
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, base, only_tare};

const SIGSYS: i32 = 31;

pub(super) fn with(syscalls: Value) -> Container {
    let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls });
    Container::new().writable().set("/linux/seccomp", profile)
}

/// This action for what `mkdir` calls, by whatever name this architecture has.
pub(super) fn on_mkdir(action: &str) -> Value {
    json!([{ "names": ["mkdir", "mkdirat"], "action": action }])
}

fn with_errno(errno: Option<u32>) -> Container {
    let mut syscalls = on_mkdir("SCMP_ACT_ERRNO");
    if let Some(errno) = errno {
        syscalls[0]["errnoRet"] = json!(errno);
    }
    with(syscalls).args(&["mkdir", "/dir"])
}

#[test]
fn errno() {
    with_errno(None).run(&[]).fails(1, "Operation not permitted");
    with_errno(Some(28)).run(&[]).fails(1, "No space left on device");
    let c = with_errno(Some(0));
    c.run(&[]).ok();
    assert!(!c.rootfs("dir").exists(), "it only says that it did");
}

#[test]
fn kill_and_trap() {
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] {
        let c = with(on_mkdir(action)).args(&["mkdir", "/dir"]);
        c.run(&[]).code(128 + SIGSYS);
        assert!(!c.rootfs("dir").exists(), "{action}");
    }
}

/// A handler may answer SIGSYS; what is to be killed is asked nothing.
#[test]
fn trap_can_be_caught() {
    // The shell's own kill(2); it says so with another signal, and lives.
    let on_kill = |action| {
        let script = "trap 'echo caught' SYS; kill -0 $$; echo on";
        with(json!([{ "names": ["kill"], "action": action }])).sh(script)
    };
    assert_eq!(on_kill("SCMP_ACT_TRAP").says(), "caught\non");
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS"] {
        let out = on_kill(action).run(&[]).code(128 + SIGSYS);
        assert_eq!(out.stdout(), "", "{action}");
    }
}

/// The test's own executable, which is static, as a program of several threads.
fn with_a_thread(action: &str) -> Container {
    let c = with(on_mkdir(action));
    fs::copy(std::env::current_exe().unwrap(), c.rootfs("probe")).unwrap();
    c.args(&[
        "/probe",
        "--ignored",
        "--exact",
        "lifecycle::seccomp::a_thread_makes_a_directory",
        "--nocapture",
    ])
}

#[test]
#[ignore = "runs inside of a container, by with_a_thread"]
#[expect(clippy::print_stdout, reason = "the container's output")]
fn a_thread_makes_a_directory() {
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let _ = std::thread::spawn(|| drop(fs::create_dir("/dir")));
    crate::harness::wait_for("its end", || (threads() == before).then_some(()));
    println!("the thread is gone");
}

#[test]
fn kill_thread_kills_the_thread_alone() {
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD"] {
        let c = with_a_thread(action);
        assert!(c.says().contains("the thread is gone"), "{action}");
        assert!(!c.rootfs("dir").exists(), "{action}");
    }
    let out = with_a_thread("SCMP_ACT_KILL_PROCESS").run(&[]).code(128 + SIGSYS);
    assert!(!out.stdout().contains("gone"), "{}", out.stdout());
}

#[test]
fn log_and_allow() {
    for action in ["SCMP_ACT_LOG", "SCMP_ACT_ALLOW"] {
        let c = with(on_mkdir(action)).sh("mkdir /dir && grep Seccomp: /proc/self/status");
        assert_eq!(c.says(), "Seccomp:\t2", "{action}");
    }
}

/// Without a tracer there is no such syscall (seccomp(2)).
#[test]
fn trace() {
    with(on_mkdir("SCMP_ACT_TRACE")).args(&["mkdir", "/dir"]).run(&[]).fails(1, "Function not implemented");
}

/// All that Docker allows on some condition, without `but`.
fn allowed(but: &[&str]) -> Value {
    let docker: Value = serde_json::from_str(include_str!("../seccomp/profiles/docker.json")).unwrap();
    let rules = docker["syscalls"].as_array().unwrap().iter();
    let names =
        rules.filter(|r| r["action"] == "SCMP_ACT_ALLOW").flat_map(|r| r["names"].as_array().unwrap());
    let names: Vec<_> = names.filter(|n| !but.contains(&n.as_str().unwrap())).collect();
    json!([{ "names": names, "action": "SCMP_ACT_ALLOW" }])
}

#[test]
fn default_errno() {
    for (errno, words) in [(Value::Null, "Operation not permitted"), (json!(28), "No space left on device")] {
        let c = with(allowed(&["mkdir", "mkdirat"]))
            .set("/linux/seccomp/defaultAction", json!("SCMP_ACT_ERRNO"))
            .set("/linux/seccomp/defaultErrnoRet", errno)
            .args(&["mkdir", "/dir"]);
        c.run(&[]).fails(1, words);
    }
}

/// Of the signals 10, 12, 14 and 15 those that the container may send to itself, process 1.
fn may_send(args: Value) -> String {
    let c = with(json!([{ "names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": args }]));
    let script =
        "trap '' 10 12 14 15; for s in 10 12 14 15; do kill -$s $$ 2>/dev/null && echo $s; done; true";
    c.sh(script).says().replace('\n', " ")
}

#[test]
fn conditions_on_arguments() {
    for (op, value, sent) in [
        ("EQ", 12, "10 14 15"),
        ("NE", 12, "12"),
        ("LT", 12, "12 14 15"),
        ("LE", 12, "14 15"),
        ("GT", 12, "10 12"),
        ("GE", 12, "10"),
    ] {
        let op = format!("SCMP_CMP_{op}");
        assert_eq!(may_send(json!([{ "index": 1, "value": value, "op": op }])), sent, "{op}");
    }
    // The value is the mask here: 10 is 0b1010, and the others have the bit 4.
    let masked = json!([{ "index": 1, "value": 4, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ" }]);
    assert_eq!(may_send(masked), "10");
}

/// On one argument any of the conditions is enough, on several all have to hold: runc's reading.
#[test]
fn several_conditions() {
    let eq = |index: u32, value: u32| json!({ "index": index, "value": value, "op": "SCMP_CMP_EQ" });
    assert_eq!(may_send(json!([eq(0, 1), eq(1, 12)])), "10 14 15");
    assert_eq!(may_send(json!([eq(0, 2), eq(1, 12)])), "10 12 14 15");
    assert_eq!(may_send(json!([eq(1, 10), eq(1, 12)])), "14 15");
}

#[test]
fn names_that_nobody_knows_are_skipped() {
    let mut syscalls = on_mkdir("SCMP_ACT_ERRNO");
    syscalls[0]["names"].as_array_mut().unwrap().insert(0, json!("no_such_syscall"));
    with(syscalls).args(&["mkdir", "/dir"]).run(&[]).fails(1, "Operation not permitted");
}

fn filters(status: &str) -> u32 {
    let count = status.lines().find_map(|l| l.strip_prefix("Seccomp_filters:")).unwrap();
    count.trim().parse().unwrap()
}

/// One filter more than ours. The user shows that it is there before the privileges go: without no_new_privs it takes
/// CAP_SYS_ADMIN to load one.
#[test]
fn with_and_without_new_privileges() {
    let own = filters(&fs::read_to_string("/proc/self/status").unwrap());
    for (no_new_privileges, uid) in [(true, 0), (true, 1000), (false, 0), (false, 1000)] {
        let c = with(on_mkdir("SCMP_ACT_ERRNO"))
            .set("/process/noNewPrivileges", json!(no_new_privileges))
            .set("/process/user/uid", json!(uid));
        let status = c.args(&["cat", "/proc/self/status"]).says();
        let nnp = format!("NoNewPrivs:\t{}\nSeccomp:\t2\n", u8::from(no_new_privileges));
        assert!(status.contains(&nnp), "{status}");
        assert_eq!(filters(&status), own + 1);
    }
}

#[test]
fn empty_profile_is_loaded() {
    only_tare!("runc 1.1 takes one that allows everything for none");
    let c = with(json!([])).args(&["grep", "Seccomp:", "/proc/self/status"]);
    assert_eq!(c.says(), "Seccomp:\t2");
}

#[test]
fn exec_is_under_the_filter() {
    for no_new_privileges in [true, false] {
        let c =
            with(on_mkdir("SCMP_ACT_ERRNO")).set("/process/noNewPrivileges", json!(no_new_privileges)).up();
        c.exec(&[], &["mkdir", "/dir"]).fails(1, "Operation not permitted");
        c.exec(&["--user", "1000"], &["mkdir", "/tmp"]).fails(1, "Operation not permitted");
        let mut process = base()["process"].take();
        process["args"] = json!(["mkdir", "/dir"]);
        process["noNewPrivileges"] = json!(!no_new_privileges);
        fs::write(c.path("process.json"), process.to_string()).unwrap();
        c.cmd(&["exec", "--process", "process.json", &c.id]).fails(1, "Operation not permitted");
    }
}

/// Of our own calls a filter that is the last before the program need allow read, write and execve alone.
fn starts_under(names: &[&str], defaults: &[&str]) {
    for action in defaults {
        let syscalls = json!([{ "names": names, "action": "SCMP_ACT_ALLOW" }]);
        let profile = json!({ "defaultAction": action, "syscalls": syscalls });
        let c = Container::new().set("/linux/seccomp", profile).args(&["echo", "started"]);
        assert_eq!(c.says(), "started");
        let out = c.create(&[]).ok();
        let status = fs::read_to_string(format!("/proc/{}/status", c.pid())).unwrap();
        assert!(status.contains("Seccomp:\t2\n"), "{status}");
        c.start().ok();
        c.wait_status("stopped");
        assert_eq!(out.stdout(), "started\n");
        c.delete(&[]).ok();
    }
}

/// What busybox's `echo` calls.
const ECHO: [&str; 15] = [
    "arch_prctl",
    "brk",
    "execve",
    "exit_group",
    "getrandom",
    "getuid",
    "mprotect",
    "prlimit64",
    "read",
    "readlink",
    "readlinkat",
    "rseq",
    "set_robust_list",
    "set_tid_address",
    "write",
];

#[test]
fn strict_profile_starts() {
    only_tare!("runc needs futex and more after its filter");
    starts_under(&[ECHO.as_slice(), &["prctl"]].concat(), &["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"]);
}

#[test]
fn strictest_profile_starts() {
    only_tare!("as above");
    // busybox asks for its own name by prctl, and lives without it; being killed for it is another matter.
    starts_under(&ECHO, &["SCMP_ACT_ERRNO"]);
}
