// SPDX-License-Identifier: Apache-2.0
//! What `explain` prints, as files: whoever reorders a start shows it in review. `UPDATE=1` rewrites them.

use std::collections::BTreeSet;
use std::fs;

use oci_spec::runtime::Hook;

use super::*;
use crate::sys::process::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS};

#[test]
fn every_plan_is_as_reviewed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/tests/golden");
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut names = BTreeSet::new();
    let mut failures = String::new();
    for (name, text) in created().into_iter().chain(executed()) {
        let file = format!("{name}.txt");
        if update {
            fs::write(dir.join(&file), &text).unwrap();
        }
        let golden = fs::read_to_string(dir.join(&file)).unwrap_or_default();
        if golden != text {
            failures += &format!("--- {file}\n+++ now\n{}", difference(&golden, &text));
        }
        assert!(names.insert(file), "{name} is there twice");
    }
    let files = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names, files.collect(), "cases on the left, files on the right");
    assert!(failures.is_empty(), "plans have changed; if they should, set UPDATE=1\n{failures}");
}

/// As `explain` prints it, with the warnings that go to the log.
fn show(case: &Case) -> String {
    let spec = case.spec().unwrap();
    let paths = case.cgroup(&spec).unwrap().paths();
    let cgroups = paths.iter().map(|(name, path)| format!("make the cgroup {path} ({name})\n"));
    let plan = case.plan().unwrap();
    let warnings = plan.warnings.iter().map(|warning| format!("warning: {warning}\n"));
    cgroups.chain([portable(&plan)]).chain(warnings).collect()
}

/// How long a seccomp filter is hangs on the machine's architecture.
fn portable(plan: &Plan) -> String {
    let mut text = plan.to_string();
    for planned in &plan.steps {
        if let Step::Seccomp { program, .. } = &planned.step {
            text = text.replace(&format!("of {} instructions", program.len()), "of N instructions");
        }
    }
    text
}

fn created() -> Vec<(&'static str, String)> {
    let cases = plain().into_iter().chain(namespaces()).chain(roots());
    cases.map(|(name, case)| (name, show(&case))).collect()
}

fn plain() -> Vec<(&'static str, Case)> {
    vec![
        ("spec", Case::new()),
        ("spec-cgroup2", Case::new().namespace("cgroup").on(|host| host.cgroups = unified())),
        ("docker", Case::of(include_str!("docker.json"))),
        ("docker-cgroup2", Case::of(include_str!("docker.json")).on(|host| host.cgroups = unified())),
        ("small", Case::small()),
        ("run", Case::small().with(|options| options.wait_for_start = false)),
        ("terminal", {
            let size = json!({ "height": 24, "width": 80 });
            Case::small().set("/process/terminal", json!(true)).set("/process/consoleSize", size)
        }),
        ("hooks", {
            let hook = json!([{ "path": "/bin/true" }]);
            let hooks = json!({
                "prestart": hook, "createRuntime": hook, "createContainer": hook, "startContainer": hook,
                "poststart": hook, "poststop": hook,
            });
            Case::small().set("/hooks", hooks)
        }),
        ("systemd", {
            // A service of Type=notify with two sockets.
            Case::small().with(|options| {
                options.listen_fds = Some((2, Some("a:b".into())));
                options.notify_dir = Some("/run/tare/c1/notify".into());
            })
        }),
        ("process", process()),
        ("labels", {
            let case = Case::new().set("/process/apparmorProfile", json!("docker-default"));
            let case = case.set("/process/selinuxLabel", json!("system_u:system_r:container_t:s0:c1,c2"));
            let label = json!("system_u:object_r:container_file_t:s0:c1,c2");
            case.set("/linux/mountLabel", label).on(|host| host.selinux = true)
        }),
        ("seccomp-last", {
            let allow = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
            Case::small().set("/linux/seccomp", allow).set("/process/noNewPrivileges", json!(true))
        }),
        ("seccomp-early", {
            let allow = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
            Case::small().set("/linux/seccomp", allow).set("/process/user/uid", json!(1000))
        }),
    ]
}

