// SPDX-License-Identifier: Apache-2.0
//! The profiles clients write, from the config.json they gave a runtime on x86_64.

use oci_spec::runtime::LinuxSeccomp;
use serde_json::Value;

const CLIENTS: [(&str, &str); 3] = [
    ("docker", include_str!("profiles/docker.json")),
    ("containerd", include_str!("profiles/containerd.json")),
    ("podman", include_str!("profiles/podman.json")),
];

pub(crate) fn clients() -> impl Iterator<Item = (&'static str, LinuxSeccomp)> {
    clients_without(&[])
}

/// As the clients wrote them, but for some names.
pub(crate) fn clients_without(names: &[&str]) -> impl Iterator<Item = (&'static str, LinuxSeccomp)> {
    CLIENTS.into_iter().map(move |(client, json)| {
        let mut profile: Value = serde_json::from_str(json).unwrap();
        for syscall in profile["syscalls"].as_array_mut().unwrap() {
            let listed = syscall["names"].as_array_mut().unwrap();
            listed.retain(|name| !names.contains(&name.as_str().unwrap()));
        }
        (client, parse(profile))
    })
}

pub(crate) fn parse(json: Value) -> LinuxSeccomp {
    serde_json::from_value(json).unwrap()
}
