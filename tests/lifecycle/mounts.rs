// SPDX-License-Identifier: Apache-2.0
//! tmpfs and bind mounts, their options, and where a destination ends up.
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::harness::{Container, only_tare};

fn tmpfs(options: &[&str]) -> Value {
    json!({ "destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": options })
}

/// A container with a directory `dir` in the bundle that holds `file`.
fn with_dir() -> Container {
    let c = Container::new();
    fs::create_dir(c.path("dir")).unwrap();
    fs::write(c.path("dir/file"), "text\n").unwrap();
    c
}

#[test]
fn flags_of_a_tmpfs() {
    for flags in [
        &["ro"][..],
        &["nosuid"],
        &["nodev"],
        &["noexec"],
        &["ro", "nosuid", "nodev", "noexec"],
        &["noatime"],
    ] {
        let mount = Container::new().mount(tmpfs(flags)).mounted("/mnt");
        assert_eq!(mount.fs, "tmpfs");
        for flag in ["ro", "nosuid", "nodev", "noexec", "noatime"] {
            assert_eq!(mount.has(flag), flags.contains(&flag), "{flag} in {mount:?}");
        }
    }
}

#[test]
fn later_flag_wins() {
    let mount = Container::new().mount(tmpfs(&["ro", "nosuid", "suid", "rw", "noexec"])).mounted("/mnt");
    assert!(mount.has("rw") && mount.has("noexec") && !mount.has("nosuid"), "{mount:?}");
}

#[test]
fn data_of_a_tmpfs() {
    let c = Container::new().mount(tmpfs(&["size=64k", "mode=1770", "uid=7", "gid=8"]));
    let mount = c.sh("stat -c '%a %u %g' /mnt; grep ' /mnt ' /proc/mounts").says();
    assert!(mount.starts_with("1770 7 8\n") && mount.contains("size=64k"), "{mount}");
}

#[test]
fn tmpfs_has_the_mode_of_what_it_covers() {
    let c = Container::new();
    fs::create_dir(c.rootfs("mnt")).unwrap();
    fs::set_permissions(c.rootfs("mnt"), PermissionsExt::from_mode(0o711)).unwrap();
    assert_eq!(c.mount(tmpfs(&[])).sh("stat -c %a /mnt").says(), "711");
}

#[test]
fn tmpcopyup_copies_what_it_covers() {
    let c = Container::new();
    fs::create_dir_all(c.rootfs("mnt/sub")).unwrap();
    fs::write(c.rootfs("mnt/sub/file"), "text").unwrap();
    let c = c.mount(tmpfs(&["tmpcopyup"])).sh("cat /mnt/sub/file; echo more >/mnt/new");
    assert_eq!(c.says(), "text");
}

#[test]
fn bind_of_a_directory() {
    let c = with_dir();
    let dir = c.path("dir");
    let c = c.bind(&dir, "/mnt", &["bind"]).sh("cat /mnt/file; echo new >/mnt/new");
    assert_eq!(c.says(), "text");
    assert_eq!(fs::read_to_string(dir.join("new")).unwrap(), "new\n");
}

#[test]
fn bind_of_a_file() {
    let c = with_dir();
    let file = c.path("dir/file");
    let c = c.bind(&file, "/etc/inner.conf", &["bind"]).sh("cat /etc/inner.conf");
    assert_eq!(c.says(), "text");
    assert!(fs::metadata(c.rootfs("etc/inner.conf")).unwrap().is_file(), "made for the mount");
}

#[test]
fn bind_source_is_relative_to_the_bundle() {
    let c = with_dir().bind("dir".as_ref(), "/mnt", &["bind"]);
    assert_eq!(c.args(&["cat", "/mnt/file"]).says(), "text");
}

/// A bind mount takes its flags only by a second call.
#[test]
fn flags_of_a_bind() {
    for flags in [&["ro"][..], &["nosuid"], &["nodev"], &["noexec"], &["ro", "nosuid", "nodev", "noexec"]] {
        let c = with_dir();
        let dir = c.path("dir");
        let mount = c.bind(&dir, "/mnt", &[&["rbind"], flags].concat()).mounted("/mnt");
        for flag in ["ro", "nosuid", "nodev", "noexec"] {
            assert_eq!(mount.has(flag), flags.contains(&flag), "{flag} in {mount:?}");
        }
    }
}

#[test]
fn read_only_bind_is_not_written() {
    let c = with_dir();
    let dir = c.path("dir");
    let c = c.bind(&dir, "/mnt", &["bind", "ro"]).sh("echo x >>/mnt/file");
    c.run(&[]).fails(1, "Read-only file system");
    assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "text\n");
}

