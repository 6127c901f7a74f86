// SPDX-License-Identifier: Apache-2.0
//! CVE-2021-43784: a length of 16 bits that wraps, and attacker's bytes that are read as the next field.

use serde_json::json;

use crate::harness::Container;
use crate::verdict::refused;

/// 70,000 bytes, more than 16 bits say, in each string that goes to init, a file of the kernel's or a netlink message.
#[test]
fn paths_and_maps_longer_than_any_field() {
    let long = "x".repeat(70_000);
    let path = format!("/{long}");
    for (place, value) in [
        ("/linux/namespaces/1", json!({ "type": "network", "path": path })),
        ("/mounts/0", json!({ "type": "none", "source": path, "destination": "/mnt", "options": ["bind"] })),
        ("/mounts/0", json!({ "type": "tmpfs", "source": "t", "destination": path })),
        ("/mounts/0", json!({ "type": long, "source": "t", "destination": "/mnt" })),
        ("/process/cwd", json!(path)),
        ("/hostname", json!(long)),
        ("/root/path", json!(path)),
        ("/linux/cgroupsPath", json!(path)),
        ("/linux/sysctl", json!({ format!("net.{long}"): "1" })),
        ("/linux/devices", json!([{ "path": path, "type": "c", "major": 1, "minor": 3 }])),
        ("/linux/netDevices", json!({ long.clone(): {} })),
        ("/linux/netDevices", json!({ "lo": { "name": long } })),
        ("/linux/rootfsPropagation", json!(long)),
    ] {
        refused(&Container::new().set(place, value), "");
    }
    let many: Vec<_> =
        (0..5000_u32).map(|n| json!({ "containerID": n, "hostID": 100_000 + n, "size": 1 })).collect();
    for map in ["uidMappings", "gidMappings"] {
        refused(
            &Container::new().userns().set(&format!("/linux/{map}"), json!(many)),
            &format!("/linux/{map}"),
        );
    }
}
