// SPDX-License-Identifier: Apache-2.0
//! The systemd unit of a container: its name and place, as runc's systemd driver makes them of
//! `cgroupsPath`, which is `slice:prefix:name` there, and the properties that are not limits.

use std::collections::BTreeMap;

use super::variant::{self, Value};
use super::{Place, bad_path};
use crate::error::{Error, Result};
use crate::host::cgroup::{Cgroups, Hierarchy, Version};
use crate::host::systemd::{Bus, Manager, Unit};

/// What the manager is told to make.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitPlan {
    pub unit: Unit,
    pub kind: Kind,
    /// In order; limits are in [`super::Limits`].
    pub properties: Vec<Property>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Made around init.
    Scope,
    /// `name` ends with ".slice": init is moved there once it is made.
    Slice,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    pub name: String,
    pub value: Value,
    /// The first version of systemd that has it; 0 for those that every one with cgroup v2 has.
    pub since: u32,
}

impl Property {
    pub(super) fn new(name: &str, value: Value) -> Property {
        Property { name: name.to_owned(), value, since: 0 }
    }

    pub fn is_of_devices(&self) -> bool {
        self.name.starts_with("Device")
    }

    pub(super) fn since(self, since: u32) -> Property {
        Property { since, ..self }
    }
}

/// The parts of `cgroupsPath`.
struct Parts<'a> {
    slice: &'a str,
    prefix: &'a str,
    name: &'a str,
}

/// Where the container goes, the same path in each hierarchy, and its unit.
pub(super) fn place(
    asked: &str,
    id: &str,
    host: &Cgroups,
    manager: &Manager,
    annotations: &BTreeMap<String, String>,
) -> Result<(Vec<Place>, UnitPlan)> {
    if host.version != Version::V2 && manager.bus == Bus::User {
        let error = Error::new("unable to have limits set by the user's systemd");
        let error = error.because("on cgroup v1 users have no cgroups of their own");
        return Err(error
            .hint("without --systemd-cgroup a container without limits goes on in its creator's cgroups"));
    }
    let parts = parts(asked, id)?;
    let slice = match (parts.slice, manager.bus) {
        ("", Bus::System) => "system.slice",
        ("", Bus::User) => "user.slice",
        ("-", _) => "-.slice",
        (slice, _) => slice,
    };
    let kind = if parts.name.ends_with(".slice") { Kind::Slice } else { Kind::Scope };
    let name = match kind {
        Kind::Slice => parts.name.to_owned(),
        Kind::Scope => format!("{}-{}.scope", parts.prefix, parts.name),
    };
    refuse_bad_name(&name)?;
    let below = match kind {
        Kind::Slice => expand(&name)?,
        Kind::Scope => format!("{}/{}", expand(slice)?, escape(&name)),
    };
    let relative = super::clean(&format!("{}/{below}", manager.cgroup));
    let properties = properties(&name, slice, kind, host.version, annotations)?;
    let place = |hierarchy: &Hierarchy| Place {
        controllers: hierarchy.controllers.clone(),
        mount: hierarchy.mount.clone(),
        relative: relative.clone(),
    };
    let places = host.hierarchies.iter().map(place).collect();
    Ok((places, UnitPlan { unit: Unit { name, bus: manager.bus }, kind, properties }))
}

fn parts<'a>(asked: &'a str, id: &'a str) -> Result<Parts<'a>> {
    if asked.is_empty() {
        return Ok(Parts { slice: "", prefix: "tare", name: id });
    }
    match asked.split(':').collect::<Vec<_>>().as_slice() {
        [slice, prefix, name] if !name.is_empty() => Ok(Parts { slice, prefix, name }),
        // The words are runc's.
        _ => Err(Error::new(format!(
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {asked:?} instead"
        ))
        .at("/linux/cgroupsPath")),
    }
}

/// systemd's own rule (unit_name_is_valid); what it would refuse is told with the place in config.json.
fn refuse_bad_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    match name.chars().find(|c| !allowed(*c)) {
        Some(bad) => Err(bad_path(&format!("{bad:?} cannot be in the name of a unit, {name:?}"))),
        None if name.len() > 255 => Err(bad_path("the name of a unit has at most 255 characters")),
        None => Ok(()),
    }
}

