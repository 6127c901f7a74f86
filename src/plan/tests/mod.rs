// SPDX-License-Identifier: Apache-2.0
//! Plans for hosts that are written down here: no root, no /proc, no clock.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod crowd;
mod goldens;
mod mounts;
mod refusals;

use serde_json::{Value, json};

use super::*;
use crate::host::cgroup::{Cgroups, Hierarchy, Version};

/// A config, what the command line adds, and the host: all that a plan comes from.
struct Case {
    config: Value,
    host: Host,
    options: Options<'static>,
}

impl Case {
    /// The config that `spec` writes, for root on a host of both cgroup versions.
    fn new() -> Case {
        Case::of(include_str!("spec.json"))
    }

    fn of(config: &str) -> Case {
        Case { config: serde_json::from_str(config).unwrap(), host: hybrid(), options: options() }
    }

    /// A bare config: each case shows what is its own.
    fn small() -> Case {
        Case::of(
            r#"{
                "ociVersion": "1.2.0",
                "root": { "path": "rootfs" },
                "process": { "user": { "uid": 0, "gid": 0 }, "args": ["/bin/true"], "cwd": "/" },
                "mounts": [
                    { "destination": "/proc", "type": "proc", "source": "proc" },
                    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }
                ],
                "linux": { "namespaces": [{ "type": "mount" }, { "type": "pid" }] }
            }"#,
        )
    }

    /// The parents of the property must be there; `-` at the end appends to a list (RFC 6902).
    fn set(mut self, pointer: &str, value: Value) -> Case {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match self.config.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
            Value::Array(list) if key == "-" => list.push(value),
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
            object => object[key] = value,
        }
        self
    }

    fn namespace(self, kind: &str) -> Case {
        self.set("/linux/namespaces/-", json!({ "type": kind }))
    }

    fn joined(self, kind: &str) -> Case {
        self.set("/linux/namespaces/-", json!({ "type": kind, "path": format!("/run/ns/{kind}") }))
    }

    fn userns(self) -> Case {
        let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
        let case = self.namespace("user").set("/linux/uidMappings", map.clone());
        case.set("/linux/gidMappings", map)
    }

    fn on(mut self, change: impl FnOnce(&mut Host)) -> Case {
        change(&mut self.host);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Options<'static>)) -> Case {
        change(&mut self.options);
        self
    }

    fn spec(&self) -> Result<Spec> {
        crate::spec::config(self.config.to_string().as_bytes()).map(|parsed| parsed.value)
    }

    fn cgroup(&self, spec: &Spec) -> Result<cgroup::CgroupPlan> {
        cgroup::plan(spec, self.options.id, &self.host.cgroups, !self.host.privileged, None)
    }

    fn plan(&self) -> Result<Plan> {
        let spec = self.spec()?;
        create(&spec, &self.options, &self.host, &self.cgroup(&spec)?)
    }
}

fn options() -> Options<'static> {
    Options {
        id: "c1",
        bundle: Path::new("/bundle"),
        rootfs: Path::new("/bundle/rootfs"),
        no_pivot: false,
        keyring: Some(c"_ses.c1".to_owned()),
        preserve_fds: 0,
        listen_fds: None,
        notify_dir: None,
        wait_for_start: true,
        adopted: false,
        privileged: true,
    }
}

fn host(cgroups: Cgroups) -> Host {
    Host {
        kernel: (6, 18),
        selinux: false,
        resctrl: None,
        in_user_namespace: false,
        privileged: true,
        kernel_mounts: Vec::new(),
        kdevtmpfs: None,
        cgroups,
    }
}

fn hybrid() -> Host {
    let v1 = ["cpu,cpuacct", "memory", "devices", "name=systemd"];
    let hierarchy = |controllers: &str, dir: &str| Hierarchy {
        controllers: controllers.to_owned(),
        mount: format!("/sys/fs/cgroup/{dir}"),
        own: "/".to_owned(),
    };
    let mut hierarchies: Vec<_> =
        v1.iter().map(|name| hierarchy(name, name.strip_prefix("name=").unwrap_or(name))).collect();
    hierarchies.push(hierarchy("", "unified"));
    host(Cgroups { version: Version::Hybrid, hierarchies, available: Vec::new() })
}

fn unified() -> Cgroups {
    let mount = "/sys/fs/cgroup".to_owned();
    let own = "/user.slice/session.scope".to_owned();
    let hierarchies = vec![Hierarchy { controllers: String::new(), mount, own }];
    let available = ["cpuset", "cpu", "memory", "pids"].map(str::to_owned).to_vec();
    Cgroups { version: Version::V2, hierarchies, available }
}
