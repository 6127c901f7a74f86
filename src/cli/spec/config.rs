// SPDX-License-Identifier: Apache-2.0
//! The config.json that `spec` writes, property by property in runc's order.
//!
//! Not by oci-spec's types: they keep capabilities in a hash set, and the file would differ each time.

use serde::Serialize;

use crate::cli::version;

type Words = &'static [&'static str];

/// The properties in runc's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    oci_version: &'static str,
    process: Process,
    root: Root,
    hostname: &'static str,
    mounts: Vec<Mount>,
    linux: Linux,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    terminal: bool,
    user: User,
    args: Words,
    env: Words,
    cwd: &'static str,
    capabilities: Capabilities,
    rlimits: [Rlimit; 1],
    no_new_privileges: bool,
}

#[derive(Serialize)]
struct User {
    uid: u32,
    gid: u32,
}

#[derive(Serialize)]
struct Capabilities {
    bounding: Words,
    effective: Words,
    permitted: Words,
}

#[derive(Serialize)]
struct Rlimit {
    r#type: &'static str,
    hard: u64,
    soft: u64,
}

#[derive(Serialize)]
struct Root {
    path: &'static str,
    readonly: bool,
}

#[derive(Serialize)]
struct Mount {
    destination: &'static str,
    r#type: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid_mappings: Option<[IdMapping; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid_mappings: Option<[IdMapping; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
    namespaces: Vec<Namespace>,
    masked_paths: Words,
    readonly_paths: Words,
}

#[derive(Serialize)]
struct IdMapping {
    #[serde(rename = "containerID")]
    container_id: u32,
    #[serde(rename = "hostID")]
    host_id: u32,
    size: u32,
}

#[derive(Serialize)]
struct Resources {
    devices: [DeviceRule; 1],
}

#[derive(Serialize)]
struct DeviceRule {
    allow: bool,
    access: &'static str,
}

#[derive(Serialize)]
struct Namespace {
    r#type: &'static str,
}

const CAPABILITIES: Words = &["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MOUNTS: &[(&str, &str, &str, Words)] = &[
    ("/proc", "proc", "proc", &[]),
    ("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    ),
    ("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
];

/// What an ordinary user gets for /sys: without a network namespace of their own they may not mount it.
const ROOTLESS_SYS: (&str, &str, &str, Words) =
    ("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);

const MASKED: Words = &[
    "/proc/acpi",
    "/proc/asound",
    // Keystrokes can be timed by their interrupts.
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
    // RAPL: the energy meters tell secrets (CVE-2020-8694).
    "/sys/devices/virtual/powercap",
    "/sys/devices/virtual/tpm",
];

const READONLY: Words = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// `caller`: the user and group ids of a rootless one. `unified`: the host has cgroup v2 only, where a
/// container needs a cgroup namespace to see no more than its own.
pub(super) fn config(caller: Option<(u32, u32)>, unified: bool) -> Config {
    let process = Process {
        terminal: true,
        user: User { uid: 0, gid: 0 },
        args: &["sh"],
        env: &["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        cwd: "/",
        capabilities: Capabilities {
            bounding: CAPABILITIES,
            effective: CAPABILITIES,
            permitted: CAPABILITIES,
        },
        rlimits: [Rlimit { r#type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
        no_new_privileges: true,
    };
    Config {
        oci_version: version::SPEC,
        process,
        root: Root { path: "rootfs", readonly: true },
        hostname: "tare",
        mounts: MOUNTS.iter().map(|&mount| self::mount(mount, caller.is_some())).collect(),
        linux: linux(caller, unified),
    }
}

fn mount(mount: (&'static str, &'static str, &'static str, Words), rootless: bool) -> Mount {
    let mount = if rootless && mount.0 == ROOTLESS_SYS.0 { ROOTLESS_SYS } else { mount };
    let (destination, r#type, source, options) = mount;
    // gid 5 is not mapped there.
    let kept = |option: &&str| !(rootless && (option.starts_with("uid=") || option.starts_with("gid=")));
    Mount { destination, r#type, source, options: options.iter().copied().filter(kept).collect() }
}

fn linux(caller: Option<(u32, u32)>, unified: bool) -> Linux {
    let only = |host_id| [IdMapping { container_id: 0, host_id, size: 1 }];
    let namespaces = [
        ("pid", true),
        ("network", caller.is_none()),
        ("ipc", true),
        ("uts", true),
        ("mount", true),
        ("cgroup", unified),
        ("user", caller.is_some()),
    ];
    let resources = Resources { devices: [DeviceRule { allow: false, access: "rwm" }] };
    Linux {
        uid_mappings: caller.map(|(uid, _)| only(uid)),
        gid_mappings: caller.map(|(_, gid)| only(gid)),
        resources: caller.is_none().then_some(resources),
        namespaces: namespaces
            .into_iter()
            .filter(|(_, on)| *on)
            .map(|(r#type, _)| Namespace { r#type })
            .collect(),
        masked_paths: MASKED,
        readonly_paths: READONLY,
    }
}