/// a-b.slice is in a.slice: its place is a.slice/a-b.slice. The root's is empty.
fn expand(slice: &str) -> Result<String> {
    let invalid = || bad_path(&format!("invalid slice name: {slice}"));
    let name = slice.strip_suffix(".slice").filter(|name| !name.is_empty() && !name.contains('/'));
    let name = name.ok_or_else(invalid)?;
    if name == "-" {
        return Ok(String::new());
    }
    let mut path = Vec::new();
    let ends = name.match_indices('-').map(|(end, _)| end).chain([name.len()]);
    let mut begin = 0;
    for end in ends {
        if begin == end {
            return Err(invalid());
        }
        path.push(format!("{}.slice", &name[..end]));
        begin = end + 1;
    }
    refuse_bad_name(slice)?;
    Ok(path.join("/"))
}

/// A name that could be a file of the kernel's gets an underscore in front (cg_needs_escape).
fn escape(name: &str) -> String {
    const CONTROLLERS: [&str; 9] =
        ["cgroup", "cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma", "misc"];
    let first = name.split('.').next().unwrap_or_default();
    if name.starts_with(['_', '.']) || CONTROLLERS.contains(&first) {
        format!("_{name}")
    } else {
        name.to_owned()
    }
}

fn properties(
    name: &str,
    slice: &str,
    kind: Kind,
    version: Version,
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<Property>> {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut out = vec![
        Property::new("Description", Value::Text(format!("container {name}"))),
        match kind {
            Kind::Scope => Property::new("Slice", text(slice)),
            Kind::Slice => Property::new("Wants", Value::Texts(vec![slice.to_owned()])),
        },
        // Ours to divide, and left alone at a reload.
        Property::new("Delegate", Value::Bool(true)),
        Property::new("DefaultDependencies", Value::Bool(false)),
        // One whose processes were killed leaves no failed unit behind.
        Property::new("CollectMode", text("inactive-or-failed")),
    ];
    let io = if version == Version::V2 { "IOAccounting" } else { "BlockIOAccounting" };
    for accounting in ["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"] {
        out.push(Property::new(accounting, Value::Bool(true)));
    }
    for (key, value) in annotations {
        if let Some(name) = key.strip_prefix("org.systemd.property.") {
            let property = annotated(name, value).map_err(|why| {
                let what = format!("unable to set the unit property {name:?}");
                Error::new(what).at(format!("/annotations/{}", crate::spec::key(key))).because(why)
            })?;
            out.retain(|before| before.name != property.name);
            out.push(property);
        }
    }
    Ok(out)
}

/// What an annotation may say of a unit: how it ends, what it comes before or after, who is told. Not
/// where it is, what runs, what it may use or pulls in: annotations are often the image's or the
/// tenant's (CVE-2024-3154).
const ANNOTATED: [&str; 17] = [
    "After",
    "Before",
    "CollectMode",
    "DefaultDependencies",
    "Description",
    "Documentation",
    "FinalKillSignal",
    "KillMode",
    "KillSignal",
    "ManagedOOMMemoryPressure",
    "ManagedOOMMemoryPressureLimit",
    "ManagedOOMPreference",
    "ManagedOOMSwap",
    "OOMPolicy",
    "RuntimeMaxUSec",
    "SendSIGKILL",
    "TimeoutStopUSec",
];

fn annotated(name: &str, text: &str) -> std::result::Result<Property, String> {
    let mut value = variant::parse(text)?;
    // A span of seconds goes by another name, in microseconds.
    let seconds = name.strip_suffix("Sec").filter(|stem| stem.ends_with(|c: char| c.is_ascii_lowercase()));
    let name = seconds.map_or_else(|| name.to_owned(), |stem| format!("{stem}USec"));
    if seconds.is_some() {
        value = microseconds(&value).map(Value::Uint64).ok_or("it is no number of seconds")?;
    }
    if !ANNOTATED.contains(&name.as_str()) {
        return Err(format!("an annotation may set these only: {}", ANNOTATED.join(", ")));
    }
    Ok(Property { name, value, since: 0 })
}

fn microseconds(value: &Value) -> Option<u64> {
    const SECOND: u64 = 1_000_000;
    let whole = |seconds: u64| seconds.checked_mul(SECOND);
    match *value {
        Value::Int32(n) => whole(n.try_into().ok()?),
        Value::Uint32(n) => whole(n.into()),
        Value::Int64(n) => whole(n.try_into().ok()?),
        Value::Uint64(n) => whole(n),
        Value::Double(n) if (0.0..1e12).contains(&n) => Some((n * SECOND as f64) as u64),
        _ => None,
    }
}
