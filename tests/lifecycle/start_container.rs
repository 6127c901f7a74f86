// SPDX-License-Identifier: Apache-2.0
//! A startContainer hook is a program of the image's: it may do what the container's process may, and no more.
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::hooks::{hook, log, with_log};
use super::seccomp::on_mkdir;
use super::seccomp_agent::answer;
use crate::harness::{Container, FdSocket, Running, is_tare, only_tare};

/// One hook, whose user may write to the log; what it leaves there of `name`.
fn left_by(c: Container, script: &str, name: &str) -> String {
    let c = hook(c, "startContainer", script);
    fs::set_permissions(c.path("log"), PermissionsExt::from_mode(0o777)).unwrap();
    c.create(&[]).ok();
    c.start().ok();
    c.wait_status("stopped");
    let created = log(&c, name);
    c.delete(&[]).ok();
    fs::remove_file(c.path("log").join(name)).unwrap();
    c.run(&[]).ok();
    assert_eq!(log(&c, name), created, "create and start on the left, run on the right");
    created
}

fn under(syscalls: Value) -> Container {
    with_log().set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls }))
}

#[test]
fn is_under_the_filter() {
    for no_new_privileges in [true, false] {
        let c = under(on_mkdir("SCMP_ACT_ERRNO"))
            .set("/linux/seccomp/syscalls/0/errnoRet", json!(28))
            .set("/process/noNewPrivileges", json!(no_new_privileges));
        let said = left_by(c, "mkdir $L/dir 2>$L/said; grep Seccomp: /proc/self/status >>$L/said", "said");
        assert!(said.contains("No space left on device"), "{said}");
        assert!(said.ends_with("Seccomp:\t2\n"), "{said}");
    }
}

#[test]
fn fails_if_the_filter_kills_it() {
    only_tare!("runc's start has returned by then, against the specification");
    let c = hook(under(on_mkdir("SCMP_ACT_KILL_PROCESS")), "startContainer", "exec mkdir $L/dir");
    let c = c.sh("echo ran >/log/order");
    c.create(&[]).ok();
    c.start().fails(1, "startContainer hook #0: signal: ");
    assert_eq!(log(&c, "order"), "");
}

#[test]
fn has_the_user_and_the_rights_of_the_process() {
    let caps = json!(["CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let c = with_log()
        .set("/process/user", json!({ "uid": 1000, "gid": 1001, "additionalGids": [1002], "umask": 0o27 }))
        .set("/process/capabilities", json!({ "bounding": caps, "permitted": caps, "effective": caps }))
        .set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "hard": 64, "soft": 64 }]))
        .set("/process/cwd", json!("/proc"));
    let c = c.sh("grep '^Cap\\|^NoNew' /proc/self/status >/log/process");
    let script =
        "{ id -u; id -g; id -G; umask; ulimit -n; pwd; grep '^Cap\\|^NoNew' /proc/self/status; } >$L/hook";
    let c = hook(c, "startContainer", script);
    fs::set_permissions(c.path("log"), PermissionsExt::from_mode(0o777)).unwrap();
    c.run(&[]).ok();
    let rights = log(&c, "process");
    assert!(
        rights.contains("CapBnd:\t0000000000000420\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n"),
        "{rights}"
    );
    assert_eq!(log(&c, "hook"), format!("1000\n1001\n1001 1002\n0027\n64\n/proc\n{rights}"));
}

#[test]
fn is_in_the_cgroups() {
    let said =
        left_by(with_log(), "diff /proc/1/cgroup /proc/self/cgroup >$L/said && echo same >>$L/said", "said");
    assert_eq!(said, "same\n");
}

/// The spec's "exactly the environment given", but for runc's kindness to a hook that is given none.
#[test]
fn without_an_environment_has_that_of_the_process() {
    let set = |env: Value| {
        let c = with_log().set("/process/env", json!(["PATH=/bin", "OWN=1", "HOME=/there"]));
        let args = json!(["cp", "/proc/self/environ", "/log/env"]);
        let c = c.set("/hooks/startContainer", json!([{ "path": "/bin/cp", "args": args, "env": env }]));
        c.run(&[]).ok();
        log(&c, "env").replace('\0', "\n")
    };
    assert_eq!(set(Value::Null), "PATH=/bin\nOWN=1\nHOME=/there\n");
    assert_eq!(set(json!(["PATH=/bin", "A=b c"])), "PATH=/bin\nA=b c\n");
}

#[test]
fn in_a_user_namespace() {
    let c = with_log().userns().set("/process/user/uid", json!(5));
    assert_eq!(
        left_by(c, "{ id -u; cat /proc/self/uid_map; } | xargs >$L/said", "said"),
        "5 0 100000 65536\n"
    );
}

/// It may write to what it is given as /dev/stderr, whoever it is.
#[test]
fn owns_its_streams() {
    only_tare!("runc's start has returned by then, against the specification");
    let c = hook(with_log(), "startContainer", "echo the-reason >/proc/self/fd/2; exit 3");
    let c = c.set("/process/user/uid", json!(1000));
    c.run(&[]).fails(1, "the-reason");
}

#[test]
fn that_is_missing_is_named() {
    only_tare!("runc's start has returned by then, against the specification");
    let c = Container::new().set("/hooks/startContainer", json!([{ "path": "/nosuch/hook", "args": ["x"] }]));
    c.create(&[]).ok();
    c.start()
        .fails(1, "stat /nosuch/hook: no such file or directory (config.json: /hooks/startContainer/0/path)");
}

/// runc's hook is under the very filter of init, ours under one more of the same: the agent gets a descriptor for each.
#[test]
fn the_agent_answers_for_it() {
    let c = under(on_mkdir("SCMP_ACT_NOTIFY"));
    let agent = FdSocket::bind(c.bundle());
    let c = hook(
        c.set("/linux/seccomp/listenerPath", json!(agent.path)),
        "startContainer",
        "mkdir $L/dir 2>$L/said; true",
    );
    c.create(&[]).ok();
    let (_, mut listener) = agent.receive();
    let start = Running::spawn(c.on("start", &[]));
    if is_tare() {
        let (text, of_hook) = agent.receive();
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&told["state"]["status"], &told["state"]["pid"]), (&json!("created"), &json!(c.pid())));
        assert_ne!(told["pid"], told["state"]["pid"]);
        listener = of_hook;
    }
    answer(&listener, Some(28));
    start.wait().ok();
    c.wait_status("stopped");
    assert!(log(&c, "said").contains("No space left on device"), "{}", log(&c, "said"));
}
