// SPDX-License-Identifier: Apache-2.0
//! Every word of `mounts[].options`, and what may be mounted on /proc.
use serde_json::{Value, json};

use crate::harness::{Container, only_tare};

fn tmpfs(options: &[&str]) -> Value {
    json!({ "destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": options })
}

/// What `features` lists a filesystem takes, but for those that say what kind of mount it is.
#[test]
fn every_option_is_taken_by_a_tmpfs() {
    only_tare!("runc 1.1 has no list, and does not know all");
    let features: Value = serde_json::from_str(&Container::new().cmd(&["features"]).ok().stdout()).unwrap();
    let options = features["mountOptions"].as_array().unwrap();
    let other_kinds = ["bind", "rbind", "remount", "idmap", "ridmap"];
    let words = options.iter().map(|word| word.as_str().unwrap()).filter(|word| !other_kinds.contains(word));
    let c = words.enumerate().fold(Container::new().writable(), |c, (n, word)| {
        let destination = format!("/mnt/{n}-{word}");
        c.mount(json!({ "destination": destination, "type": "tmpfs", "source": "tmpfs", "options": [word] }))
    });
    let out = c.args(&["grep", "-c", " /mnt/", "/proc/self/mounts"]).says();
    assert_eq!(out, (options.len() - other_kinds.len()).to_string());
}

#[test]
fn flags_of_the_filesystem() {
    for flag in ["sync", "dirsync", "lazytime", "mand"] {
        let line = Container::new().mount(tmpfs(&[flag])).sh("grep ' /mnt ' /proc/self/mounts").says();
        assert!(line.contains(flag), "{flag} in {line}");
    }
}

/// Nothing is below a new filesystem: its recursive options are those of itself.
#[test]
fn recursive_options_of_a_filesystem() {
    only_tare!("runc leaves them out without a word");
    let mount = Container::new().mount(tmpfs(&["rro", "rnosuid", "rnoexec", "rnoatime"])).mounted("/mnt");
    for flag in ["ro", "nosuid", "noexec", "noatime"] {
        assert!(mount.has(flag), "{flag} in {mount:?}");
    }
    let mount = Container::new().mount(tmpfs(&["ro", "nodev", "rrw"])).mounted("/mnt");
    assert!(mount.has("rw") && mount.has("nodev"), "{mount:?}");
}

#[test]
fn recursive_options_of_the_cgroups() {
    only_tare!("runc leaves them out without a word");
    let c = Container::new().config(|c| {
        let cgroup = c["mounts"].as_array_mut().unwrap().iter_mut().find(|m| m["type"] == "cgroup").unwrap();
        cgroup["options"] = json!(["rro", "rnosuid"]);
    });
    let table = c.sh("grep ' /sys/fs/cgroup' /proc/self/mounts").says();
    for line in table.lines() {
        assert!(line.contains(" ro,nosuid"), "{line}");
    }
    assert!(table.lines().count() > 0);
}

#[test]
fn only_a_procfs_goes_on_proc() {
    for destination in ["/proc", "/x/../proc/"] {
        let mount = json!({ "destination": destination, "type": "tmpfs", "source": "tmpfs" });
        let c = Container::new().config(|c| c["mounts"][0] = mount);
        c.create(&[]).code(1);
    }
    let c = Container::new();
    std::fs::create_dir(c.path("fake")).unwrap();
    let fake = json!({ "destination": "/proc", "source": c.path("fake"), "options": ["bind"] });
    c.config(|c| c["mounts"][0] = fake).create(&[]).code(1);
}

#[test]
fn what_goes_on_proc_is_named() {
    only_tare!("runc 1.1 fails later on, for want of /proc/self");
    let tmpfs = json!({ "destination": "/proc", "type": "tmpfs", "source": "tmpfs" });
    let words = "/proc cannot be mounted because it is not of type proc";
    let c = Container::new().config(|c| c["mounts"][0] = tmpfs);
    c.create(&[]).fails(1, words);
    let c = Container::new().userns();
    std::fs::create_dir(c.path("fake")).unwrap();
    let fake = json!({ "destination": "/proc", "source": c.path("fake"), "options": ["bind"] });
    c.config(|c| c["mounts"][0] = fake).create(&[]).fails(1, words);
}

/// Docker's `--pid=host` containers without a right to mount one.
#[test]
fn the_hosts_procfs_may_be_bound() {
    let bind = json!({ "destination": "/proc", "type": "none", "source": "/proc", "options": ["rbind"] });
    let c = Container::new().namespace("pid", None).config(|c| c["mounts"][0] = bind);
    assert_eq!(
        c.args(&["cat", "/proc/1/comm"]).says(),
        std::fs::read_to_string("/proc/1/comm").unwrap().trim()
    );
}
