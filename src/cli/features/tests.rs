// SPDX-License-Identifier: Apache-2.0
//! What `features` lists beside the tables that the work is done by.
#![allow(clippy::unwrap_used)]

use oci_spec::runtime::{
    LinuxSeccompFilterFlag, LinuxSeccompOperator, MemoryPolicyFlagType, MemoryPolicyModeType,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::plan::seccomp;

/// The words that the parser of config.json takes for a type, as its own error lists them.
fn words<T: DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
    let error = serde_json::from_value::<T>(json!("?")).unwrap_err().to_string();
    let mut words: Vec<_> = error.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect();
    assert!(words.len() > 2, "{error}");
    words.sort();
    words
}

fn listed(pointer: &str) -> Vec<String> {
    let json = serde_json::to_value(features()).unwrap();
    let list = json.pointer(pointer).unwrap().as_array().unwrap().clone();
    let words: Vec<_> = list.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
    assert!(words.is_sorted_by(|a, b| a < b), "{pointer}: {words:?}");
    words
}

#[test]
fn nothing_is_left_unknown() {
    let json = serde_json::to_value(features()).unwrap();
    assert!(!json.to_string().contains("null"), "{json}");
    for pointer in [
        "/linux/apparmor/enabled",
        "/linux/cgroup/rdma",
        "/linux/cgroup/systemd",
        "/linux/cgroup/systemdUser",
        "/linux/cgroup/v1",
        "/linux/cgroup/v2",
        "/linux/intelRdt/enabled",
        "/linux/intelRdt/monitoring",
        "/linux/intelRdt/schemata",
        "/linux/mountExtensions/idmap/enabled",
        "/linux/netDevices/enabled",
        "/linux/seccomp/enabled",
        "/linux/selinux/enabled",
    ] {
        assert!(json.pointer(pointer).is_some_and(Value::is_boolean), "{pointer}");
    }
}

#[test]
fn every_word_that_config_json_may_have_is_listed() {
    assert_eq!(listed("/linux/namespaces"), words::<LinuxNamespaceType>());
    assert_eq!(listed("/linux/seccomp/actions"), words::<LinuxSeccompAction>());
    assert_eq!(listed("/linux/seccomp/operators"), words::<LinuxSeccompOperator>());
    assert_eq!(listed("/linux/seccomp/knownFlags"), words::<LinuxSeccompFilterFlag>());
    assert_eq!(listed("/linux/seccomp/supportedFlags"), words::<LinuxSeccompFilterFlag>());
    assert_eq!(listed("/linux/memoryPolicy/modes"), words::<MemoryPolicyModeType>());
    assert_eq!(listed("/linux/memoryPolicy/flags"), words::<MemoryPolicyFlagType>());
    let archs = words::<Arch>();
    assert_eq!(
        listed("/linux/seccomp/archs"),
        archs.into_iter().filter(|a| a != "SCMP_ARCH_NATIVE").collect::<Vec<_>>()
    );
}

#[test]
fn every_capability_of_the_kernel_headers_is_listed() {
    let mut names: Vec<_> = caps::all().iter().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(listed("/linux/capabilities"), names);
    assert_eq!(names.len(), 41, "as of Linux 5.9 to 6.18");
}

#[test]
fn every_option_of_the_mount_table_is_listed() {
    let extensions = serde_json::to_value(features()).unwrap()["linux"]["mountExtensions"].clone();
    let idmap = extensions["idmap"]["enabled"] == true;
    let known = options::names().filter(|name| idmap || !["idmap", "ridmap"].contains(name));
    assert_eq!(listed("/mountOptions"), known.map(str::to_owned).collect::<Vec<_>>());
}

/// On each architecture, with every action, operator and flag.
#[test]
fn every_listed_part_of_a_filter_compiles() {
    let archs = listed("/linux/seccomp/archs");
    for (arch, action) in
        archs.iter().flat_map(|arch| listed("/linux/seccomp/actions").into_iter().map(move |a| (arch, a)))
    {
        let operators = listed("/linux/seccomp/operators").into_iter();
        let condition = |op| json!({ "index": 0, "value": 1, "op": op });
        let rule = |op| json!({ "names": ["read"], "action": action, "args": [condition(op)] });
        let profile = json!({
            // A rule must do something else.
            "defaultAction": if action == "SCMP_ACT_TRAP" { "SCMP_ACT_LOG" } else { "SCMP_ACT_TRAP" },
            "architectures": [arch],
            "syscalls": operators.map(rule).collect::<Vec<_>>(),
            "flags": listed("/linux/seccomp/supportedFlags"),
            "listenerPath": "/run/agent",
        });
        let native = serde_json::from_value(json!(arch)).unwrap();
        if let Err(error) = seccomp::compile(&serde_json::from_value(profile).unwrap(), native) {
            panic!("{arch} {action}: {error}");
        }
    }
}
