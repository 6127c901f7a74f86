// SPDX-License-Identifier: Apache-2.0
//! What becomes of the flags that the source of a bind mount has.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::{Container, finish, only_tare};

/// A tmpfs of the host with these flags of its mount.
struct Source(tempfile::TempDir);

impl Source {
    fn new(flags: &str) -> Source {
        let source = Source(tempfile::tempdir().unwrap());
        fs::set_permissions(source.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mount = |args: &[&str]| {
            let mut mount = Command::new("mount");
            mount.args(args).arg(source.path());
            finish(mount).ok();
        };
        mount(&["-t", "tmpfs", "tmpfs"]);
        mount(&["--bind", "-o", &format!("remount,{flags}")]);
        source
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        nix::mount::umount2(self.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

fn flags(c: Container, source: &str, options: &[&str]) -> Vec<String> {
    let source = Source::new(source);
    c.bind(source.path(), "/mnt", options).mounted("/mnt").flags
}

fn have(flags: &[String], wanted: &[&str], unwanted: &[&str]) {
    assert!(wanted.iter().all(|flag| flags.iter().any(|f| f == flag)), "{flags:?} lack some of {wanted:?}");
    assert!(!unwanted.iter().any(|flag| flags.iter().any(|f| f == flag)), "{flags:?}: {unwanted:?}");
}

#[test]
fn stay_where_none_are_named() {
    have(
        &flags(Container::new(), "ro,nosuid,noexec,nodiratime", &["bind"]),
        &["ro", "nosuid", "noexec", "nodiratime"],
        &[],
    );
}

#[test]
fn go_where_others_are_named() {
    let got = flags(Container::new(), "ro,nosuid,nodev,noexec,noatime", &["bind", "nosuid"]);
    have(&got, &["rw", "nosuid", "noatime"], &["nodev", "noexec"]);
}

#[test]
fn go_where_one_is_cleared() {
    only_tare!("runc does so from 1.2 on");
    let got = flags(Container::new(), "ro,nosuid,noexec,noatime", &["bind", "suid"]);
    have(&got, &["rw", "noatime"], &["nosuid", "noexec"]);
}

#[test]
fn of_the_host_stay_in_a_user_namespace() {
    only_tare!("runc does so from 1.2 on");
    let got = flags(Container::new().userns(), "ro,nosuid,noexec", &["bind", "nodev"]);
    have(&got, &["ro", "nosuid", "noexec", "nodev"], &[]);
}

#[test]
fn cannot_be_taken_off_in_a_user_namespace() {
    only_tare!("runc 1.1 makes it read-only");
    for (host, option) in [("ro", "rw"), ("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec")] {
        let c = Container::new().userns();
        let source = Source::new(host);
        let c = c.bind(source.path(), "/mnt", &["bind", option]);
        c.run(&[]).fails(1, "operation not permitted");
    }
}

/// All of the mode is locked (mount_namespaces(7)); the same again is no change.
#[test]
fn access_time_cannot_change_in_a_user_namespace() {
    only_tare!("runc does so from 1.2 on");
    let with =
        |source: &Source, option| Container::new().userns().bind(source.path(), "/mnt", &["bind", option]);
    for (host, options) in [
        ("noatime", ["strictatime", "relatime"]),
        ("relatime", ["noatime", "nodiratime"]),
        ("strictatime", ["relatime", "nodiratime"]),
        ("nodiratime", ["strictatime", "noatime"]),
    ] {
        let source = Source::new(host);
        for option in options {
            with(&source, option).run(&[]).fails(1, "operation not permitted");
        }
        with(&source, host).run(&[]).ok();
        with(&source, "norelatime").run(&[]).ok();
    }
}

/// To clear the access-time mode is no mode; to name another is.
#[test]
fn access_time_changes_when_a_mode_is_named() {
    for option in ["atime", "norelatime", "nostrictatime"] {
        have(&flags(Container::new(), "noatime", &["bind", option]), &["noatime"], &["relatime"]);
    }
    have(&flags(Container::new(), "nodiratime", &["bind", "diratime"]), &["nodiratime"], &[]);
    have(&flags(Container::new(), "noatime", &["bind", "relatime"]), &["relatime"], &["noatime"]);
    let strict = flags(Container::new(), "noatime", &["bind", "strictatime"]);
    have(&strict, &[], &["noatime", "relatime"]);
    have(
        &flags(Container::new(), "noatime", &["bind", "nodiratime"]),
        &["relatime", "nodiratime"],
        &["noatime"],
    );
    have(&flags(Container::new(), "nodiratime", &["bind", "strictatime"]), &[], &["nodiratime", "relatime"]);
    have(&flags(Container::new(), "rw", &["bind", "noatime", "atime"]), &["relatime"], &["noatime"]);
}
