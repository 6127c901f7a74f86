// SPDX-License-Identifier: Apache-2.0
//! Who is root in a user namespace of an ordinary user's, as podman is, has no right to make cgroups.
use std::fs;

use serde_json::json;

use crate::harness::{Container, Output, after, finish};

fn run_as_nobody(c: &Container) -> Output {
    let root = c.path("own-root");
    fs::create_dir(&root).unwrap();
    let mut run = c.runtime(["--root"]);
    run.arg(root).args(["run", "--bundle"]).arg(c.bundle()).arg(&c.id);
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user --map-root-user";
    finish(after(&format!("chown -R 65534:65534 .; exec {nobody} \"$0\" \"$@\""), &run))
}

#[test]
fn cgroup_mount_shows_the_callers_where_none_can_be_made() {
    let c = Container::new().set("/linux/resources", json!({})).config(|config| {
        // The terminals' group has no id in this user namespace.
        let mounts = config["mounts"].as_array_mut().unwrap();
        let pts = mounts.iter_mut().find(|mount| mount["type"] == "devpts").unwrap();
        pts["options"] = json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
    });
    let c = c.sh("ls -d /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null | head -1");
    let shown = run_as_nobody(&c).ok().stdout();
    assert!(shown.trim().ends_with("/cgroup.procs"), "{shown:?}");
}
