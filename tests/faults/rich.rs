// SPDX-License-Identifier: Apache-2.0
//! The container of most of these tests.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::Container;

/// A config that asks for much of what a start can do.
pub(crate) fn rich() -> Container {
    let c = Container::new();
    std::fs::write(c.path("file"), "text\n").unwrap();
    std::fs::create_dir_all(c.rootfs("mnt")).unwrap();
    std::fs::write(c.rootfs("mnt/file"), "").unwrap();
    // runc gives a tmpfs the mode of the directory it covers, whatever the config says.
    std::fs::create_dir(c.rootfs("tmp")).unwrap();
    std::fs::set_permissions(c.rootfs("tmp"), PermissionsExt::from_mode(0o1770)).unwrap();
    let file = c.path("file");
    let sets = json!(["CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let device = json!({ "path": "/dev/own", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640 });
    let all = ["bounding", "effective", "permitted", "inheritable", "ambient"];
    let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        { "names": ["acct", "reboot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }
    ] });
    let id = c.id.clone();
    c.bind(&file, "/mnt/file", &["bind", "ro", "nosuid"])
        .mount(json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1770", "size=64k"] }))
        .set("/process/user", json!({ "uid": 1000, "gid": 1000, "additionalGids": [5, 20], "umask": 0o27 }))
        .set("/process/capabilities", all.into_iter().map(|set| (set.to_owned(), sets.clone())).collect())
        .config(|c| c["process"]["env"].as_array_mut().unwrap().push(json!(format!("FAULTS={id}"))))
        .set("/process/rlimits", json!([{ "type": "RLIMIT_CORE", "hard": 7, "soft": 3 }]))
        .set("/linux/devices", json!([device]))
        .set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }))
        .set("/linux/resources/pids", json!({ "limit": 99 }))
        .set("/linux/resources/memory", json!({ "limit": 64 << 20 }))
        .set("/linux/seccomp", profile)
}
