// SPDX-License-Identifier: Apache-2.0
//! Mount targets that the image makes lead out of its root: CVE-2015-3627, CVE-2015-3629, CVE-2019-18837, CVE-2019-19921,
//! CVE-2024-45310. crun 1.8.1 falls to the links by a magic link of /proc.

use std::fs;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::Container;
use crate::verdict::{link, runs_or_refused};

/// Each a way of an image to say "the canary"; the last by links of the procfs that is mounted in between.
fn ways_out(canary: &Canary) -> Vec<String> {
    let up = "../".repeat(12);
    vec![
        canary.path().into(),
        "../canary".into(),
        "../../../../canary".into(),
        format!("{up}{}", &canary.path()[1..]),
        format!("/bin/../../../..{}", canary.path()),
        "/proc/self/root".to_owned() + canary.path(),
        "/proc/1/root".to_owned() + canary.path(),
        "/proc/self/cwd/canary".into(),
        "/proc/thread-self/cwd/../canary".into(),
        "/proc/self/fd/3".into(),
    ]
}

fn mounts(c: Container) -> Container {
    let (dir, file) = (c.path("source"), c.path("source/file"));
    fs::create_dir(&dir).unwrap();
    fs::write(&file, "").unwrap();
    c.bind(&dir, "/a/b/dir", &["bind"])
        .bind(&file, "/a/b/file", &["bind"])
        .mount(json!({ "type": "tmpfs", "source": "t", "destination": "/a/tmpfs/below" }))
}

/// The component `at` of mount targets is a link out, by every way.
fn lead_out(at: &str, words: &str) {
    let first = Container::new();
    for way in ways_out(&Canary::new(&first)) {
        let c = mounts(Container::new().writable());
        let canary = Canary::new(&c);
        link(&c, at, way.replace(first.path("").to_str().unwrap(), c.path("").to_str().unwrap()));
        runs_or_refused(&c, words);
        canary.intact_after(&format!("{at} -> {way}"));
    }
}

#[test]
fn parent_of_a_bind_leads_out() {
    lead_out("a", "/a/b");
}

#[test]
fn inner_parent_of_a_bind_leads_out() {
    lead_out("a/b", "/a/b");
}

#[test]
fn target_of_a_bound_directory_leads_out() {
    lead_out("a/b/dir", "/a/b/dir");
}

#[test]
fn target_of_a_bound_file_leads_out() {
    lead_out("a/b/file", "/a/b/file");
}

#[test]
fn target_of_a_tmpfs_leads_out() {
    lead_out("a/tmpfs", "/a/tmpfs");
}

#[test]
fn proc_leads_out() {
    lead_out("proc", "/proc");
}

#[test]
fn sys_leads_out() {
    lead_out("sys", "/sys");
}

#[test]
fn dev_leads_out() {
    lead_out("dev", "/dev");
}

/// The cgroup mounts of v1 are several, below one directory.
#[test]
fn cgroup_leads_out() {
    let first = Container::new();
    for way in ways_out(&Canary::new(&first)) {
        let c = Container::new().writable().config(|c| {
            for mount in c["mounts"].as_array_mut().unwrap() {
                if mount["type"] == "cgroup" {
                    mount["destination"] = json!("/groups/all");
                }
            }
        });
        let canary = Canary::new(&c);
        link(&c, "groups", way.replace(first.path("").to_str().unwrap(), c.path("").to_str().unwrap()));
        runs_or_refused(&c, "/groups/all");
        canary.intact_after(&way);
    }
}

/// CVE-2024-45310: what is made for a target is made inside, or not at all.
#[test]
fn dots_behind_a_link_make_nothing_outside() {
    for destination in
        ["/a/../../../canary/new", "/a/../canary/new/below", "../canary/new", "/../../canary/new"]
    {
        for to in ["/", "/bin", "/nowhere", "../../.."] {
            let c = Container::new().writable();
            let canary = Canary::new(&c);
            link(&c, "a", to);
            let c = c.mount(json!({ "type": "tmpfs", "source": "t", "destination": destination }));
            runs_or_refused(&c, destination);
            canary.intact_after(destination);
        }
    }
}

/// CVE-2015-3629: the stub that one container leaves for a mount is a link when the next comes.
#[test]
fn stub_of_the_last_container_is_a_link_for_the_next() {
    let c = mounts(Container::new().writable());
    let canary = Canary::new(&c);
    c.run(&[]).ok();
    for stub in ["a/b/dir", "a/b/file", "a/tmpfs/below", "a/b"] {
        link(&c, stub, canary.path());
        runs_or_refused(&c, "/a/");
        canary.intact_after(stub);
    }
}

/// BuildKit's CVE-2024-23652: taking down must not follow what the rootfs has become.
#[test]
fn delete_touches_nothing_of_a_rootfs_that_has_changed() {
    let c = mounts(Container::new().writable());
    let canary = Canary::new(&c);
    let c = c.up();
    for stub in ["a/b", "a", "proc", "dev", "sys"] {
        let path = c.rootfs(stub);
        if path.exists() {
            fs::rename(&path, c.path(&format!("was-{}", stub.replace('/', "-")))).unwrap();
        }
        std::os::unix::fs::symlink(canary.path(), path).unwrap();
    }
    c.delete(&["--force"]).ok();
    canary.intact();
    // Nor when the rootfs itself, or the bundle's config, leads elsewhere.
    let c = Container::new();
    let canary = Canary::new(&c);
    let c = c.up();
    fs::rename(c.path("rootfs"), c.path("was")).unwrap();
    std::os::unix::fs::symlink(canary.path(), c.path("rootfs")).unwrap();
    c.delete(&["--force"]).ok();
    canary.intact();
}
