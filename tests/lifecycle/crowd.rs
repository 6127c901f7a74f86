// SPDX-License-Identifier: Apache-2.0
//! On a host of five hundred mounts, which tare leaves at once where a container has no need of the host's paths.
//! `hack/test` runs all of `lifecycle::` and `security` on such a host too (hack/crowd).

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::harness::{Container, Output, finish, mounts, needs, only_tare};

fn crowded(c: &Container, command: &Command) -> Output {
    let mut crowd = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/crowd"));
    crowd.arg(command.get_program()).args(command.get_args()).current_dir(c.bundle());
    finish(crowd)
}

/// The procfs directory of the kernel's thread that has a mount namespace of its own; not to be seen from a container.
fn kdevtmpfs() -> Option<PathBuf> {
    let all = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let name = |dir: &PathBuf| std::fs::read_to_string(dir.join("comm")).unwrap_or_default();
    all.into_iter().find(|dir| name(dir) == "kdevtmpfs\n")
}

/// What of the host a container is given: binds, masks, its cgroups; a root of its own; a terminal's and a user's files.
fn rich() -> Container {
    let c = Container::new();
    for dir in ["source/below", "rootfs/data", "rootfs/etc"] {
        std::fs::create_dir_all(c.path(dir)).unwrap();
    }
    std::fs::write(c.path("source/below/file"), "of the host\n").unwrap();
    std::fs::write(c.rootfs("etc/hosts"), "").unwrap();
    let (source, file) = (c.path("source"), c.path("source/below/file"));
    let id = c.id.clone();
    c.bind(&source, "/data", &["rbind", "rslave", "nosuid"])
        .bind(&file, "/etc/hosts", &["bind", "ro"])
        .set("/linux/maskedPaths", json!(["/proc/kcore", "/proc/acpi", "/proc/keys", "/sys/firmware"]))
        .set("/linux/readonlyPaths", json!(["/proc/sys", "/proc/irq"]))
        .set("/process/cwd", json!("/made"))
        .config(|c| c["process"]["env"].as_array_mut().unwrap().push(json!(format!("ID={id}"))))
        .sh(r#"
            cut -d' ' -f4- /proc/self/mountinfo | sed "s/$ID/ID/g" | sort
            cat /data/below/file /etc/hosts /proc/keys; ls /proc/acpi /sys/firmware; ls / /dev; pwd
            grep "$ID" /sys/fs/cgroup/*/cgroup.procs | wc -l; ls /sys/fs/cgroup
            touch /etc/hosts /proc/sys/vm/x /x 2>&1; ls /../.. | head -n 3; ls -l /proc/self/fd | wc -l
        "#)
}

#[test]
fn a_container_is_the_same_there() {
    let c = rich();
    let here = finish(c.on("run", &[])).ok().stdout();
    let there = crowded(&c, &c.on("run", &[])).ok().stdout();
    assert_eq!(here, there);
    assert!(here.contains("of the host\nof the host\n"), "{here}");
    assert_eq!(c.left(), Vec::<String>::new());
}

#[test]
fn it_starts_from_the_kernels_mounts_and_leaves_them_as_they_are() {
    only_tare!("runc copies the mounts of its caller");
    needs!(kdevtmpfs().is_some(), "the kernel's threads are in another pid namespace");
    let of_kernel = || std::fs::read_to_string(kdevtmpfs().unwrap().join("mountinfo")).unwrap();
    let before = of_kernel();
    let c = rich();
    let trace = c.path("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=setns,unshare,clone3", "-o"]).arg(&trace);
    let run = c.on("run", &[]);
    strace.arg(run.get_program()).args(run.get_args());
    crowded(&c, &strace).ok();
    let calls = std::fs::read_to_string(&trace).unwrap();
    assert!(calls.contains("setns(") && calls.contains("CLONE_NEWNS"), "{calls}");
    assert!(!calls.lines().any(|call| call.contains("clone3(") && call.contains("CLONE_NEWNS")), "{calls}");
    assert_eq!(before, of_kernel());
}

/// As that of NVIDIA does: a hook of the runtime's goes into init's mounts, and finds the root where it is on the host.
#[test]
fn a_hook_finds_the_hosts_paths_in_inits_mounts() {
    let script = r#"
        pid=$(sed 's/.*"pid":\([0-9]*\).*/\1/')
        nsenter --target "$pid" --mount sh -c "mount -t tmpfs hook '$0' && echo of the hook >'$0/file'"
    "#;
    let c = Container::new().args(&["cat", "/hooked/file"]);
    std::fs::create_dir(c.rootfs("hooked")).unwrap();
    let place = c.rootfs("hooked").display().to_string();
    let c =
        c.set("/hooks", json!({ "prestart": [{ "path": "/bin/sh", "args": ["sh", "-c", script, place] }] }));
    assert_eq!(crowded(&c, &c.on("run", &[])).ok().stdout(), "of the hook\n");
}

/// From a host whose mounts are all shared, as systemd has them: a slave sees what is mounted there later, and nothing
/// goes the other way, not even where the container's own copies shall be peers of it.
#[test]
fn mounts_flow_as_they_should() {
    let c = Container::new().args(&["sleep", "100"]);
    std::fs::create_dir_all(c.path("shared/sub")).unwrap();
    let shared = c.path("shared");
    let c = c.bind(&shared, "/slave", &["rbind", "rslave"]).bind(&shared, "/private", &["rbind", "rprivate"]);
    let c = c.bind(&shared, "/peer", &["rbind", "rshared"]);
    let [run, exec, delete] = [
        c.on("run", &["--detach"]),
        c.runtime(["exec", &c.id, "cat", "/proc/self/mountinfo"]),
        c.on("delete", &["--force"]),
    ]
    .map(|command| {
        let words = [command.get_program()].into_iter().chain(command.get_args());
        words.map(|word| format!("'{}' ", word.to_str().unwrap())).collect::<String>()
    });
    let script = format!(
        "mount --make-rshared / && mount -t tmpfs of-host {0} && mkdir {0}/sub && {run} </dev/null >/dev/null 2>&1 && \
         mount -t tmpfs later {0}/sub && {exec}; {delete}",
        shared.display()
    );
    let mut sh = Command::new("sh");
    sh.args(["-c", &script]);
    let table = crowded(&c, &sh).ok().stdout();
    let at = |place: &str| mounts(&table).filter(|mount| mount.at == Path::new(place)).count();
    assert_eq!((at("/slave"), at("/slave/sub"), at("/private"), at("/private/sub")), (1, 1, 1, 0), "{table}");
    for mount in mounts(&table) {
        let of_group = |kind| mount.propagation.iter().any(|group| group.starts_with(kind));
        let may_be_peer = mount.at.starts_with("/peer") && of_group("master:");
        assert!(may_be_peer || !of_group("shared:"), "{mount:?} in:\n{table}");
    }
}
