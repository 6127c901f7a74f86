// SPDX-License-Identifier: Apache-2.0
//! Ways out of a container that were open in one runtime or another.
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use serde_json::json;

use crate::harness::{Container, only_tare, runtime};

fn runtime_file() -> fs::Metadata {
    let path = std::env::var("PATH").unwrap();
    // An absolute path stays itself under join.
    let found = path.split(':').map(|dir| Path::new(dir).join(runtime())).find(|p| p.exists());
    fs::metadata(found.unwrap()).unwrap()
}

/// CVE-2019-5736: what runs in the container before the container's own program is not the file on the host.
#[test]
fn runtime_of_the_host_is_out_of_reach() {
    let c = Container::new();
    c.create(&[]).ok();
    let exe = format!("/proc/{}/exe", c.pid());
    assert!(OpenOptions::new().write(true).open(&exe).is_err());
    only_tare!("runc 1.1 has the same file, by a read-only mount");
    let (inside, host) = (fs::metadata(&exe).unwrap(), runtime_file());
    assert_ne!((inside.dev(), inside.ino()), (host.dev(), host.ino()));
}

/// The same by exec: the container makes its program be the runtime, and opens what it runs from.
#[test]
fn runtime_that_runs_itself_is_not_written() {
    let c = Container::new();
    symlink("/proc/self/exe", c.rootfs("bin/trap")).unwrap();
    let c = c.up();
    let before = runtime_file();
    for name in ["/bin/trap", "/proc/self/exe"] {
        let _ = c.exec(&[], &[name, "--version"]);
    }
    let _ = c.exec(&[], &["sh", "-c", "for p in /proc/[0-9]*; do echo x >>$p/exe; done 2>/dev/null"]);
    let after = runtime_file();
    assert_eq!((before.len(), before.mtime_nsec()), (after.len(), after.mtime_nsec()));
}

/// CVE-2024-21626: a directory of the host that the runtime holds open becomes the working directory.
#[test]
fn working_directory_is_no_fd_of_the_runtime() {
    let host =
        |c: &Container| format!("ls -d ../../../../../..{} 2>/dev/null && echo out", c.bundle().display());
    for fd in 3..20 {
        let c = Container::new().set("/process/cwd", json!(format!("/proc/self/fd/{fd}")));
        let script = host(&c);
        let out = c.sh(&script).run(&[]);
        assert!(!out.stdout().contains("out"), "fd {fd}: {}", out.stdout());
    }
    let c = Container::new().up();
    for fd in 3..20 {
        let out = c.exec(&["--cwd", &format!("/proc/self/fd/{fd}")], &["sh", "-c", &host(&c)]);
        assert!(!out.stdout().contains("out"), "fd {fd}: {}", out.stdout());
    }
}

/// The root of the pid 1 of the container is the rootfs, and `..` of it too.
#[test]
fn root_has_nothing_above() {
    let c = Container::new().sh("cd /; cd ../../..; pwd; ls -d bin; stat -c %i / /.. | uniq | wc -l");
    assert_eq!(c.says(), "/\nbin\n1");
}

/// CVE-2022-29162 and its like: a capability the config does not name is in no set.
#[test]
fn capabilities_are_those_of_the_config_alone() {
    let caps = json!({ "bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"] });
    let c = Container::new().set("/process/capabilities", caps).up();
    let out = c.exec(&[], &["grep", "CapInh", "/proc/self/status"]).ok().stdout();
    assert_eq!(out, "CapInh:\t0000000000000000\n");
}

/// CVE-2021-43784, CVE-2023-27561: /proc of the image is a symlink or is no directory.
#[test]
fn proc_of_the_image_is_not_taken_for_proc() {
    let c = Container::new();
    symlink("/tmp", c.rootfs("proc")).unwrap();
    c.create(&[]).code(1);
    let c = Container::new();
    fs::write(c.rootfs("proc"), "").unwrap();
    c.create(&[]).code(1);
}
