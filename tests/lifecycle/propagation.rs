// SPDX-License-Identifier: Apache-2.0
//! Under a mount namespace whose mounts are all shared, as systemd makes the host's.
use serde_json::json;

use crate::harness::{Container, Mount, finish, mounts, only_tare};
use std::path::Path;
use std::process::Command;

/// The mount at `at` as the container sees it. Its rootfs is a mount of its own, for the runtime makes the parent
/// of the rootfs private; `dir` in the bundle is one too.
fn mounted(c: &Container, at: &str) -> Mount {
    let script = "mount --bind rootfs rootfs && mkdir dir && mount -t tmpfs tmpfs dir && exec \"$0\" \"$@\"";
    let table = finish(unshared(c, script)).ok().stdout();
    mounts(&table).filter(|m| m.at == Path::new(at)).last().unwrap_or_else(|| panic!("no {at} in:\n{table}"))
}

fn unshared(c: &Container, script: &str) -> Command {
    let run = c.on("run", &[]);
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "shared", "--", "sh", "-c", script]);
    unshare.arg(run.get_program()).args(run.get_args()).current_dir(c.bundle());
    unshare
}

fn kinds(mount: &Mount) -> Vec<&str> {
    mount.propagation.iter().map(|p| p.split(':').next().unwrap()).collect()
}

fn with(rootfs: Option<&str>) -> Container {
    let c = Container::new().args(&["cat", "/proc/self/mountinfo"]);
    match rootfs {
        Some(kind) => c.set("/linux/rootfsPropagation", json!(kind)),
        None => c,
    }
}

#[test]
fn of_the_rootfs() {
    for (set, want) in [(None, &["master"][..]), (Some("rslave"), &["master"]), (Some("rprivate"), &[])] {
        let mount = mounted(&with(set), "/");
        assert_eq!(kinds(&mount), want, "{set:?}: {mount:?}");
    }
}

#[test]
fn of_the_rootfs_as_the_specification_has_it() {
    only_tare!("runc 1.1 makes the rootfs private where the parent mount was shared");
    for (set, want) in [
        ("slave", &["master"][..]),
        ("private", &[]),
        ("shared", &["shared"]),
        ("rshared", &["shared"]),
        ("unbindable", &["unbindable"]),
    ] {
        let mount = mounted(&with(Some(set)), "/");
        assert!(want.iter().all(|w| kinds(&mount).contains(w)), "{set:?}: {mount:?}");
        assert!(!want.is_empty() || kinds(&mount).is_empty(), "{set:?}: {mount:?}");
    }
}

#[test]
fn of_a_bind() {
    for (option, want) in [
        ("rslave", &["master"][..]),
        ("slave", &["master"]),
        ("rprivate", &[]),
        ("private", &[]),
        ("rshared", &["shared"]),
        ("shared", &["shared"]),
        ("unbindable", &["unbindable"]),
    ] {
        let c = with(Some("shared"));
        let mount = mounted(&c.bind("dir".as_ref(), "/mnt", &["rbind", option]), "/mnt");
        let kinds = kinds(&mount);
        assert!(want.iter().all(|w| kinds.contains(w)), "{option}: {mount:?}");
        assert!(!want.is_empty() || kinds.is_empty(), "{option}: {mount:?}");
    }
}

/// Nothing that the container mounts shows up outside, unless asked for.
#[test]
fn mounts_of_the_container_stay_inside() {
    let c = with(None);
    let table = finish(unshared(&c, "\"$0\" \"$@\" >/dev/null && cat /proc/self/mountinfo")).ok().stdout();
    assert!(!table.contains(&c.id), "{table}");
}

/// The parent opens what lies on the host for a container in a user namespace: peers of the host's mounts, at first.
#[test]
fn in_a_user_namespace_nothing_comes_back_to_the_host() {
    let script = "mount --bind rootfs rootfs && mkdir dir && mount -t tmpfs tmpfs dir && mkdir dir/below && chmod -R 777 dir
        awk '{print $5}' /proc/self/mountinfo >before
        \"$0\" \"$@\"; code=$?; awk '{print $5}' /proc/self/mountinfo | diff before - && exit $code";
    let c = Container::new().userns();
    let dir = c.path("dir");
    let c = c.bind(&dir, "/mnt", &["rbind", "rshared"]).set("/linux/rootfsPropagation", json!("rshared"));
    let caps = json!(["CAP_SYS_ADMIN"]);
    let c = c.set("/process/capabilities", json!({ "bounding": caps, "effective": caps, "permitted": caps }));
    let c = c.sh("mount -t tmpfs tmpfs /mnt/below && echo mounted");
    assert_eq!(finish(unshared(&c, script)).ok().stdout(), "mounted\n");
}
