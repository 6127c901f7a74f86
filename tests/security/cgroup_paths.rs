// SPDX-License-Identifier: Apache-2.0
//! Words of a config that become names of cgroup files: CVE-2023-6476, CVE-2025-47291, and what crun 1.28 and 1.29 mended.

use serde_json::json;

use crate::harness::{Container, cgroup_mounts, is_v2};
use crate::verdict::{refused, says_no};

/// However the path climbs, the cgroup is below the mount of its hierarchy.
#[test]
fn path_of_a_cgroup_never_leaves_its_hierarchy() {
    for path in ["../../../ID", "/../../ID", "/ID/../../../ID", "./../ID", "//ID//..//ID", "/a/../../ID"] {
        let c = Container::new();
        let path = path.replace("ID", &c.id);
        let c = c.set("/linux/cgroupsPath", json!(path)).up();
        let own = std::fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
        for line in own.lines() {
            let path = line.splitn(3, ':').nth(2).unwrap();
            assert!(!path.contains("..") && path.contains(&c.id), "{path}");
        }
        assert!(cgroup_mounts().count() > 0);
    }
}

#[test]
fn path_of_a_cgroup_is_a_path() {
    for path in ["/", "", ".", "..", "/..", "a/..", "a\u{0}b", "\n", "/a\nb"] {
        let c = Container::new().set("/linux/cgroupsPath", json!(path));
        let out = c.create(&[]);
        if out.code != 0 {
            says_no(&out, "/linux/cgroupsPath");
            continue;
        }
        // runc takes an empty one for none, and so do we: a cgroup of the container's name.
        let own = std::fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
        assert!(own.lines().all(|l| l.contains(&c.id) || !l.ends_with(":/")), "{path:?}: {own}");
    }
}

/// A key of `unified` is one file of the cgroup.
#[test]
fn unified_key_is_the_name_of_one_file() {
    for key in [
        "../cgroup.procs",
        "a/b",
        "/etc/passwd",
        "..",
        ".",
        "",
        "cgroup.procs",
        "cgroup.subtree_control",
        "memory.max\u{0}",
        "memory.max/../x",
    ] {
        let c = Container::new()
            .set("/linux/resources/unified", json!({}))
            .config(|c| c["linux"]["resources"]["unified"][key] = json!("1"));
        refused(&c, "/linux/resources/unified");
    }
    if !is_v2() {
        refused(
            &Container::new().set("/linux/resources/unified", json!({ "memory.max": "1" })),
            "/linux/resources/unified",
        );
    }
}

#[test]
fn size_of_a_huge_page_is_a_size() {
    for size in
        ["../../x", "2MB/../x", "/", "", "2MB\u{0}", "..", "2 MB", "2mb", "-2MB", "9999999999999999999999MB"]
    {
        let limit = json!([{ "pageSize": size, "limit": 0 }]);
        refused(
            &Container::new().set("/linux/resources/hugepageLimits", limit),
            "/linux/resources/hugepageLimits",
        );
    }
}

/// Names of devices, network interfaces, RDMA devices and CPU sets are lines of a file, not more of them.
#[test]
fn names_are_one_word_of_a_file() {
    for (place, value) in [
        ("/linux/resources/network/priorities", json!([{ "name": "lo 1\nlo", "priority": 1 }])),
        ("/linux/resources/network/priorities", json!([{ "name": "a/b", "priority": 1 }])),
        ("/linux/resources/rdma", json!({ "mlx\nmlx": { "hcaHandles": 1 } })),
        ("/linux/resources/rdma", json!({ "": { "hcaHandles": 1 } })),
        ("/linux/resources/cpu/cpus", json!("../0")),
        ("/linux/resources/cpu/mems", json!("0;1")),
        ("/linux/intelRdt", json!({ "closID": "../x", "l3CacheSchema": "L3:0=f" })),
        ("/linux/intelRdt", json!({ "closID": "a/b" })),
        ("/linux/intelRdt", json!({ "closID": "." })),
    ] {
        refused(&Container::new().set(place, value), place);
    }
}

/// exec's own cgroup is below the container's.
#[test]
fn cgroup_of_exec_stays_below() {
    let c = Container::new().up();
    for path in ["..", "../..", "/../..", "a/../../..", "/a/../../b", "../../../../../../sys/fs/cgroup"] {
        says_no(&c.exec(&["--cgroup", path], &["true"]), "sub cgroup path");
    }
    for path in ["nosuch", "freezer:../..", "freezer:/nosuch", "nosuch:/", "../../etc"] {
        assert!(c.exec(&["--cgroup", path], &["true"]).code > 0, "{path}");
    }
}
