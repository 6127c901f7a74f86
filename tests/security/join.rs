// SPDX-License-Identifier: Apache-2.0
//! A container that waits for `exec` to come in: CVE-2016-9962 (its descriptors and memory), CVE-2019-5736 (the runtime's
//! own program). A process in the container looks at every other as fast as it can.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Container, runtime};

/// Reads through what /proc shows of processes that are not its own children: their descriptors, root, directory and
/// program, for reading and writing. What leads to the canary or to a program that is not busybox is told.
const LOOK: &str = "n=0; while :; do for p in /proc/[0-9]*; do \
    for f in $p/fd/* $p/cwd $p/root; do [ -e $f/../canary/file ] && echo out $f; [ -e $f/etc/shadow ] && echo out $f; done; \
    [ -e $p/root/canary ] && echo out $p; \
    ( : >>$p/exe ) 2>/dev/null && echo written $p; ( : >>$p/mem ) 2>/dev/null && [ ${p#/proc/} -gt 20 ] && echo memory $p; \
    done; n=$((n+1)); echo $n >/rounds; done >/log 2>/dev/null";

fn looked_at(caps: &[&str]) {
    let c = Container::new().writable().config(|c| {
        for set in ["bounding", "effective", "permitted"] {
            c["process"]["capabilities"][set] = json!(caps);
        }
    });
    let canary = Canary::new(&c);
    let c = c.sh(&format!("({LOOK}) & sleep 1000"));
    let before = fs::metadata(runtime()).map(|m| (m.ino(), m.len(), m.mtime(), m.mtime_nsec())).ok();
    c.run(&["--detach"]).ok();
    let count = std::env::var("RACES").map_or(30, |n| n.parse().unwrap());
    for _ in 0..count {
        c.exec(&[], &["true"]).ok();
    }
    let log = fs::read_to_string(c.rootfs("log")).unwrap();
    // What exec has become belongs to the container, and root there may write to it: its program is the image's.
    let bad: Vec<_> = log.lines().filter(|l| l.starts_with("out") || l.starts_with("written")).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    crate::harness::wait_for("a look around", || c.rootfs("rounds").exists().then_some(()));
    assert_eq!(fs::metadata(runtime()).map(|m| (m.ino(), m.len(), m.mtime(), m.mtime_nsec())).ok(), before);
    canary.intact();
}

#[test]
fn joining_process_shows_nothing_of_the_host() {
    looked_at(&["CAP_KILL"]);
}

#[test]
fn joining_process_shows_nothing_to_a_tracer() {
    looked_at(&["CAP_KILL", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]);
}

/// Programs that make the runtime run itself, and what it is then run from.
#[test]
fn runtime_that_is_made_to_run_itself_is_a_sealed_copy() {
    let path = runtime();
    let before = fs::read(&path).ok();
    for (name, content) in [
        ("me", ""),
        ("script", "#!/proc/self/exe\n"),
        ("script2", "#!/proc/self/exe --version\n"),
        ("linked", "#!/bin/me\n"),
    ] {
        let c = Container::new().writable();
        symlink("/proc/self/exe", c.rootfs("bin/me")).unwrap();
        if !content.is_empty() {
            let file = c.rootfs("bin").join(name);
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let program = format!("/bin/{name}");
        let out = c.args(&[&program]).run(&[]);
        // A copy of it, which has no other name: it may well run, and nobody can write to it (lifecycle/escape).
        assert!(out.code >= 0, "{name}: {}", out.stderr());
    }
    assert_eq!(fs::read(path).ok(), before);
}
