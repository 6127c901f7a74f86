// SPDX-License-Identifier: Apache-2.0
//! Whatever the path of a cgroup, in a config, in the state, or of `exec --cgroup`: it stays below where it starts.
#![no_main]

use oci_spec::runtime::{LinuxBuilder, Spec};
use tare::host::cgroup::{Cgroups, Hierarchy, Version};
use tare::host::systemd::{Bus, Manager};
use tare::plan::cgroup;

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (path, own) = input;
    tare::cgroup::fuzz(path);
    let mut spec = Spec::default();
    spec.set_linux(LinuxBuilder::default().cgroups_path(path).build().ok());
    let mount = "/sys/fs/cgroup".to_owned();
    let hierarchies = vec![Hierarchy { controllers: String::new(), mount, own: format!("/{own}") }];
    let host = Cgroups { version: Version::V2, hierarchies, available: Vec::new() };
    let manager = Manager { bus: Bus::System, cgroup: String::new() };
    for manager in [None, Some(&manager)] {
        let Ok(plan) = cgroup::plan(&spec, "c1", &host, false, manager) else { continue };
        for path in plan.paths().values() {
            assert!(path.starts_with("/sys/fs/cgroup/") && !format!("{path}/").contains("/../"), "{path}");
        }
    }
});
