// SPDX-License-Identifier: Apache-2.0
//! What `create` does before it has any effect.

use std::path::Path;
use std::sync::OnceLock;

use oci_spec::runtime::Spec;
use serde_json::Value;
use tare::host::Host;
use tare::host::cgroup::{Cgroups, Hierarchy, Version};
use tare::step::{InRoot, Step};
use tare::{plan, spec};

/// A config with every kind of property that has no effect of its own on the machine.
pub(crate) fn full() -> Value {
    serde_json::from_str(include_str!("full.json")).unwrap()
}

fn host() -> Host {
    let hierarchy = |controllers: &str, dir: &str| Hierarchy {
        controllers: controllers.to_owned(),
        mount: format!("/sys/fs/cgroup/{dir}"),
        own: "/".to_owned(),
    };
    let v1 = [
        "cpu", "cpuset", "memory", "devices", "pids", "blkio", "hugetlb", "net_prio", "net_cls", "rdma",
        "freezer",
    ];
    let mut hierarchies: Vec<_> = v1.iter().map(|name| hierarchy(name, name)).collect();
    hierarchies.push(hierarchy("", "unified"));
    Host {
        kernel: (6, 18),
        selinux: false,
        resctrl: None,
        in_user_namespace: false,
        privileged: true,
        kernel_mounts: Vec::new(),
        kdevtmpfs: None,
        cgroups: Cgroups { version: Version::Hybrid, hierarchies, available: Vec::new() },
    }
}

fn options() -> plan::Options<'static> {
    plan::Options {
        id: "c1",
        bundle: Path::new("/bundle"),
        rootfs: Path::new("/bundle/rootfs"),
        no_pivot: false,
        keyring: None,
        preserve_fds: 0,
        listen_fds: None,
        notify_dir: None,
        wait_for_start: true,
        adopted: false,
        privileged: true,
    }
}

/// What `exec --process` does before it has any effect.
pub(crate) fn decide_exec(document: &[u8]) -> Result<(), String> {
    const ALL_BUT_USER: u64 = 0x6c02_0000;
    static SPEC: OnceLock<Spec> = OnceLock::new();
    let spec = SPEC.get_or_init(|| spec::config(full().to_string().as_bytes()).unwrap().value);
    let decide = || -> tare::error::Result<()> {
        let process = spec::process(document)?.value;
        plan::exec(&process, spec, &options(), ALL_BUT_USER).map(drop)
    };
    decide().map_err(|error| error.to_string())
}

pub(crate) fn decide(config: &[u8]) -> Result<(), String> {
    let (host, options) = (host(), options());
    let decide = || -> tare::error::Result<()> {
        let spec = spec::config(config)?.value;
        let cgroup = plan::cgroup::plan(&spec, "c1", &host.cgroups, false, None)?;
        let plan = plan::create(&spec, &options, &host, &cgroup)?;
        stays_inside(&plan);
        Ok(())
    };
    decide().map_err(|error| error.to_string())
}

/// A path in the root means something only there: it begins at no root, and is not empty.
fn stays_inside(plan: &plan::Plan) {
    let inside = |path: &InRoot| {
        let path = path.0.to_bytes();
        assert!(!path.is_empty() && path[0] != b'/', "{path:?}");
    };
    for planned in &plan.steps {
        match &planned.step {
            Step::Mount(mount) => inside(&mount.target),
            Step::Bind(bind) => inside(&bind.target),
            Step::CgroupTree(tree) => inside(&tree.target),
            Step::Node { path, .. } | Step::BindDevice { path, .. } | Step::Link { path, .. } => inside(path),
            Step::MakeDirectory(path) | Step::MakeReadonly(path) => inside(path),
            Step::Mask { path, .. } | Step::Remount { path, .. } => inside(path),
            _ => {}
        }
    }
}
