// SPDX-License-Identifier: Apache-2.0
use serde_json::{Value, json};

use crate::harness::{Container, only_tare};

fn features() -> Value {
    serde_json::from_str(&Container::new().cmd(&["features"]).ok().stdout()).unwrap()
}

#[test]
fn what_callers_look_at() {
    let f = features();
    assert_eq!(f["ociVersionMin"], "1.0.0");
    assert!(f["ociVersionMax"].as_str().unwrap().starts_with("1."));
    let hooks =
        json!(["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]);
    assert_eq!(f["hooks"], hooks);
    let has =
        |pointer: &str, value: &str| f.pointer(pointer).unwrap().as_array().unwrap().contains(&json!(value));
    for option in ["ro", "rro", "rbind", "nosuid", "rslave", "tmpcopyup", "nosymfollow"] {
        assert!(has("/mountOptions", option), "{option}");
    }
    for namespace in ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"] {
        assert!(has("/linux/namespaces", namespace), "{namespace}");
    }
    for capability in ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"] {
        assert!(has("/linux/capabilities", capability), "{capability}");
    }
    assert_eq!(f["linux"]["cgroup"]["v1"], true);
    assert_eq!(f["linux"]["cgroup"]["v2"], true);
}

#[test]
fn mount_options_are_sorted() {
    let f = features();
    let options: Vec<_> = f["mountOptions"].as_array().unwrap().iter().map(|o| o.as_str().unwrap()).collect();
    assert!(options.is_sorted(), "{options:?}");
}

#[test]
fn of_runtime_spec_1_3() {
    only_tare!("runc 1.1 knows 1.0.2");
    let f = features();
    assert_eq!(f["ociVersionMax"], "1.3.0");
    assert!(f["linux"]["namespaces"].as_array().unwrap().contains(&json!("time")));
}

#[test]
fn takes_no_argument() {
    Container::new().cmd(&["features", "x"]).fails(1, "");
}

/// Whether `explain` plans a config with this in it.
fn planned(pointer: &str, value: &Value) -> bool {
    let c = Container::new().set(pointer, value.clone());
    c.cmd(&["explain"]).code == 0
}

#[test]
fn what_it_says_is_there_is_planned() {
    only_tare!("it asks explain");
    let f = features();
    let words = |pointer: &str| f.pointer(pointer).unwrap().as_array().unwrap().clone();
    for namespace in words("/linux/namespaces") {
        let c = Container::new().namespace(namespace.as_str().unwrap(), Some(json!({ "type": namespace })));
        let c = if namespace == "user" { c.userns() } else { c };
        c.cmd(&["explain"]).ok();
    }
    for mode in words("/linux/memoryPolicy/modes") {
        let nodes = if ["MPOL_DEFAULT", "MPOL_LOCAL"].iter().any(|none| mode == *none) { "" } else { "0" };
        assert!(planned("/linux/memoryPolicy", &json!({ "mode": mode, "nodes": nodes })), "{mode}");
    }
    let capabilities = json!({ "bounding": words("/linux/capabilities") });
    assert!(planned("/process/capabilities", &capabilities));
}

/// Never left out in silence.
#[test]
fn what_it_says_is_not_there_is_refused() {
    only_tare!("it asks explain");
    let f = features();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1 }]);
    let mapped = json!({ "source": "/tmp", "destination": "/mnt", "type": "bind", "options": ["bind"],
        "uidMappings": map, "gidMappings": map });
    for (pointer, property, value) in [
        ("/linux/apparmor/enabled", "/process/apparmorProfile", json!("some")),
        ("/linux/selinux/enabled", "/process/selinuxLabel", json!("system_u:system_r:svirt_t:s0")),
        ("/linux/selinux/enabled", "/linux/mountLabel", json!("system_u:object_r:svirt_file_t:s0")),
        (
            "/linux/intelRdt/enabled",
            "/linux/intelRdt",
            json!({ "closID": "some", "l3CacheSchema": "L3:0=f" }),
        ),
        ("/linux/netDevices/enabled", "/linux/netDevices", json!({ "dummy0": {} })),
        ("/linux/mountExtensions/idmap/enabled", "/mounts/0", mapped),
    ] {
        let enabled = f.pointer(pointer).unwrap() == true;
        assert!(enabled || !planned(property, &value), "{pointer} is false, {property} taken");
    }
    if f["linux"]["cgroup"]["systemd"] == false {
        Container::new().cmd(&["--systemd-cgroup", "explain"]).fails(1, "systemd");
    }
    if f["annotations"]["org.opencontainers.runc.checkpoint.enabled"] != "true" {
        for command in ["checkpoint", "restore"] {
            Container::new().cmd(&[command, "some"]).fails(1, "not supported");
        }
    }
}
