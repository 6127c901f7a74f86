// SPDX-License-Identifier: Apache-2.0
//! Life after life on one machine: nothing piles up.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};

use crate::harness::{Container, Running, cgroup_mounts};
use crate::whole::{bounded, light};

/// What could pile up, of ours: session keyrings, mounts, cgroups; and the largest command so far, in KiB.
fn counts(c: &Container) -> [usize; 4] {
    let lines = |file: &str, with: &str| {
        fs::read_to_string(file).unwrap_or_default().lines().filter(|l| l.contains(with)).count()
    };
    let cgroups = cgroup_mounts().map(|m| fs::read_dir(m.at).into_iter().flatten().flatten());
    let cgroups = cgroups.flatten().filter(|e| e.file_name().to_string_lossy().contains(&c.id)).count();
    let largest = usize::try_from(getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss()).unwrap();
    [lines("/proc/keys", "_ses."), lines("/proc/thread-self/mountinfo", &c.id), cgroups, largest]
}

#[test]
fn lives() {
    let c = Container::new().args(&["sleep", "1000"]);
    let life = || {
        for (verb, flags) in [("create", &[][..]), ("start", &[])] {
            Running::spawn(light(&c.on(verb, flags))).wait().ok();
        }
        let mut exec = c.on("exec", &[]);
        exec.arg("true");
        Running::spawn(light(&exec)).wait().ok();
        Running::spawn(light(&c.on("delete", &["--force"]))).wait().ok();
    };
    (0..3).for_each(|_| life());
    let before = counts(&c);
    let count = bounded(15, 20_000);
    (0..count).for_each(|_| life());
    let after = counts(&c);
    println!("{count} lives: keyrings, mounts, cgroups, KiB {before:?} -> {after:?}");
    // Session keyrings go when the kernel's collector comes by, and others have theirs.
    assert!(after[0] <= before[0] + 50, "{before:?} {after:?}");
    assert_eq!(after[1..3], [0, 0], "{before:?} {after:?}");
    assert!(after[3] <= before[3] + before[3] / 10, "{before:?} {after:?}");
}
