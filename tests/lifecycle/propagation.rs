// SPDX-License-Identifier: Apache-2.0
//! Under a mount namespace whose mounts are all shared, as systemd makes the host's.
use serde_json::json;

use crate::harness::{Container, Mount, finish, mounts};
use std::path::Path;
use std::process::Command;

/// The mount at `at` as the container sees it.
fn mounted(c: &Container, at: &str) -> Mount {
    let run = c.on("run", &[]);
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "shared", "--"]).arg(run.get_program()).args(run.get_args());
    unshare.current_dir(c.bundle());
    let table = finish(unshare).ok().stdout();
    mounts(&table).filter(|m| m.at == Path::new(at)).last().unwrap_or_else(|| panic!("no {at} in:\n{table}"))
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
    for (set, want) in [
        (None, &["master"][..]),
        (Some("slave"), &["master"]),
        (Some("rslave"), &["master"]),
        (Some("private"), &[]),
        (Some("rprivate"), &[]),
        (Some("shared"), &["shared"]),
        (Some("rshared"), &["shared"]),
        (Some("unbindable"), &["unbindable"]),
    ] {
        let mount = mounted(&with(set), "/");
        assert_eq!(kinds(&mount), want, "{set:?}: {mount:?}");
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
        let dir = c.path("dir");
        std::fs::create_dir(&dir).unwrap();
        let mount = mounted(&c.bind(&dir, "/mnt", &["rbind", option]), "/mnt");
        let kinds = kinds(&mount);
        assert!(want.iter().all(|w| kinds.contains(w)), "{option}: {mount:?}");
        assert!(!want.is_empty() || kinds.is_empty(), "{option}: {mount:?}");
    }
}

/// Nothing that the container mounts shows up outside, unless asked for.
#[test]
fn mounts_of_the_container_stay_inside() {
    let c = with(None);
    let mut unshare = Command::new("unshare");
    let run = c.on("run", &[]);
    unshare.args([
        "--mount",
        "--propagation",
        "shared",
        "--",
        "sh",
        "-c",
        "\"$@\" >/dev/null && cat /proc/self/mountinfo",
    ]);
    unshare.arg("sh").arg(run.get_program()).args(run.get_args()).current_dir(c.bundle());
    let table = finish(unshare).ok().stdout();
    assert!(!table.contains(&c.id), "{table}");
}