/// All that makes the process what it is.
fn process() -> Case {
    let mut case = Case::small().namespace("time").namespace("network").namespace("uts");
    for (pointer, value) in [
        ("/hostname", json!("box")),
        ("/domainname", json!("example")),
        (
            "/linux/timeOffsets",
            json!({ "monotonic": { "secs": 7 }, "boottime": { "secs": -1, "nanosecs": 5 } }),
        ),
        ("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1", "net/core/somaxconn": "9" })),
        ("/linux/personality", json!({ "domain": "LINUX32", "flags": ["x"] })),
        (
            "/linux/memoryPolicy",
            json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"] }),
        ),
        ("/process/scheduler", json!({ "policy": "SCHED_FIFO", "priority": 10 })),
        ("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 4 })),
        ("/process/rlimits", json!([{ "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }])),
        ("/process/cwd", json!("/srv/../work")),
        ("/process/user", json!({ "uid": 1000, "gid": 1000 })),
        ("/process/args", json!(["env"])),
        ("/process/env", json!(["PATH=/bin::/usr/bin", "HOME=/home/u", "A=1"])),
    ] {
        case = case.set(pointer, value);
    }
    case
}

fn namespaces() -> Vec<(&'static str, Case)> {
    let all = ["network", "ipc", "uts"];
    let with_all = |case: Case| all.into_iter().fold(case, Case::joined);
    let pid_joined = |case: Case| case.set("/linux/namespaces", json!([{ "type": "mount" }])).joined("pid");
    vec![
        ("userns", Case::new().userns()),
        ("userns-host-network", {
            let sysfs = json!({ "destination": "/sys", "type": "sysfs", "options": ["ro"] });
            let bind = json!({ "destination": "/etc/hosts", "source": "hosts", "options": ["bind", "ro"] });
            Case::small().userns().set("/mounts/-", sysfs).set("/mounts/-", bind)
        }),
        ("rootless", {
            let one = |id| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
            let case = Case::small().namespace("user").on(|host| host.privileged = false);
            let bind = json!({ "destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "ro"] });
            let case = case.set("/mounts/-", bind);
            case.set("/linux/uidMappings", one(1000)).set("/linux/gidMappings", one(1000))
        }),
        ("inside-userns", Case::small().on(|host| host.in_user_namespace = true)),
        ("joined", with_all(pid_joined(Case::small()))),
        ("joined-user", with_all(pid_joined(Case::small())).joined("user")),
        ("joined-new-user", with_all(Case::small()).userns()),
        ("net-devices", {
            let devices = json!({ "eth1": { "name": "eth0" }, "data": {} });
            Case::small().namespace("network").set("/linux/netDevices", devices)
        }),
        ("joined-all", {
            let none = Case::small().set("/linux/namespaces", json!([]));
            with_all(none).joined("mount").joined("user")
        }),
    ]
}

fn roots() -> Vec<(&'static str, Case)> {
    let devices = json!([
        { "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229 },
        { "path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200 },
        { "path": "/run/fifo", "type": "p" },
    ]);
    let listed = || Case::small().set("/linux/devices", devices.clone());
    let dev = |mount| listed().set("/mounts/1", mount);
    let propagation = |name: &str| Case::small().set("/linux/rootfsPropagation", json!(name));
    vec![
        ("devices", listed()),
        ("devices-userns", listed().userns()),
        ("dev-none", listed().set("/mounts", json!([{ "destination": "/proc", "type": "proc" }]))),
        ("dev-bind", dev(json!({ "destination": "/dev", "source": "/dev", "options": ["rbind"] }))),
        ("dev-readonly", dev(json!({ "destination": "/dev", "type": "tmpfs", "options": ["ro"] }))),
        ("dev-other", dev(json!({ "destination": "/dev", "type": "devtmpfs" }))),
        ("no-pivot", {
            let case = Case::small().on(|host| host.kernel_mounts = vec![c"/sys".into(), c"/proc".into()]);
            case.with(|options| options.no_pivot = true)
        }),
        ("propagation-shared", propagation("shared")),
        ("propagation-rprivate", propagation("rprivate")),
        ("propagation-unbindable", propagation("unbindable")),
        ("idmap", id_mapped(Case::small())),
        ("idmap-userns", id_mapped(Case::small().userns())),
        ("idmap-joined-user", id_mapped(Case::small().joined("user"))),
        ("crowd", {
            let crowded = |host: &mut Host| host.kdevtmpfs = Some("/proc/25/ns/mnt".into());
            let bind = json!({ "destination": "/etc/hosts", "source": "hosts", "options": ["bind", "ro"] });
            let cgroup = json!({ "destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro"] });
            let case = Case::small().namespace("network").set("/mounts/-", bind).set("/mounts/-", cgroup);
            case.set("/linux/maskedPaths", json!(["/proc/kcore"])).on(crowded)
        }),
        ("readonly", {
            let paths = json!(["/proc/sys", "/proc/sys", "/proc/../sys"]);
            let case = Case::small().set("/root/readonly", json!(true));
            case.set("/linux/maskedPaths", paths.clone()).set("/linux/readonlyPaths", paths)
        }),
    ]
}

/// A mount with maps of its own, two with the same ones, and one with the container's.
fn id_mapped(case: Case) -> Case {
    let own = |destination: &str, host: u32| {
        let map = json!([{ "containerID": 0, "hostID": host, "size": 10 }]);
        json!({ "destination": destination, "source": "/src", "options": ["bind"],
                "uidMappings": map.clone(), "gidMappings": map })
    };
    let case = case.set("/mounts/-", own("/a", 1000)).set("/mounts/-", own("/b", 2000));
    let case = case.set("/mounts/-", own("/c", 1000));
    if case.config["linux"]["namespaces"].to_string().contains("user") {
        let containers =
            json!({ "destination": "/d", "source": "data", "options": ["rbind", "ridmap", "ro"] });
        return case.set("/mounts/-", containers);
    }
    case
}

fn executed() -> Vec<(&'static str, String)> {
    let all = NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS | NEWCGROUP;
    let plain = json!({ "user": { "uid": 0, "gid": 0 }, "args": ["/bin/true"], "cwd": "/" });
    let full = json!({
        "user": { "uid": 1000, "gid": 100, "additionalGids": [5] },
        "args": ["sh"],
        "env": ["PATH=/bin:/usr/bin", "A=1", "A=2"],
        "cwd": "/srv",
        "noNewPrivileges": true,
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 64 }],
        "execCPUAffinity": { "initial": "0-1", "final": "1" },
    });
    let mut terminal = plain.clone();
    terminal["terminal"] = json!(true);
    vec![
        ("exec", exec_in(&Case::small(), &plain, all)),
        ("exec-process", exec_in(&Case::of(include_str!("docker.json")), &full, all)),
        ("exec-terminal", exec_in(&Case::small(), &terminal, all)),
        ("exec-userns", exec_in(&Case::small().userns(), &full, all | NEWUSER)),
        ("exec-host-pid", exec_in(&Case::small(), &plain, NEWNS)),
        ("start-container", {
            let case = Case::of(include_str!("docker.json")).set("/process/terminal", json!(true));
            let hook = Hook::default().set_path("/bin/hook".into()).to_owned();
            let hook = HookProgram::new(&hook, "/hooks/startContainer/0".into()).unwrap();
            let options = Options { wait_for_start: false, ..options() };
            portable(&super::hook(&hook, &case.spec().unwrap(), &options, all).unwrap())
        }),
    ]
}

fn exec_in(case: &Case, process: &Value, namespaces: u64) -> String {
    let process = crate::spec::process(process.to_string().as_bytes()).unwrap().value;
    let options = Options { wait_for_start: false, ..options() };
    portable(&exec(&process, &case.spec().unwrap(), &options, namespaces).unwrap())
}

/// The lines that one text has and the other not, in a longest common subsequence of both.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            out += &format!("-{}\n", old[i]);
            i += 1;
        } else {
            out += &format!("+{}\n", new[j]);
            j += 1;
        }
    }
    out
}

#[test]
fn a_difference_shows_both_sides() {
    assert_eq!(difference("a\nb\nc\n", "a\nx\nc\nd\n"), "-b\n+x\n+d\n");
    assert_eq!(difference("a\n", "a\n"), "");
}
