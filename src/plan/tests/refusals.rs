// SPDX-License-Identifier: Apache-2.0
//! What is refused before anything is done, in words that name the property.

use super::*;
use crate::sys::process::NEWUSER;

/// Each value alone makes a config that is otherwise good a bad one.
pub(super) fn refused(base: impl Fn() -> Case, table: &[(&str, Value, &str)]) {
    assert!(base().plan().is_ok(), "{:?}", base().plan());
    let mut failures = String::new();
    for (pointer, value, expected) in table {
        let error = match base().set(pointer, value.clone()).plan() {
            Ok(_) => "it is accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        if !error.contains(expected) {
            // A value of 128 KiB makes no good message.
            let value: String = value.to_string().chars().take(200).collect();
            failures += &format!("{pointer} {value}\n  want: {expected}\n   got: {error}\n");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn processes() {
    let long = |bytes: usize| "x".repeat(bytes);
    refused(
        Case::small,
        &[
            ("/process", json!(null), "process property must not be empty (config.json: /process)"),
            ("/process/cwd", json!("x"), "Cwd must be an absolute path (config.json: /process/cwd)"),
            ("/process/cwd", json!(""), "Cwd property must not be empty (config.json: /process/cwd)"),
            ("/process/cwd", json!("/a\0"), "(config.json: /process/cwd): it contains a NUL byte"),
            ("/process/args", json!([]), "args must not be empty (config.json: /process/args)"),
            ("/process/args", json!(null), "args must not be empty (config.json: /process/args)"),
            ("/process/args", json!([""]), "args[0] must not be empty (config.json: /process/args/0)"),
            ("/process/args", json!(["a", "b\0c"]), "(config.json: /process/args/1): it contains a NUL byte"),
            ("/process/args", json!(["a", long(128 << 10)]), "131071 at most (config.json: /process/args/1)"),
            ("/process/env", json!(["A=1", "NOVALUE"]), "must be NAME=value (config.json: /process/env/1)"),
            ("/process/env", json!(["=x"]), "must be NAME=value (config.json: /process/env/0)"),
            ("/process/env", json!(["A=b\0c"]), "(config.json: /process/env/0): it contains a NUL byte"),
            // The place is that in config.json, whatever was dropped before it.
            (
                "/process/env",
                json!(["A=1", "A=2", "B=\0"]),
                "(config.json: /process/env/2): it contains a NUL",
            ),
            (
                "/process/env",
                json!([format!("A={}", long(128 << 10))]),
                "131071 at most (config.json: /process/env/0)",
            ),
        ],
    );
}

#[test]
fn users_limits_and_scheduling() {
    let limit = |kind: &str, soft: u64, hard: u64| json!({ "type": kind, "soft": soft, "hard": hard });
    let twice = json!([limit("RLIMIT_CPU", 1, 1), limit("RLIMIT_CORE", 1, 1), limit("RLIMIT_CPU", 1, 1)]);
    refused(
        Case::small,
        &[
            ("/process/user/uid", json!(u32::MAX), "4294967295 is no id (config.json: /process/user/uid)"),
            ("/process/user/gid", json!(u32::MAX), "4294967295 is no id (config.json: /process/user/gid)"),
            (
                "/process/user/additionalGids",
                json!([0, u32::MAX]),
                "(config.json: /process/user/additionalGids/1)",
            ),
            ("/process/user/umask", json!(0o1000), "(config.json: /process/user/umask)"),
            ("/process/rlimits", twice, "RLIMIT_CPU is listed twice (config.json: /process/rlimits/2)"),
            (
                "/process/rlimits",
                json!([limit("RLIMIT_CPU", 2, 1)]),
                "soft limit is above the hard limit (config.json: /process/rlimits/0)",
            ),
            ("/process/rlimits", json!([limit("RLIMIT_X", 1, 1)]), "/process/rlimits/0/type"),
            (
                "/process/ioPriority",
                json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }),
                "0 to 7 (config.json: /process/ioPriority/priority)",
            ),
            (
                "/process/scheduler",
                json!({ "policy": "SCHED_OTHER", "nice": 20 }),
                "(config.json: /process/scheduler/nice)",
            ),
            (
                "/process/scheduler",
                json!({ "policy": "SCHED_OTHER", "priority": 1 }),
                "(config.json: /process/scheduler/priority)",
            ),
            (
                "/process/scheduler",
                json!({ "policy": "SCHED_RR", "priority": -1 }),
                "(config.json: /process/scheduler/priority)",
            ),
            (
                "/process/scheduler",
                json!({ "policy": "SCHED_OTHER", "runtime": 1 }),
                "can only be used with SchedDeadline (config.json: /process/scheduler)",
            ),
            (
                "/process/apparmorProfile",
                json!("x\0"),
                "(config.json: /process/apparmorProfile): it contains",
            ),
            (
                "/process/selinuxLabel",
                json!("x"),
                "selinux is disabled or not supported (config.json: /process/selinuxLabel)",
            ),
        ],
    );
}

#[test]
fn longest_string_is_accepted() {
    let variable = format!("A={}", "x".repeat((128 << 10) - 3));
    assert!(Case::small().set("/process/env", json!([variable])).plan().is_ok());
}

#[test]
fn namespaces() {
    let twice = json!([{ "type": "mount" }, { "type": "pid" }, { "type": "pid", "path": "/x" }]);
    let relative = json!([{ "type": "mount" }, { "type": "pid", "path": "x" }]);
    let map = json!([{ "containerID": 0, "hostID": 1, "size": 1 }]);
    refused(
        Case::small,
        &[
            ("/linux/namespaces", twice, "namespace pid is listed twice (config.json: /linux/namespaces/2)"),
            ("/linux/namespaces", relative, "must be absolute (config.json: /linux/namespaces/1/path)"),
            (
                "/linux/namespaces",
                json!([{ "type": "pid" }]),
                "needs a mount namespace (config.json: /linux/namespaces)",
            ),
            ("/linux/namespaces/-", json!({ "type": "x" }), "(config.json: /linux/namespaces/2/type)"),
            (
                "/linux/namespaces/-",
                json!({ "type": "user" }),
                "no uid or gid mappings found (config.json: /linux/uidMappings)",
            ),
            (
                "/linux/uidMappings",
                map.clone(),
                "user namespace isn't enabled (config.json: /linux/uidMappings)",
            ),
            ("/linux/gidMappings", map, "user namespace isn't enabled"),
            (
                "/linux/timeOffsets",
                json!({ "monotonic": { "secs": 1 } }),
                "no new time namespace is (config.json: /linux/timeOffsets)",
            ),
            ("/hostname", json!("x"), "without a private UTS namespace (config.json: /hostname)"),
            ("/domainname", json!("x"), "without a private UTS namespace (config.json: /domainname)"),
        ],
    );
    refused(|| Case::small().namespace("uts"), &[("/hostname", json!("a\0b"), "(config.json: /hostname)")]);
}

#[test]
fn id_maps() {
    let one = |container: u32, host: u32, size: u32| json!([{ "containerID": container, "hostID": host, "size": size }]);
    let many: Vec<_> =
        (0..341).map(|i| json!({ "containerID": i, "hostID": 100_000 + i, "size": 1 })).collect();
    refused(
        || Case::small().userns(),
        &[
            (
                "/linux/uidMappings",
                json!(many),
                "341 id mappings: the kernel takes 340 at most (config.json: /linux/uidMappings)",
            ),
            ("/linux/gidMappings", json!(many), "340 at most (config.json: /linux/gidMappings)"),
            ("/linux/uidMappings", json!([]), "no uid or gid mappings found"),
            ("/linux/uidMappings", one(0, 1, 0), "(config.json: /linux/uidMappings/0/size)"),
            (
                "/linux/uidMappings",
                one(u32::MAX, 1, 1),
                "beyond the last id, 4294967294 (config.json: /linux/uidMappings/0)",
            ),
            (
                "/linux/gidMappings",
                one(0, u32::MAX - 9, 11),
                "beyond the last id, 4294967294 (config.json: /linux/gidMappings/0)",
            ),
            (
                "/process/user/uid",
                json!(65536),
                "id 65536 is not mapped in the user namespace (config.json: /process/user/uid)",
            ),
            (
                "/process/user/gid",
                json!(65536),
                "id 65536 is not mapped in the user namespace (config.json: /process/user/gid)",
            ),
            ("/process/user/additionalGids", json!([65536]), "(config.json: /process/user/additionalGids/0)"),
        ],
    );
}

/// The last id that is one, 4294967294, can be mapped: the range ends before (uid_t)-1.
#[test]
fn last_id_can_be_mapped() {
    let last = json!([{ "containerID": 0, "hostID": u32::MAX - 10, "size": 10 }]);
    let case = Case::small().userns().set("/linux/uidMappings", last);
    assert!(case.set("/process/user/uid", json!(9)).plan().is_ok());
}

#[test]
fn time_namespaces() {
    let offsets = |clock: &str, nanosecs: u32| json!({ clock: { "secs": 1, "nanosecs": nanosecs } });
    refused(
        || Case::small().namespace("time"),
        &[
            ("/linux/timeOffsets", offsets("realtime", 0), "unknown clock \"realtime\""),
            (
                "/linux/timeOffsets",
                offsets("boottime", 1_000_000_000),
                "(config.json: /linux/timeOffsets/boottime/nanosecs)",
            ),
        ],
    );
    let old = Case::small().namespace("time").on(|host| host.kernel = (6, 1));
    let error = old.plan().unwrap_err().to_string();
    assert!(error.contains("needs Linux 6.2 or later (config.json: /linux/namespaces)"), "{error}");
}

#[test]
fn roots() {
    let device = |path: &str, kind: &str, major: i64, minor: i64| json!([{ "path": path, "type": kind, "major": major, "minor": minor }]);
    refused(
        Case::small,
        &[
            (
                "/linux/rootfsPropagation",
                json!("x"),
                "unknown propagation \"x\" (config.json: /linux/rootfsPropagation)",
            ),
            ("/linux/rootfsPropagation", json!("ro"), "unknown propagation \"ro\""),
            ("/linux/devices", device("/dev/x", "a", 1, 1), "(config.json: /linux/devices/0/type)"),
            ("/linux/devices", device("/dev/x", "c", -1, 1), "(config.json: /linux/devices/0/major)"),
            ("/linux/devices", device("/dev/x", "b", 1, 1 << 32), "(config.json: /linux/devices/0/minor)"),
            (
                "/linux/devices",
                device("x", "c", 1, 1),
                "must be absolute (config.json: /linux/devices/0/path)",
            ),
            (
                "/linux/maskedPaths",
                json!(["/a", "b"]),
                "must be absolute (config.json: /linux/maskedPaths/1)",
            ),
            ("/linux/readonlyPaths", json!(["b"]), "must be absolute (config.json: /linux/readonlyPaths/0)"),
            (
                "/linux/readonlyPaths",
                json!(["/b\0"]),
                "(config.json: /linux/readonlyPaths/0): it contains a NUL",
            ),
            ("/linux/mountLabel", json!("x\0"), "(config.json: /linux/mountLabel): it contains a NUL"),
            ("/linux/cgroupsPath", json!("/"), "invalid cgroupsPath (config.json: /linux/cgroupsPath)"),
        ],
    );
}

#[test]
fn net_devices() {
    let devices = "/linux/netDevices";
    let moved = |from: &str, to: &str| json!({ from: { "name": to } });
    refused(
        || Case::small().namespace("network"),
        &[
            (devices, moved("", "x"), "invalid network device name \"\" (config.json: /linux/netDevices/)"),
            (devices, moved("a/b", "x"), "name \"a/b\" (config.json: /linux/netDevices/a~1b)"),
            (devices, moved("eth0", ".."), "name \"..\" (config.json: /linux/netDevices/eth0)"),
            (devices, moved("eth0", "a b"), "name \"a b\" (config.json: /linux/netDevices/eth0)"),
            (devices, moved("eth0", "a:b"), "name \"a:b\" (config.json: /linux/netDevices/eth0)"),
            (devices, moved("eth0", "sixteen-letters."), "invalid network device name"),
            (devices, moved("eth0\0", ""), "invalid network device name"),
            (devices, json!({ "a": { "name": "b" }, "b": {} }), "two network devices get the name \"b\""),
        ],
    );
    refused(
        Case::small,
        &[(devices, json!({ "a": {} }), "without a private NET namespace (config.json: /linux/netDevices)")],
    );
    let rootless = Case::small().namespace("network").on(|host| host.privileged = false);
    let error = rootless.set(devices, json!({ "a": {} })).plan().unwrap_err().to_string();
    assert!(
        error.contains("not supported for rootless containers (config.json: /linux/netDevices)"),
        "{error}"
    );
}

#[test]
fn sysctls() {
    let refuse = |base: fn() -> Case, key: &str, words: &str| {
        refused(base, &[("/linux/sysctl", json!({ key: "1" }), words)]);
    };
    refuse(
        Case::small,
        "net.ipv4.ip_forward",
        "host network namespace (config.json: /linux/sysctl/net.ipv4.ip_forward)",
    );
    refuse(Case::small, "net/ipv4/ip_forward", "(config.json: /linux/sysctl/net~1ipv4~1ip_forward)");
    refuse(Case::small, "kernel.shmmax", "hosts ipc namespace");
    refuse(Case::small, "fs.mqueue.msg_max", "hosts ipc namespace");
    refuse(Case::small, "kernel.domainname", "hosts uts namespace");
    refuse(Case::small, "user.max_user_namespaces", "without a user namespace");
    refuse(|| Case::small().namespace("uts"), "kernel.hostname", "conflicts with the OCI hostname field");
    for key in ["kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.shmmax.x"] {
        refuse(|| Case::small().namespace("ipc"), key, "is not in a separate kernel namespace");
    }
    for key in ["net..x", "net/../kernel/core_pattern", "kernel", "net.ipv4."] {
        refuse(|| Case::small().namespace("network"), key, "invalid sysctl");
    }
    let value =
        ("/linux/sysctl", json!({ "net.x": "\0" }), "(config.json: /linux/sysctl/net.x): it contains a NUL");
    refused(|| Case::small().namespace("network"), &[value]);
}

#[test]
fn memory_policies_and_seccomp() {
    let policy = |mode: &str, nodes: &str| json!({ "mode": mode, "nodes": nodes });
    let rule = |syscall: Value| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [syscall] });
    let nodes = "(config.json: /linux/memoryPolicy/nodes)";
    refused(
        Case::small,
        &[
            ("/linux/memoryPolicy", policy("MPOL_BIND", ""), "mode requires at least one node but got 0"),
            ("/linux/memoryPolicy", policy("MPOL_LOCAL", "0-7"), "mode requires 0 nodes but got 8"),
            ("/linux/memoryPolicy", policy("MPOL_BIND", "3-1"), nodes),
            ("/linux/memoryPolicy", policy("MPOL_BIND", "0-9876543210"), "invalid memory policy nodes"),
            ("/linux/memoryPolicy", policy("MPOL_X", "0"), "(config.json: /linux/memoryPolicy/mode)"),
            ("/linux/personality", json!({ "domain": "X" }), "(config.json: /linux/personality/domain)"),
            (
                "/linux/seccomp",
                json!({ "defaultAction": "SCMP_ACT_NOTIFY" }),
                "(config.json: /linux/seccomp/defaultAction)",
            ),
            (
                "/linux/seccomp",
                rule(json!({ "names": ["read"], "action": "SCMP_ACT_NOTIFY" })),
                "(config.json: /linux/seccomp/listenerPath)",
            ),
            (
                "/linux/seccomp",
                rule(json!({ "names": ["read"], "action": "SCMP_ACT_KILL",
                         "args": [{ "index": 6, "value": 0, "op": "SCMP_CMP_EQ" }] })),
                "(config.json: /linux/seccomp/syscalls/0/args/0/index)",
            ),
        ],
    );
}

/// `exec` has the same checks, and one of its own.
#[test]
fn processes_of_exec() {
    let good = json!({ "user": { "uid": 0, "gid": 0 }, "args": ["a"], "cwd": "/" });
    for (pointer, value, expected) in [
        ("/args", json!([]), "args must not be empty (config.json: /process/args)"),
        ("/cwd", json!("x"), "Cwd must be an absolute path (config.json: /process/cwd)"),
        ("/env", json!(["X"]), "(config.json: /process/env/0)"),
        ("/user/uid", json!(70_000), "not mapped in the user namespace (config.json: /process/user/uid)"),
        ("/execCPUAffinity", json!({ "initial": "x" }), "execCPUAffinity/initial)"),
        ("/execCPUAffinity", json!({ "final": "3-1" }), "(config.json: /process/execCPUAffinity/final)"),
    ] {
        let mut case = Case { config: good.clone(), ..Case::small() };
        case = case.set(pointer, value);
        let container = Case::small().userns().spec().unwrap();
        let process = crate::spec::process(case.config.to_string().as_bytes());
        let plan = process.and_then(|p| exec(&p.value, &container, &options(), NEWUSER));
        let error = plan.unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}\nwant: {expected}\n got: {error}");
    }
}
