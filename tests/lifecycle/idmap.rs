// SPDX-License-Identifier: Apache-2.0
//! Id-mapped mounts. runc 1.1 has none.
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Container, finish, only_tare, without};

fn map(container: u32, host: u32, size: u32) -> Value {
    json!([{ "containerID": container, "hostID": host, "size": size }])
}

/// A directory `dir` of files of these owners, each named after its owner.
fn with_files(owners: &[(u32, u32)]) -> Container {
    let c = Container::new().writable();
    fs::create_dir(c.path("dir")).unwrap();
    for (uid, gid) in owners {
        let file = c.path(&format!("dir/{uid}"));
        fs::write(&file, "text").unwrap();
        chown(file, Some(*uid), Some(*gid)).unwrap();
    }
    c
}

/// `dir` on /mnt, with these properties more.
fn mount(c: Container, options: &[&str], more: Value) -> Container {
    let mut mount =
        json!({ "source": c.path("dir"), "destination": "/mnt", "type": "none", "options": options });
    mount.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    c.mount(mount)
}

const OWNERS: &str = "cd /mnt; stat -c '%n %u %g' *";

#[test]
fn mappings_of_the_mount_alone() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let maps = json!({ "uidMappings": map(100, 1100, 10), "gidMappings": map(200, 2200, 10) });
    let c = mount(with_files(&[(100, 200), (105, 209), (110, 200)]), &["bind"], maps).sh(OWNERS);
    assert_eq!(c.says(), "100 1100 2200\n105 1105 2209\n110 65534 2200");
}

/// What root of the container writes is the host's root's on disk.
#[test]
fn mappings_of_the_mount_beside_a_user_namespace() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let maps = json!({ "uidMappings": map(0, 100_000, 65536), "gidMappings": map(0, 100_000, 65536) });
    let c = mount(with_files(&[(0, 0), (1, 2)]).userns(), &["bind"], maps);
    let c = c.sh(&format!("{OWNERS}; touch new"));
    assert_eq!(c.says(), "0 0 0\n1 1 2");
    let new = fs::metadata(c.path("dir/new")).unwrap();
    assert_eq!((new.uid(), new.gid()), (0, 0));
}

#[test]
fn mappings_of_the_container() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let c = mount(with_files(&[(0, 0), (1, 2)]).userns(), &["bind", "idmap"], json!({})).sh(OWNERS);
    assert_eq!(c.says(), "0 0 0\n1 1 2");
}

#[test]
fn mappings_of_a_joined_user_namespace() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let pod = Container::new().userns().up();
    let path = format!("/proc/{}/ns/user", pod.pid());
    let c = with_files(&[(0, 0), (1, 2)]).userns();
    let c = c.namespace("user", Some(json!({ "type": "user", "path": path })));
    assert_eq!(mount(c, &["rbind", "ridmap"], json!({})).sh(OWNERS).says(), "0 0 0\n1 1 2");
}

#[test]
fn submounts_are_mapped_by_ridmap_alone() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    for (option, below) in [("idmap", "65534"), ("ridmap", "5")] {
        let c = with_files(&[(5, 5)]).userns();
        let below_dir = c.path("dir/below");
        fs::create_dir(&below_dir).unwrap();
        // From outside: the test must not leave a mount when it fails.
        let other = c.path("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("file"), "").unwrap();
        chown(other.join("file"), Some(5), Some(5)).unwrap();
        let script = format!(
            "mount --bind {0} {1} && {2} --root {3} run --bundle {4} {5}",
            other.display(),
            below_dir.display(),
            crate::harness::runtime(),
            c.state_root().display(),
            c.bundle().display(),
            c.id,
        );
        let _c = mount(c, &["rbind", option], json!({})).sh("stat -c %u /mnt/5 /mnt/below/file");
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", &script]);
        assert_eq!(finish(unshare).ok().stdout(), format!("5\n{below}\n"), "{option}");
    }
}

