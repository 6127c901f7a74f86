// SPDX-License-Identifier: Apache-2.0
//! Which cgroups a container gets and what is written into their files.
//!
//! Paths, conversions and the order of writes are those of runc's cgroupfs driver (opencontainers/cgroups,
//! fs and fs2), because the callers that compute cgroupsPath and limits do so with runc in mind.

mod both;
mod devices;
mod ebpf;
mod properties;
mod unit;
mod update;
mod v1;
mod v2;
pub mod variant;
mod write;

use std::collections::BTreeMap;

use oci_spec::runtime::{LinuxResources, Spec};

pub use devices::{Change, Devices};
pub use ebpf::compile;
pub use unit::{Kind, Property, UnitPlan};
pub use update::{Update, update};
pub use write::{Invalid, Missing, Stage, Write};

use crate::error::{Error, Result};
use crate::host::cgroup::{Cgroups, Hierarchy, Version};
use crate::host::systemd::{Bus, Manager};

#[derive(Clone, Debug)]
pub struct CgroupPlan {
    pub places: Vec<Place>,
    pub limits: Limits,
    /// A rootless caller may have no right to make cgroups: without an explicit path that is borne.
    pub optional: bool,
    /// Where the caller is, by controllers as in [`Place`]: what an `optional` container may have to do with.
    pub own: BTreeMap<String, String>,
    /// The systemd driver: the unit that the cgroup belongs to.
    pub unit: Option<UnitPlan>,
}

/// A cgroup to be made in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As in [`Hierarchy::controllers`].
    pub controllers: String,
    pub mount: String,
    /// Below the mount: clean, not empty, no slash in front.
    pub relative: String,
}

/// What `linux.resources` demands, in the order of writing.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub writes: Vec<Write>,
    pub devices: Devices,
    pub usage: Option<UsageCheck>,
    /// Errors of the device rules do not matter: a rootless caller cannot make devices anyway.
    pub devices_optional: bool,
    /// The same as properties of a systemd unit; none for the cgroupfs driver.
    pub properties: Vec<Property>,
}

/// `memory.checkBeforeUpdate`: limits that must be above what is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageCheck {
    pub limit: u64,
    pub swap: u64,
}

impl Place {
    pub fn is_unified(&self) -> bool {
        self.controllers.is_empty()
    }

    pub fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|c| c == controller)
    }
}

/// Those of a hierarchy whose cgroups systemd makes and removes with its units, whoever else uses them.
pub fn is_systemds(controllers: &str) -> bool {
    controllers.is_empty() || controllers == "name=systemd"
}

impl CgroupPlan {
    pub fn is_v2(&self) -> bool {
        self.places.len() == 1 && self.places[0].is_unified()
    }

    /// Are there hierarchies in which init joins cgroups that we make?
    pub fn has_v1(&self) -> bool {
        self.unit.is_none() && self.places.iter().any(|place| !place.is_unified())
    }

    /// What the container's state remembers: controllers to the absolute path of the directory.
    pub fn paths(&self) -> BTreeMap<String, String> {
        let path = |place: &Place| format!("{}/{}", place.mount, place.relative);
        self.places.iter().map(|place| (place.controllers.clone(), path(place))).collect()
    }
}

