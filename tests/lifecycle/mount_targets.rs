// SPDX-License-Identifier: Apache-2.0
//! Where mounts go, and come from, when that is not simply a path of the host or of the image.
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;

use crate::harness::{Container, only_tare};

fn file(c: &Container) -> std::path::PathBuf {
    let source = c.path("source");
    fs::write(&source, "of the host\n").unwrap();
    source
}

/// /etc/resolv.conf of many images leads to /run, where there is nothing yet.
#[test]
fn dangling_link_is_followed_inside_the_root() {
    only_tare!("runc 1.1 makes the file, but mounts on the link's first target alone");
    for (link, end) in
        [("/run/made", "run/made"), ("made", "etc/made"), ("../../../jump/x/made", "far/x/made")]
    {
        let c = Container::new().writable().args(&["cat", "/etc/file"]);
        fs::create_dir(c.rootfs("etc")).unwrap();
        symlink(link, c.rootfs("etc/file")).unwrap();
        symlink("/far", c.rootfs("jump")).unwrap();
        let source = file(&c);
        let c = c.bind(&source, "/etc/file", &["bind"]);
        assert_eq!(c.says(), "of the host", "{link}");
        assert!(fs::symlink_metadata(c.rootfs(end)).unwrap().is_file(), "{link}");
    }
}

#[test]
fn links_in_a_circle_are_an_error() {
    let c = Container::new();
    symlink("b", c.rootfs("a")).unwrap();
    symlink("a", c.rootfs("b")).unwrap();
    let source = file(&c);
    c.bind(&source, "/a", &["bind"]).run(&[]).code(1);
}

#[test]
fn tmpfs_on_a_directory_that_is_not_there_has_its_own_mode() {
    only_tare!("runc does so from 1.4 on");
    let c = Container::new().args(&["stat", "-c", "%a", "/new/dir", "/new"]);
    let c = c.mount(json!({ "type": "tmpfs", "source": "tmpfs", "destination": "/new/dir" }));
    assert_eq!(c.says(), "1777\n755");
    assert_eq!(fs::metadata(c.rootfs("new/dir")).unwrap().permissions().mode() & 0o7777, 0o755);
}

/// Configs from before there was a specification.
#[test]
fn destination_may_name_the_rootfs() {
    only_tare!("runc 1.1 then looks for it by its path on the host");
    let c = Container::new().args(&["cat", "/in/file"]);
    let source = file(&c);
    let destination = c.rootfs("in/file");
    assert_eq!(c.bind(&source, destination.to_str().unwrap(), &["bind"]).says(), "of the host");
}

fn of_an_earlier_mount(c: Container) {
    let dir = c.path("dir");
    fs::create_dir_all(dir.join("below")).unwrap();
    fs::write(dir.join("below/file"), "seen\n").unwrap();
    // Only who is allowed to gets at it: in a user namespace that is not the container's root.
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
    let source = c.rootfs("first/below");
    let c = c.bind(&dir, "/first", &["rbind"]).bind(&source, "/second", &["rbind"]);
    assert_eq!(c.args(&["cat", "/second/file"]).says(), "seen");
}

#[test]
fn source_may_be_what_an_earlier_mount_has_brought() {
    of_an_earlier_mount(Container::new());
}

#[test]
fn source_may_be_what_an_earlier_mount_has_brought_in_a_user_namespace() {
    only_tare!("runc 1.1 opens all sources first");
    of_an_earlier_mount(Container::new().userns());
}

#[test]
fn proc_on_a_link_says_what_it_needs() {
    for (kind, place) in [("proc", "proc"), ("sysfs", "sys")] {
        let c = Container::new();
        fs::create_dir(c.rootfs("elsewhere")).unwrap();
        symlink("/elsewhere", c.rootfs(place)).unwrap();
        let c = c.config(|c| {
            let mounts = c["mounts"].as_array_mut().unwrap();
            mounts.retain(|m| !Path::new(m["destination"].as_str().unwrap()).starts_with("/sys"));
            if kind == "sysfs" {
                mounts.push(json!({ "type": "sysfs", "source": "sysfs", "destination": "/sys" }));
            }
        });
        c.run(&[]).fails(1, "must be mounted on ordinary directory");
    }
}

/// Binds for a user namespace are opened before anything is mounted; what is on top is that all the same.
#[test]
fn one_mount_over_another() {
    let tmpfs = |options: &[&str]| json!({ "destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": options });
    for in_user_namespace in [false, true] {
        let c = || {
            let c = Container::new()
                .sh("cat /data/source 2>/dev/null; touch /data/x 2>/dev/null && echo writable");
            let c = if in_user_namespace { c.userns() } else { c };
            file(&c);
            c
        };
        let bind = |c: Container, flag| {
            let dir = c.bundle().to_owned();
            c.bind(&dir, "/data", &["bind", flag])
        };
        assert_eq!(
            bind(c().mount(tmpfs(&["mode=777"])), "ro").run(&[]).stdout(),
            "of the host\n",
            "{in_user_namespace}"
        );
        assert_eq!(
            bind(c(), "ro").mount(tmpfs(&["mode=777"])).run(&[]).stdout(),
            "writable\n",
            "{in_user_namespace}"
        );
        assert_eq!(
            bind(c(), "rw").mount(tmpfs(&["ro"])).run(&[]).code(1).stdout(),
            "",
            "{in_user_namespace}"
        );
    }
}
