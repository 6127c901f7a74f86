// SPDX-License-Identifier: Apache-2.0
//! `/dev`: the default devices and links, `linux.devices`.

use std::ffi::CString;

use oci_spec::runtime::{LinuxDeviceType, Spec};

use super::options::parse;
use super::paths::in_root;
use super::rootfs::World;
use super::{Draft, invalid};
use crate::error::Result;
use crate::spec::{c_string, list};
use crate::step::{FsMount, InRoot, Node, Step};
use crate::sys::fs::{S_IFBLK, S_IFCHR, S_IFIFO, makedev};

/// Name, major, minor: the spec's default devices, all 0666.
const DEFAULTS: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("tty", 5, 0), ("random", 1, 8), ("urandom", 1, 9)];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

struct Device {
    /// In the root.
    path: InRoot,
    node: Node,
    place: String,
}

/// What `linux.devices` and the defaults ask for; a default that is listed is as listed.
fn wanted(spec: &Spec) -> Result<Vec<Device>> {
    let mut wanted: Vec<Device> = Vec::new();
    let listed = spec.linux().as_ref().map(|linux| list(linux.devices())).unwrap_or_default();
    for (i, device) in listed.iter().enumerate() {
        let place = format!("/linux/devices/{i}");
        let kind = match device.typ() {
            LinuxDeviceType::C | LinuxDeviceType::U => S_IFCHR,
            LinuxDeviceType::B => S_IFBLK,
            LinuxDeviceType::P => S_IFIFO,
            LinuxDeviceType::A => {
                return Err(invalid(format!("{place}/type"), "a device node cannot be of type a"));
            }
        };
        let number = |n: i64, name: &str| {
            u32::try_from(n)
                .map_err(|_| invalid(format!("{place}/{name}"), format!("invalid {name} number {n}")))
        };
        let device_number = match kind {
            S_IFIFO => 0,
            _ => makedev(number(device.major(), "major")?, number(device.minor(), "minor")?),
        };
        if !device.path().is_absolute() {
            return Err(invalid(format!("{place}/path"), "the path of a device must be absolute"));
        }
        let node = Node {
            mode: kind | device.file_mode().unwrap_or(0o666) & 0o7777,
            device: device_number,
            uid: device.uid().unwrap_or(0),
            gid: device.gid().unwrap_or(0),
        };
        let path = in_root(device.path(), || format!("{place}/path"))?;
        // Privileged containers are given every device of the host, this one too; the container's is a link.
        if path.0.as_bytes() != b"dev/ptmx" {
            wanted.push(Device { path, node, place });
        }
    }
    for (name, major, minor) in DEFAULTS {
        let path = InRoot(c_string(format!("dev/{name}"), String::new)?);
        if !wanted.iter().any(|device| device.path == path) {
            let node = Node { mode: S_IFCHR | 0o666, device: makedev(major, minor), uid: 0, gid: 0 };
            wanted.push(Device { path, node, place: String::new() });
        }
    }
    Ok(wanted)
}

/// The name of an entry directly below /dev.
fn in_dev(path: &InRoot) -> Option<CString> {
    let name = path.0.as_bytes().strip_prefix(b"dev/")?;
    if name.contains(&b'/') { None } else { CString::new(name).ok() }
}

/// Puts what belongs directly in /dev into a tmpfs that nobody can see yet: the image's own /dev,
/// whatever it is, is never touched (CVE-2026-41579, CVE-2026-88265).
pub(super) fn fill(fs: &mut FsMount, spec: &Spec, world: &World) -> Result<()> {
    if !world.bind_devices {
        for device in wanted(spec)? {
            if let Some(name) = in_dev(&device.path) {
                fs.nodes.push((name, device.node));
            }
        }
    }
    fs.dirs = mounted_in_dev(spec);
    for (target, name) in LINKS {
        fs.links.push((c_string(target, String::new)?, c_string(name, String::new)?));
    }
    Ok(())
}

/// The filesystems that get their place in it, so that init need not look for it and make it.
fn mounted_in_dev(spec: &Spec) -> Vec<CString> {
    let mounts = list(spec.mounts()).iter().filter(|mount| parse(mount).bind.is_none());
    let targets = mounts.filter_map(|mount| in_root(mount.destination(), String::new).ok());
    let mut names: Vec<_> = targets.filter_map(|target| in_dev(&target)).collect();
    names.sort();
    names.dedup();
    names
}

/// The rest: all of it where /dev is no tmpfs of ours, nothing at all where /dev is bound.
pub(super) fn add_all(draft: &mut Draft, spec: &Spec, world: &World) -> Result<()> {
    let dev = list(spec.mounts())
        .iter()
        .rfind(|m| matches!(in_root(m.destination(), String::new), Ok(p) if p.0.as_bytes() == b"dev"));
    if dev.is_some_and(|mount| parse(mount).bind.is_some()) {
        return Ok(());
    }
    let filled = dev.is_some_and(|mount| mount.typ().as_deref() == Some("tmpfs"));
    for Device { path, node, place } in wanted(spec)? {
        let listed = !place.is_empty();
        if world.bind_devices && node.mode & crate::sys::fs::S_IFMT != S_IFIFO {
            let mut source = b"/".to_vec();
            source.extend_from_slice(path.0.as_bytes());
            let source = CString::new(source).unwrap_or_default();
            draft.add(place, Step::BindDevice { source, path });
        } else if listed && in_dev(&path).is_none() || !filled || world.bind_devices {
            draft.add(place, Step::Node { path, node });
        }
    }
    if !filled {
        for (target, name) in LINKS {
            let path = InRoot(c_string(format!("dev/{name}"), String::new)?);
            draft.add("", Step::Link { target: c_string(target, String::new)?, path });
        }
    }
    Ok(())
}
