// SPDX-License-Identifier: Apache-2.0
//! What runs when and where, and with what. When one fails: hook_failures.rs.
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, finish, is_tare, only_tare};

/// All of them; each finds /log, in the bundle or bound into the container.
const POINTS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A container with the directory `log` and `$L` to it in every hook.
pub(super) fn with_log() -> Container {
    let c = Container::new();
    let log = c.path("log");
    fs::create_dir(&log).unwrap();
    c.bind(&log, "/log", &["bind"])
}

/// Adds a hook of one line of shell. PATH serves the host and the container.
pub(super) fn hook(c: Container, point: &str, script: &str) -> Container {
    let log = if point == "startContainer" { "/log".into() } else { c.path("log") };
    c.config(|c| {
        let hooks = &mut c["hooks"][point];
        if hooks.is_null() {
            *hooks = json!([]);
        }
        let env = json!(["PATH=/usr/bin:/bin", format!("L={}", log.display())]);
        let hook = json!({ "path": "/bin/sh", "args": ["sh", "-c", script], "env": env });
        hooks.as_array_mut().unwrap().push(hook);
    })
}

pub(super) fn log(c: &Container, name: &str) -> String {
    fs::read_to_string(c.path("log").join(name)).unwrap_or_default()
}

fn lines(c: &Container, name: &str) -> Vec<String> {
    log(c, name).lines().map(str::to_owned).collect()
}

#[test]
fn order() {
    let c = POINTS.iter().fold(with_log(), |c, point| {
        let c = hook(c, point, &format!("echo {point} 1 >>$L/order"));
        hook(c, point, &format!("echo {point} 2 >>$L/order"))
    });
    let c = c.sh("echo process >>/log/order");
    let twice = |points: &[&str]| {
        points.iter().flat_map(|p| [format!("{p} 1"), format!("{p} 2")]).collect::<Vec<_>>()
    };
    // runc before 1.4 runs poststart at the end of create.
    let poststart = |l: &String| is_tare() || !l.starts_with("poststart");
    c.create(&[]).ok();
    assert_eq!(lines(&c, "order").into_iter().filter(poststart).collect::<Vec<_>>(), twice(&POINTS[..3]));
    c.start().ok();
    c.wait_status("stopped");
    let after_start: Vec<_> =
        lines(&c, "order").split_off(6).into_iter().filter(|l| !l.starts_with("poststart")).collect();
    assert_eq!(after_start, [twice(&POINTS[3..4]), vec!["process".into()]].concat());
    assert_eq!(lines(&c, "order").iter().filter(|l| l.starts_with("poststart")).count(), 2);
    c.delete(&[]).ok();
    assert_eq!(lines(&c, "order").split_off(11), twice(&POINTS[5..]));
}

#[test]
fn poststart_comes_after_start() {
    only_tare!("runc before 1.4 runs it at the end of create");
    let c = hook(with_log(), "poststart", "echo ran >>$L/order").args(&["sleep", "1000"]);
    c.create(&[]).ok();
    assert_eq!(log(&c, "order"), "");
    c.start().ok();
    assert_eq!(log(&c, "order"), "ran\n");
}

#[test]
fn run_calls_all_of_them() {
    let c = POINTS.iter().fold(with_log(), |c, point| hook(c, point, &format!("echo {point} >>$L/order")));
    c.run(&[]).ok();
    let mut got = lines(&c, "order");
    got.sort_unstable();
    let mut all = POINTS;
    all.sort_unstable();
    assert_eq!(got, all);
}

#[test]
fn force_runs_poststop() {
    let c = hook(with_log(), "poststop", "echo ran >>$L/order").args(&["sleep", "1000"]);
    c.run(&["--detach"]).ok();
    c.delete(&["--force"]).ok();
    assert_eq!(log(&c, "order"), "ran\n");
}

#[test]
fn state_comes_on_stdin() {
    let c = POINTS.iter().fold(with_log(), |c, point| hook(c, point, &format!("cat >$L/{point}")));
    let c = c.set("/annotations", json!({ "key": "value" })).args(&["sleep", "1000"]);
    c.create(&[]).ok();
    let pid = c.pid();
    c.start().ok();
    let state = |point: &str| -> Value { serde_json::from_str(&log(&c, point)).unwrap() };
    for (point, status) in
        [("prestart", "creating"), ("createRuntime", "creating"), ("createContainer", "creating")]
    {
        assert_eq!(state(point)["status"], status, "{point}");
    }
    assert_eq!(state("startContainer")["status"], "created");
    c.delete(&["--force"]).ok();
    for point in POINTS {
        let state = state(point);
        assert_eq!(state["id"], c.id, "{point}");
        assert_eq!(state["bundle"].as_str(), c.bundle().to_str(), "{point}");
        assert_eq!(state["annotations"], json!({ "key": "value" }), "{point}");
        assert!(state["ociVersion"].as_str().unwrap().starts_with("1."), "{point}");
    }
    for point in ["prestart", "createRuntime", "poststart"] {
        assert_eq!(state(point)["pid"], pid, "{point}: the pid of the host");
    }
    assert_eq!(state("poststop")["status"], "stopped");
    if is_tare() {
        assert_eq!(state("poststart")["status"], "running", "runc 1.1 runs it before the start");
    }
}

