// SPDX-License-Identifier: Apache-2.0
//! A working directory, or a program, that is a descriptor of the runtime: CVE-2024-21626; and one that is made through a
//! link: CVE-2026-55686. On runc 1.1.5 a /proc/self/fd/7 or 8 is a directory of the host.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Container, after, finish};
use crate::verdict::{link, says_no};

/// What the container is in is in the container: its root is the rootfs, and there is a path to it.
const WHERE: &str =
    "pwd -P; stat -c %d:%i ../../../../../../../../../..; ls ../../../../../../../../../../canary";

fn is_inside(c: &Container, out: &crate::harness::Output, what: &str) {
    assert!(
        !out.stdout().contains("etc") && !out.stdout().contains("unreachable"),
        "{what}: {}",
        out.stdout()
    );
    let root = fs::metadata(c.rootfs("")).unwrap();
    if let Some(line) = out.stdout().lines().nth(1) {
        assert_eq!(line, format!("{}:{}", root.dev(), root.ino()), "{what}");
    }
}

#[test]
fn descriptor_is_no_working_directory() {
    for fd in 0..16 {
        let c = Container::new().writable().sh(WHERE);
        let _canary = Canary::new(&c);
        let path = format!("/proc/self/fd/{fd}");
        link(&c, "work", &path);
        let c = c.set("/process/cwd", json!(if fd % 2 == 0 { "/work" } else { &path }));
        let out = c.run(&[]);
        is_inside(&c, &out, &path);
        assert_ne!(out.code, 0, "{path} is no directory");
    }
}

#[test]
fn descriptor_is_no_working_directory_of_exec() {
    let c = Container::new().writable();
    let _canary = Canary::new(&c);
    for fd in 0..16 {
        link(&c, &format!("work{fd}"), format!("/proc/self/fd/{fd}"));
    }
    let c = c.up();
    for fd in 0..16 {
        let ways = [
            format!("/proc/self/fd/{fd}"),
            format!("/work{fd}"),
            format!("/proc/1/fd/{fd}"),
            format!("/proc/thread-self/fd/{fd}/.."),
        ];
        let path = &ways[fd % ways.len()];
        let out = c.exec(&["--cwd", path], &["sh", "-c", WHERE]);
        is_inside(&c, &out, path);
    }
}

/// Directories of the host that the caller has open, and does not pass on.
#[test]
fn directory_of_the_caller_is_out_of_reach() {
    for flags in [&[][..], &["--preserve-fds", "1"]] {
        for fd in 3..10 {
            let c = Container::new().writable().sh(WHERE);
            let _canary = Canary::new(&c);
            let path = format!("/proc/self/fd/{fd}");
            let c = c.set("/process/cwd", json!(path));
            let open = "exec 3</dev/null 4</ 5<. 6<rootfs 7</sys/fs/cgroup 8</proc 9</etc";
            let out = finish(after(open, &c.on("run", flags)));
            is_inside(&c, &out, &path);
        }
    }
}

/// A program by a descriptor: what it names in the container is nothing.
#[test]
fn descriptor_leads_to_no_program() {
    for fd in 3..15 {
        let up = ["/bin/sh", "/../../../../bin/sh", "/../../../../../bin/cat"][fd % 3];
        let c = Container::new().args(&[&format!("/proc/self/fd/{fd}{up}"), "-c", "true"]);
        says_no(&c.run(&[]), &format!("/proc/self/fd/{fd}"));
    }
}

/// What is missing of the working directory is made in the root, or not at all.
#[test]
fn working_directory_is_made_inside() {
    for (cwd, at, to) in [
        ("/work/new/dir", "work", "ABS"),
        ("/work/new", "work", "../canary"),
        ("/work/new", "work", "/../../../canary"),
        ("/work/../../canary/new", "work", "/"),
        ("/work/new", "work", "/proc/self/cwd"),
        ("/work/new", "work", "/proc/1/root"),
        ("/proc/self/root/../canary/new", "none", "none"),
        ("/proc/new", "none", "none"),
    ] {
        let c = Container::new().writable().sh(WHERE);
        let canary = Canary::new(&c);
        link(&c, at, if to == "ABS" { canary.path() } else { to });
        let c = c.set("/process/cwd", json!(cwd));
        let out = c.run(&[]);
        if out.code < 0 {
            panic!("{cwd}: {}", out.code);
        }
        canary.intact_after(cwd);
    }
}
