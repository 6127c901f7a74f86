// SPDX-License-Identifier: Apache-2.0
//! Masked and read-only paths, and the root itself.
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Container, Mount, mounts};

fn with_files() -> Container {
    let c = Container::new().writable();
    fs::create_dir_all(c.rootfs("secret/dir")).unwrap();
    fs::write(c.rootfs("secret/file"), "text\n").unwrap();
    fs::write(c.rootfs("secret/dir/file"), "text\n").unwrap();
    c
}

#[test]
fn masked_file_is_empty_and_masked_directory_too() {
    let c = with_files().set("/linux/maskedPaths", json!(["/secret/file", "/secret/dir", "/nosuch"]));
    let c = c.sh("cat /secret/file; ls -A /secret/dir; touch /secret/dir/x 2>/dev/null || echo denied; stat -c '%t:%T' /secret/file");
    assert_eq!(c.says(), "denied\n1:3");
    assert_eq!(fs::read_to_string(c.rootfs("secret/file")).unwrap(), "text\n");
}

#[test]
fn default_masks() {
    let c =
        Container::new().sh("cat /proc/kcore | wc -c; cat /proc/keys | wc -c; ls -A /sys/firmware | wc -l");
    assert_eq!(c.says(), "0\n0\n0");
}

#[test]
fn read_only_paths() {
    let c = with_files().set("/linux/readonlyPaths", json!(["/secret", "/nosuch"]));
    let c =
        c.sh("cat /secret/file; (echo x >/secret/file) 2>&1 | grep -o 'Read-only.*'; touch /ok && echo ok");
    assert_eq!(c.says(), "text\nRead-only file system\nok");
}

#[test]
fn read_only_path_keeps_its_other_flags() {
    let c = Container::new().mount(json!({
        "destination": "/mnt", "type": "tmpfs", "source": "t", "options": ["nosuid", "noexec", "nodev"]
    }));
    let mount = c.set("/linux/readonlyPaths", json!(["/mnt"])).mounted("/mnt");
    assert!(["ro", "nosuid", "noexec", "nodev"].iter().all(|f| mount.has(f)), "{mount:?}");
}

#[test]
fn default_read_only_paths() {
    let table = Container::new().args(&["cat", "/proc/self/mountinfo"]).says();
    for path in ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"].map(Path::new) {
        let read_only = mounts(&table).any(|m| m.at == path && m.has("ro"));
        assert_eq!(read_only, path.exists(), "{path:?} in {table}");
    }
}

#[test]
fn read_only_root() {
    let c = Container::new().sh("touch /file");
    c.run(&[]).fails(1, "Read-only file system");
    let c = Container::new().writable().sh("touch /file");
    c.run(&[]).ok();
    assert!(c.rootfs("file").exists());
}

/// What the config mounts on a read-only root is not read-only for that.
#[test]
fn read_only_root_is_one_mount() {
    let c = Container::new().mount(json!({ "destination": "/mnt", "type": "tmpfs", "source": "t" }));
    c.sh("touch /mnt/file /dev/shm/file").run(&[]).ok();
}

#[test]
fn root_may_be_absolute_or_relative() {
    let c = Container::new();
    let rootfs = c.path("rootfs");
    let c = c.set("/root/path", json!(rootfs)).args(&["ls", "/bin/busybox"]);
    assert_eq!(c.says(), "/bin/busybox");
    assert_eq!(Container::new().set("/root/path", json!("./rootfs")).args(&["pwd"]).says(), "/");
}

/// The old root is gone, not only hidden.
#[test]
fn nothing_of_the_host_is_mounted() {
    let table = Container::new().args(&["cat", "/proc/self/mountinfo"]).says();
    let root = mounts(&table).filter(|m| m.at == Path::new("/")).count();
    let known = |m: &Mount| ["/proc", "/dev", "/sys"].iter().any(|p| m.at.starts_with(p));
    let others: Vec<_> = mounts(&table).filter(|m| m.at != Path::new("/") && !known(m)).collect();
    assert!(root == 1 && others.is_empty(), "{root} {others:?}");
}

#[test]
fn no_pivot() {
    let c = Container::new().sh("ls /bin/busybox; touch /x 2>/dev/null || echo denied; ls /proc/1/exe");
    let out = c.run(&["--no-pivot"]).ok().stdout();
    assert_eq!(out, "/bin/busybox\ndenied\n/proc/1/exe\n");
}