/// `manager`: the systemd that shall make the cgroup; without one we do.
pub fn plan(
    spec: &Spec,
    id: &str,
    host: &Cgroups,
    rootless: bool,
    manager: Option<&Manager>,
) -> Result<CgroupPlan> {
    let linux = spec.linux().as_ref();
    let asked = linux.and_then(|linux| linux.cgroups_path().as_ref());
    let asked = match asked.map(|path| path.to_str()) {
        Some(None) => return Err(bad_path("it is not UTF-8")),
        Some(Some(path)) => path,
        None => "",
    };
    let mut limits = limits(linux.and_then(|linux| linux.resources().as_ref()), host.version)?;
    limits.devices_optional = rootless;
    if let Some(manager) = manager {
        let annotations = spec.annotations().clone().unwrap_or_default().into_iter().collect();
        let (places, unit) = unit::place(asked, id, host, manager, &annotations)?;
        refuse_missing(&limits, host)?;
        if host.version != Version::V2 {
            limits.devices.refuse_beyond_systemd()?;
        }
        let resources = linux.and_then(|linux| linux.resources().as_ref());
        limits.with_properties(resources, manager.bus, host.version);
        let own = BTreeMap::new();
        return Ok(CgroupPlan { places, limits, optional: false, own, unit: Some(unit) });
    }
    let places =
        host.hierarchies.iter().map(|h| place(h, host.version, asked, id)).collect::<Result<Vec<_>>>()?;
    refuse_missing(&limits, host)?;
    let optional = rootless && asked.is_empty();
    let own = |h: &Hierarchy| (h.controllers.clone(), format!("{}{}", h.mount, h.own));
    let own = host.hierarchies.iter().filter(|_| optional).map(own).collect();
    Ok(CgroupPlan { places, limits, optional, own, unit: None })
}

/// The writes for a set of resources, of `config.json` or of `update`.
pub fn limits(resources: Option<&LinuxResources>, version: Version) -> Result<Limits> {
    let devices = Devices::plan(resources.and_then(|r| r.devices().as_deref()).unwrap_or_default())?;
    let Some(resources) = resources else { return Ok(Limits { devices, ..Limits::default() }) };
    let (writes, usage) = match version {
        Version::V2 => (v2::writes(resources)?, v2::usage_check(resources)),
        Version::V1 | Version::Hybrid => (v1::writes(resources)?, None),
    };
    Ok(Limits { writes, devices, usage, ..Limits::default() })
}

impl Limits {
    /// For a container that systemd knows: the same resources, in its words too.
    pub fn with_properties(&mut self, resources: Option<&LinuxResources>, bus: Bus, version: Version) {
        self.properties = properties::of(resources, &self.devices, bus, version);
    }
}

/// On v1 a controller may be missing. Without "devices" a container would see every device: that is
/// fatal, others only when a limit asks for them.
fn refuse_missing(limits: &Limits, host: &Cgroups) -> Result<()> {
    if host.version == Version::V2 {
        return Ok(());
    }
    let mounted = |controller: &str| host.hierarchies.iter().any(|h| h.has(controller));
    if !mounted("devices") {
        return Err(Error::new("unable to restrict devices").because("mountpoint for devices not found"));
    }
    match limits.writes.iter().find(|write| !mounted(&write.controller)) {
        Some(write) => Err(no_cgroup(write)),
        None => Ok(()),
    }
}

/// There is no cgroup of this controller to write to: the words are runc's.
pub fn no_cgroup(write: &Write) -> Error {
    let controller = &write.controller;
    Error::new(format!("cannot set {controller} limit: container could not join or create cgroup"))
        .at(write.place.as_str())
}

fn place(hierarchy: &Hierarchy, version: Version, asked: &str, id: &str) -> Result<Place> {
    let absolute = asked.starts_with('/');
    let below = clean(if asked.is_empty() { id } else { asked });
    if below.is_empty() {
        return Err(bad_path("it is the root of the hierarchy, not a cgroup of its own"));
    }
    if below.contains(['\0', '\n']) {
        return Err(bad_path("it has a character that no cgroup may have"));
    }
    let own = clean(&hierarchy.own);
    let parent = match version {
        _ if absolute => "",
        // Our own cgroup has processes in it, us, so that its children could get no controllers.
        Version::V2 => own.rsplit_once('/').map_or("", |(parent, _)| parent),
        // runc puts it below the root here.
        Version::Hybrid if hierarchy.controllers.is_empty() => "",
        Version::V1 | Version::Hybrid => &own,
    };
    let relative = if parent.is_empty() { below } else { format!("{parent}/{below}") };
    Ok(Place { controllers: hierarchy.controllers.clone(), mount: hierarchy.mount.clone(), relative })
}

fn bad_path(why: &str) -> Error {
    Error::new("invalid cgroupsPath").at("/linux/cgroupsPath").because(why)
}

/// The path below the root that it means to a process that cannot leave the root: ".." stops there.
fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unit_tests;
