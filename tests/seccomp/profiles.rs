// SPDX-License-Identifier: Apache-2.0
//! The profiles clients write, from the config.json they gave a runtime.

use oci_spec::runtime::LinuxSeccomp;

pub(crate) fn clients() -> Vec<(&'static str, LinuxSeccomp)> {
    [
        ("docker", include_str!("profiles/docker.json")),
        ("containerd", include_str!("profiles/containerd.json")),
        ("podman", include_str!("profiles/podman.json")),
    ]
    .map(|(client, json)| (client, serde_json::from_str(json).unwrap()))
    .into()
}

pub(crate) fn parse(json: serde_json::Value) -> LinuxSeccomp {
    serde_json::from_value(json).unwrap()
}
