// SPDX-License-Identifier: Apache-2.0
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, base};

/// In an empty directory: the bundle of the test has a config.json.
fn spec(c: &Container, flags: &[&str]) -> Value {
    let dir = c.path("new");
    fs::create_dir(&dir).unwrap();
    c.cmd(&[&["spec", "--bundle", dir.to_str().unwrap()], flags].concat()).ok();
    serde_json::from_slice(&fs::read(dir.join("config.json")).unwrap()).unwrap()
}

#[test]
fn default_config() {
    let c = Container::new();
    let mut got = spec(&c, &[]);
    let mut want = base();
    // The version and the name are the runtime's own, the list of masked paths grows with the kernel, and later
    // versions of runc leave out the ambient set.
    for path in ["/ociVersion", "/hostname", "/linux/maskedPaths"] {
        assert!(got.pointer_mut(path).is_some_and(|v| std::mem::take(v) != Value::Null), "{path}");
        *want.pointer_mut(path).unwrap() = Value::Null;
    }
    for config in [&mut got, &mut want] {
        config["process"]["capabilities"].as_object_mut().unwrap().remove("ambient");
    }
    want["process"]["terminal"] = json!(true);
    want["process"]["args"] = json!(["sh"]);
    // On a machine with cgroup v2 only.
    got["linux"]["namespaces"].as_array_mut().unwrap().retain(|n| n["type"] != "cgroup");
    assert_eq!(got, want);
}

#[test]
fn default_config_runs() {
    let c = Container::new();
    let got = spec(&c, &[]);
    let c = c.config(|config| *config = got).set("/process/terminal", json!(false));
    assert_eq!(c.sh("echo ran").says(), "ran");
}

#[test]
fn default_masks_what_tells_of_the_host() {
    let c = Container::new();
    let got = spec(&c, &[]);
    let masked: Vec<_> = got["linux"]["maskedPaths"].as_array().unwrap().iter().collect();
    for path in ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"]
    {
        assert!(masked.contains(&&json!(path)), "{path}");
    }
}

#[test]
fn rootless_config() {
    let c = Container::new();
    let got = spec(&c, &["--rootless"]);
    let kinds: Vec<_> =
        got["linux"]["namespaces"].as_array().unwrap().iter().map(|n| n["type"].clone()).collect();
    assert!(kinds.contains(&json!("user")) && !kinds.contains(&json!("network")), "{kinds:?}");
    assert_eq!(got["linux"]["uidMappings"], json!([{ "containerID": 0, "hostID": 0, "size": 1 }]));
    assert_eq!(got["linux"]["gidMappings"], json!([{ "containerID": 0, "hostID": 0, "size": 1 }]));
    assert!(got["linux"].get("resources").is_none());
    let mounts = got["mounts"].as_array().unwrap();
    let sys = mounts.iter().find(|m| m["destination"] == "/sys").unwrap();
    assert_eq!(sys["source"], "/sys");
    assert_eq!(sys["options"], json!(["rbind", "nosuid", "noexec", "nodev", "ro"]));
    assert!(mounts.iter().all(|m| !m["options"].to_string().contains("gid=")));
}

#[test]
fn refuses_to_overwrite() {
    let c = Container::new();
    let before = fs::read(c.path("config.json")).unwrap();
    c.cmd(&["spec"]).fails(1, "File config.json exists. Remove it first");
    assert_eq!(fs::read(c.path("config.json")).unwrap(), before);
}

#[test]
fn is_indented_with_tabs() {
    let c = Container::new();
    fs::remove_file(c.path("config.json")).unwrap();
    c.cmd(&["spec"]).ok();
    assert!(fs::read_to_string(c.path("config.json")).unwrap().starts_with("{\n\t\"ociVersion\": \""));
}