/// libnetwork and nvidia look into the namespaces of the pid they are given.
#[test]
fn namespaces() {
    let c = POINTS.iter().fold(with_log(), |c, p| {
        hook(c, p, &format!("cd /proc/self/ns; for n in mnt net; do readlink $n; done >$L/{p}"))
    });
    let c = c.args(&["sleep", "1000"]);
    c.run(&["--detach"]).ok();
    let of = |proc: &str| {
        ["mnt", "net"].map(|n| fs::read_link(format!("/proc/{proc}/ns/{n}")).unwrap().display().to_string())
    };
    let (host, container) = (of("self"), of(&c.pid().to_string()));
    c.delete(&["--force"]).ok();
    for point in ["prestart", "createRuntime", "poststart", "poststop"] {
        assert_eq!(lines(&c, point), host, "{point}");
    }
    for point in ["createContainer", "startContainer"] {
        assert_eq!(lines(&c, point), container, "{point}");
    }
}

/// createContainer finds the mounts in place, and the host's root still below its feet.
#[test]
fn container_hooks_stand_before_and_after_the_pivot() {
    let c = hook(
        with_log(),
        "createContainer",
        "[ -e $L ] && mount | grep -c \"$L/../rootfs/proc \\|/rootfs/proc \" >$L/mounts; true",
    );
    let c = hook(c, "startContainer", "ls /bin/busybox >$L/inside");
    c.run(&[]).ok();
    assert_eq!(log(&c, "mounts"), "1\n");
    assert_eq!(log(&c, "inside"), "/bin/busybox\n");
}

/// A user namespace is no reason to run a program of the image's, nor to miss the mounts.
#[test]
fn container_hooks_are_the_hosts_in_a_user_namespace() {
    let look = "[ -e /etc/os-release ] && mount | grep -q /rootfs/proc && [ -d proc/self ]";
    let c = hook(Container::new().userns(), "createContainer", look);
    c.run(&[]).ok();
}

/// A hook of the image's vendor is held by the container's limits; those of the runtime's are not.
#[test]
fn container_hooks_are_in_the_cgroups() {
    let c = POINTS.iter().fold(with_log(), |c, p| hook(c, p, &format!("cat /proc/self/cgroup >$L/{p}")));
    let c = c.args(&["sleep", "1000"]);
    c.run(&["--detach"]).ok();
    let of = |proc: &str| fs::read_to_string(format!("/proc/{proc}/cgroup")).unwrap();
    let (own, theirs) = (of("self"), of(&c.pid().to_string()));
    assert_ne!(own, theirs);
    for (point, cgroups) in
        [("createRuntime", &own), ("createContainer", &theirs), ("startContainer", &theirs)]
    {
        assert_eq!(&log(&c, point), cgroups, "{point}");
    }
}

#[test]
fn arguments_and_environment_are_those_given() {
    let c = with_log();
    let log_dir = c.path("log");
    let script = "tr '\\0' '\\n' </proc/$$/environ >$L/env; tr '\\0' '|' </proc/$$/cmdline >$L/args";
    let env = json!(["PATH=/usr/bin:/bin", "A=b c", format!("L={}", log_dir.display())]);
    let c = c.set(
        "/hooks/createRuntime",
        json!([{ "path": "/bin/sh", "args": ["name", "-c", script, "x y"], "env": env }]),
    );
    let mut run = c.on("run", &[]);
    run.env("LEAK", "1");
    finish(run).ok();
    assert_eq!(
        lines(&c, "env"),
        env.as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect::<Vec<_>>()
    );
    assert_eq!(log(&c, "args"), format!("name|-c|{script}|x y|"));
}

#[test]
fn no_environment_is_none() {
    only_tare!("runc gives a hook without env its own environment");
    let c = with_log();
    let script = format!("/usr/bin/tr '\\0' '\\n' </proc/$$/environ >{}/env", c.path("log").display());
    let c = c.set("/hooks/prestart", json!([{ "path": "/bin/sh", "args": ["sh", "-c", script] }]));
    c.run(&[]).ok();
    assert_eq!(log(&c, "env"), "");
}

/// More than a pipe holds: the runtime must neither hang nor die of SIGPIPE.
#[test]
fn stdin_need_not_be_read() {
    let big = "x".repeat(200_000);
    let c = POINTS.iter().fold(with_log(), |c, point| hook(c, point, "exec <&-; true"));
    let c = c.set("/annotations", json!({ "big": big }));
    c.run(&[]).ok();
}

#[test]
fn arguments_are_as_they_are() {
    let hook = json!([{ "path": "/bin/busybox", "args": ["cat", "/nosuch"] }]);
    let c = Container::new().set("/hooks/startContainer", hook);
    c.run(&[]).fails(1, "cat: can't open '/nosuch'");
}

#[test]
fn create_container_begins_at_the_root() {
    let hook = json!([{ "path": "/bin/sh", "args": ["sh", "-c", "echo here >by-the-hook"] }]);
    let c = Container::new().args(&["cat", "/by-the-hook"]).set("/hooks/createContainer", hook);
    assert_eq!(c.says(), "here");
}
