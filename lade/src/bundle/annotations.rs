// SPDX-License-Identifier: Apache-2.0
//! Annotations from the image (image-spec, conversion.md). An image's labels come from a stranger, and some names make
//! runtimes act on the host: systemd properties, hooks, devices, log programs (CVE-2024-3154, CVE-2026-53488). Those
//! stay behind unless the user asks for them, which is stricter than the conversion rules and said so.

use std::collections::BTreeMap;

use crate::image::ImageConfig;

const UNSAFE: [&str; 14] = [
    "org.systemd.property.",
    "run.oci.",
    "io.crun.",
    "org.criu.",
    "io.kubernetes.cri",
    "io.containerd.",
    "io.podman.",
    "io.katacontainers.",
    "com.nvidia.",
    "cdi.k8s.io/",
    "nerdctl/",
    "module.",
    "tare.",
    "lade.",
];

/// The annotations, and the labels that were left out.
pub(super) fn from_image(
    config: &ImageConfig,
    allow_unsafe: bool,
) -> (BTreeMap<String, String>, Vec<String>) {
    let mut annotations = BTreeMap::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            annotations.insert(format!("org.opencontainers.image.{name}"), value.to_owned());
        }
    };
    put("os", &config.platform.os);
    put("architecture", &config.platform.architecture);
    put("variant", &config.platform.variant);
    put("os.version", &config.platform.os_version);
    put("os.features", &config.platform.os_features.join(","));
    put("author", config.author.as_deref().unwrap_or_default());
    put("created", config.created.as_deref().unwrap_or_default());
    put("stopSignal", &config.config.stop_signal);
    let ports: Vec<&str> = config.config.exposed_ports.keys().map(String::as_str).collect();
    put("exposedPorts", &ports.join(","));
    let mut left_out = Vec::new();
    for (name, value) in &config.config.labels {
        if !allow_unsafe && UNSAFE.iter().any(|prefix| name.starts_with(prefix)) {
            left_out.push(name.clone());
        } else {
            annotations.insert(name.clone(), value.clone());
        }
    }
    (annotations, left_out)
}