/// /sys/fs/cgroup is a mount of its own on the host.
#[test]
fn bind_takes_one_mount_and_rbind_what_is_below() {
    let below = |option: &str| {
        let c = Container::new().bind("/sys".as_ref(), "/mnt", &[option]);
        c.sh("ls /mnt/fs/cgroup | wc -l").says().parse::<u32>().unwrap()
    };
    assert_eq!(below("bind"), 0);
    assert!(below("rbind") > 0);
}

#[test]
fn rro_is_recursive_and_ro_is_not() {
    let flags = |option: &str| {
        let c = Container::new().bind("/sys".as_ref(), "/mnt", &["rbind", option]);
        c.mounted("/mnt/fs/cgroup").has("ro")
    };
    assert!(flags("rro"));
    assert!(!flags("ro"));
}

#[test]
fn destination_is_made() {
    let c = Container::new().mount(json!({ "destination": "/new/deep/dir", "type": "tmpfs", "source": "t" }));
    assert_eq!(c.mounted("/new/deep/dir").fs, "tmpfs");
    let c = with_dir();
    let dir = c.path("dir");
    let c = c.bind(&dir, "/new/deep", &["bind"]);
    c.run(&[]).ok();
    let meta = fs::metadata(c.rootfs("new/deep")).unwrap();
    assert_eq!((meta.mode() & 0o777, meta.uid()), (0o755, 0));
}

#[test]
fn relative_destination_is_below_the_root() {
    let c = Container::new().mount(json!({ "destination": "mnt/a", "type": "tmpfs", "source": "t" }));
    assert_eq!(c.mounted("/mnt/a").fs, "tmpfs");
}

/// The image chooses its symlinks; they must mean what they mean inside of it (CVE-2021-30465).
#[test]
fn symlink_in_the_rootfs_stays_inside() {
    for target in ["/outside", "../../../../../../../../outside"] {
        let c = Container::new();
        symlink(target, c.rootfs("link")).unwrap();
        let c = c.mount(json!({ "destination": "/link/dir", "type": "tmpfs", "source": "t" }));
        assert_eq!(c.mounted("/outside/dir").fs, "tmpfs");
        assert!(!std::path::Path::new("/outside").exists());
    }
    let c = Container::new();
    let outside = c.path("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, c.rootfs("link")).unwrap();
    let c = c.mount(json!({ "destination": "/link/dir", "type": "tmpfs", "source": "t" }));
    c.run(&[]).ok();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn dots_in_the_destination_stay_inside() {
    let c = Container::new()
        .mount(json!({ "destination": "/../../mnt/../inner", "type": "tmpfs", "source": "t" }));
    assert_eq!(c.mounted("/inner").fs, "tmpfs");
}

#[test]
fn mounts_are_made_in_order() {
    let c = with_dir();
    let dir = c.path("dir");
    let c = c.mount(tmpfs(&[])).bind(&dir, "/mnt/below", &["bind"]).sh("ls /mnt; cat /mnt/below/file");
    assert_eq!(c.says(), "below\ntext");
}

#[test]
fn remount_changes_an_earlier_mount() {
    let c = Container::new().mount(tmpfs(&[])).mount(tmpfs(&["remount", "ro"]));
    assert!(c.mounted("/mnt").has("ro"));
}

#[test]
fn remount_is_no_second_mount() {
    let c = Container::new().mount(tmpfs(&["size=64k", "nodev"])).mount(tmpfs(&["remount", "ro"]));
    let seen = c.sh("grep -c ' /mnt ' /proc/self/mountinfo; grep ' /mnt ' /proc/mounts").says();
    assert!(seen.starts_with("1\n") && seen.contains("size=64k"), "{seen}");
}

/// Clients show the reason; docker maps it by "no such file or directory".
#[test]
fn missing_source_is_named() {
    let c = Container::new().bind("/nosuch-source".as_ref(), "/mnt", &["bind"]);
    let c = c.create(&[]).fails(1, "/nosuch-source");
    assert!(c.stderr().contains("no such file or directory"), "{}", c.stderr());
}

/// docker: "Are you trying to mount a directory onto a file".
#[test]
fn directory_onto_a_file_is_refused() {
    let c = with_dir();
    let dir = c.path("dir");
    c.bind(&dir, "/bin/busybox", &["bind"]).create(&[]).fails(1, "not a directory");
}

#[test]
fn unknown_file_system_is_refused() {
    let c = Container::new().mount(json!({ "destination": "/mnt", "type": "nosuchfs", "source": "x" }));
    c.create(&[]).fails(1, "no such device");
}

#[test]
fn options_of_a_file_system_do_not_go_with_a_bind() {
    only_tare!("runc 1.1 ignores them");
    let c = with_dir();
    let dir = c.path("dir");
    c.bind(&dir, "/mnt", &["bind", "size=1k"])
        .create(&[])
        .fails(1, "bind mounts cannot have any filesystem-specific options applied");
}