#[test]
fn other_options_hold_beside() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let c = mount(with_files(&[(0, 0)]).userns(), &["rbind", "idmap", "ro", "nosuid", "rslave"], json!({}));
    let c = c.sh("touch /mnt/x 2>/dev/null || echo read-only; grep ' /mnt ' /proc/self/mounts");
    let out = c.says();
    assert!(out.starts_with("read-only\n") && out.contains("nosuid") && out.contains("idmapped"), "{out}");
}

#[test]
fn a_file_and_a_relative_source() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let c = with_files(&[(3, 4)]).userns();
    let c = c.mount(json!({ "source": "dir/3", "destination": "/file", "options": ["bind", "idmap"] }));
    assert_eq!(c.sh("stat -c '%u %g' /file").says(), "3 4");
}

/// procfs never allows it.
#[test]
fn a_filesystem_without_support_is_named() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let c = Container::new().userns().bind("/proc/sys".as_ref(), "/mnt", &["bind", "idmap"]);
    let out = c.run(&[]);
    out.fails(1, "failed to set MOUNT_ATTR_IDMAP on /proc/sys (config.json: /mounts/7): invalid argument");
}

#[test]
fn a_kernel_without_mount_setattr_is_named() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let c = mount(with_files(&[]).userns(), &["bind", "idmap"], json!({}));
    let out = finish(without(&[libc::SYS_mount_setattr], c.on("run", &[])));
    out.fails(1, "hint: id-mapped mounts need Linux 5.12");
}

/// The processes that carry the maps are gone, and so are their descriptors.
#[test]
fn twenty_mappings_leave_nothing_open() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let c = (0..20).fold(with_files(&[(0, 0)]), |c, n| {
        let source = c.path("dir");
        c.mount(json!({
            "source": source, "destination": format!("/mnt/{n}"), "options": ["bind"],
            "uidMappings": map(0, n, 10), "gidMappings": map(0, n, 10)
        }))
    });
    let c = c.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 20, "hard": 20 }]));
    assert_eq!(c.sh("stat -c %u /mnt/3/0 /mnt/19/0; ls /proc/self/fd").says(), "3\n19\n0\n1\n2\n3");
}

/// The limit is the container's, not that of what makes it; in a user namespace it is the parent that sets it.
#[test]
fn more_mounts_than_the_container_may_open_files() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let c = (0..20).fold(with_files(&[(0, 0)]).userns(), |c, n| {
        let source = c.path("dir");
        c.mount(json!({ "source": source, "destination": format!("/mnt/{n}"), "options": ["bind", "idmap"] }))
    });
    let c = c.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 20, "hard": 20 }]));
    let c = c.sh("stat -c %u /mnt/0/0 /mnt/19/0; ulimit -n; ulimit -Hn");
    assert_eq!(c.says(), "0\n0\n20\n20");
    let up = c.sh("sleep 100").up();
    assert_eq!(up.exec(&[], &["sh", "-c", "ulimit -n"]).ok().stdout(), "20\n");
}

/// Only init sees what the mounts before have put there; the parent maps what it opens.
#[test]
fn source_in_the_root_behind_earlier_mounts() {
    only_tare!("runc 1.1 has no id-mapped mounts");
    let maps = json!({ "uidMappings": map(0, 1000, 10), "gidMappings": map(0, 2000, 10) });
    let with = |c: Container, options: &[&str], more: Value| {
        let mut again = json!({ "source": c.rootfs("mnt"), "destination": "/again", "options": options });
        again.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        mount(c, &["bind"], json!({})).mount(again).sh("cd /again; stat -c '%n %u %g' *")
    };
    assert_eq!(with(with_files(&[(3, 4)]), &["bind"], maps.clone()).says(), "3 1003 2004");
    let maps = json!({ "uidMappings": map(0, 100_000, 10), "gidMappings": map(0, 100_000, 10) });
    assert_eq!(with(with_files(&[(3, 4)]).userns(), &["rbind"], maps).says(), "3 3 4");
    let c = with(with_files(&[(3, 4)]).userns(), &["bind", "idmap"], json!({}));
    assert_eq!(c.says(), "3 3 4");
    let out = c.cmd(&["explain", "--bundle", "."]).ok().stdout();
    assert!(out.contains("which has its uids mapped 0:100000:65536"), "{out}");
}
