// SPDX-License-Identifier: Apache-2.0
//! `mounts[]`, in their order.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use oci_spec::runtime::{Mount, Spec};

use super::cgroup::CgroupPlan;
use super::options::{self, Parsed, parse};
use super::paths::in_root;
use super::rootfs::World;
use super::{Draft, Options, Request, devices, idmap, invalid};
use crate::error::Result;
use crate::spec::{c_string, list};
use crate::step::{BindMount, CgroupDir, CgroupTree, FsMount, IdMapped, InRoot, Source, Step};
use crate::sys::mount::{
    ATTR_ATIME, ATTR_NODEV, ATTR_NODIRATIME, ATTR_NOEXEC, ATTR_NOSUID, ATTR_NOSYMFOLLOW, ATTR_RDONLY, Attr,
    Depth,
};

pub use options::names as option_names;

pub(super) fn add_all(draft: &mut Draft, spec: &Spec, world: &World, cgroup: &CgroupPlan) -> Result<()> {
    for (i, mount) in list(spec.mounts()).iter().enumerate() {
        let place = format!("/mounts/{i}");
        let parsed = parse(mount);
        let target = target(draft, mount, &place, parsed.bind.is_some(), world)?;
        let idmap = idmap::add(draft, mount, &place, &parsed, world)?;
        let kind = mount.typ().as_deref().unwrap_or_default();
        // Only the option makes a bind mount: the type of one is a dummy, often "none" or "bind".
        match (parsed.bind, kind) {
            (Some(depth), _) => bind(draft, mount, &place, target, parsed, (depth, idmap), world)?,
            (None, "cgroup" | "cgroup2") => cgroups(draft, spec, &place, target, &parsed, cgroup)?,
            (None, _) => filesystem(draft, spec, mount, &place, target, parsed, world)?,
        }
    }
    Ok(())
}

/// The destination as a path in the root, by words: links are the kernel's business, at the step.
fn target(draft: &mut Draft, mount: &Mount, place: &str, bind: bool, world: &World) -> Result<InRoot> {
    let destination = world.below_root(mount.destination()).unwrap_or(mount.destination());
    let place = || format!("{place}/destination");
    if destination.as_os_str().is_empty() {
        return Err(invalid(place(), "a mount needs a destination"));
    }
    if !mount.destination().is_absolute() {
        draft
            .warn(format!("mount destination {} is not absolute: it is taken from /", destination.display()));
    }
    let target = in_root(destination, place)?;
    if target.0.as_bytes() == b"." {
        return Err(invalid(place(), "nothing can be mounted on the root itself"));
    }
    if target.0.as_bytes() == b"proc" && !bind && mount.typ().as_deref() != Some("proc") {
        let reason = format!("{} cannot be mounted because it is not of type proc", destination.display());
        return Err(invalid(place(), reason));
    }
    if forbidden_in_proc(&target) {
        let reason = format!("{} cannot be mounted because it is inside /proc", destination.display());
        return Err(invalid(place(), reason));
    }
    Ok(target)
}

/// lxcfs mounts these; anything else in /proc could fake what the runtime and LSMs trust
/// (CVE-2019-16884). Links in the image are caught when the target is opened.
fn forbidden_in_proc(target: &InRoot) -> bool {
    const ALLOWED: [&str; 10] = [
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    ];
    let inside = Path::new(OsStr::from_bytes(target.0.as_bytes())).strip_prefix("proc");
    inside.is_ok_and(|inside| {
        !inside.as_os_str().is_empty() && !ALLOWED.iter().any(|allowed| inside == Path::new(allowed))
    })
}

fn bind(
    draft: &mut Draft,
    mount: &Mount,
    place: &str,
    target: InRoot,
    parsed: Parsed,
    (depth, idmap): (Depth, Option<IdMapped>),
    world: &World,
) -> Result<()> {
    if let Some((word, _)) = parsed.filesystem.iter().find(|(word, _)| options::word(word).is_none()) {
        let reason = format!(
            "bind mounts cannot have any filesystem-specific options applied: {}",
            word.replace('\n', "\\n")
        );
        return Err(invalid(format!("{place}/options"), reason));
    }
    let source = mount.source().as_ref().filter(|s| !s.as_os_str().is_empty());
    let source = source.ok_or_else(|| invalid(format!("{place}/source"), "a bind mount needs a source"))?;
    let source = world.bundle.join(source);
    // What earlier mounts have put into the root only init sees.
    let at = || format!("{place}/source");
    let mut inside = None;
    let source = if let Some(path) = world.below_root(&source) {
        inside = idmap;
        Source::InRoot(in_root(path, at)?)
    } else {
        of_host(draft, c_string(source, at)?, depth, idmap, place, world)
    };
    let Parsed { attr, tree_attr, .. } = parsed;
    // Without one asked for, a bind mount is private: nothing of the container flows to the host.
    let propagation = parsed.propagation.unwrap_or((libc::MS_PRIVATE, Depth::Tree));
    let (unnamed, locked, access_time) = inherited(&attr, world.maps_users);
    draft.add(
        place,
        Step::Bind(BindMount {
            source,
            target,
            depth,
            idmap: inside,
            attr,
            unnamed,
            locked,
            access_time,
            tree_attr,
            propagation,
        }),
    );
    Ok(())
}

/// A path of the host. To map ids is a right over the filesystem, which init has lost in a user namespace.
fn of_host(
    draft: &mut Draft,
    path: CString,
    depth: Depth,
    idmap: Option<IdMapped>,
    place: &str,
    world: &World,
) -> Source {
    if world.parent_opens || idmap.is_some() {
        Source::Opened(draft.request(Request::Tree { path, depth, idmap, place: place.to_owned() }))
    } else {
        Source::Path(path)
    }
}

/// As with mount(8): no flag at all leaves a mount as its source is; any flag, and those that are not named
/// are off. But a user namespace may not take off what the host has locked (mount_namespaces(7)); the parent
/// opens the mounts of one, so that the kernel would not mind.
fn inherited(attr: &Attr, in_user_namespace: bool) -> (Attr, u64, Option<u64>) {
    const LOCKABLE: u64 = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;
    let locked = if in_user_namespace { LOCKABLE } else { 0 };
    const ACCESS_TIME: u64 = ATTR_ATIME | ATTR_NODIRATIME;
    let named = attr.set | attr.clear;
    let mut clear = if named == 0 { 0 } else { (LOCKABLE | ATTR_NOSYMFOLLOW) & !named & !locked };
    // One of these is all of them, and none is as it was.
    let access_time = (named & ACCESS_TIME != 0).then_some(attr.set & ACCESS_TIME);
    if access_time.is_some() && !in_user_namespace {
        clear |= ACCESS_TIME & !named;
    }
    (Attr { clear, ..Attr::default() }, attr.clear & locked, access_time.filter(|_| in_user_namespace))
}

fn filesystem(
    draft: &mut Draft,
    spec: &Spec,
    mount: &Mount,
    place: &str,
    target: InRoot,
    parsed: Parsed,
    world: &World,
) -> Result<()> {
    let kind = mount.typ().as_deref().unwrap_or_default();
    if kind.is_empty() {
        return Err(invalid(format!("{place}/type"), "a mount that is no bind mount needs a type"));
    }
    let dev = target.0.as_bytes() == b"dev" && kind == "tmpfs";
    let mut fs = FsMount {
        kind: c_string(kind, || format!("{place}/type"))?,
        source: source_name(mount, kind, place)?,
        target,
        attrs: parsed.attributes().set,
        superblock: parsed.superblock,
        propagation: parsed.propagation.map_or(0, |(flag, _)| flag),
        strict_target: kind == "proc" || kind == "sysfs",
        copy_up: parsed.copy_up,
        remount: parsed.remount,
        inherit_mode: kind == "tmpfs" && !parsed.filesystem.iter().any(|(key, _)| key == "mode"),
        ..FsMount::default()
    };
    for (key, value) in &parsed.filesystem {
        let at = || format!("{place}/options");
        fs.options.push((c_string(key, at)?, value.as_ref().map(|v| c_string(v, at)).transpose()?));
    }
    if parsed.attr.set & ATTR_RDONLY != 0 && !is_virtual(kind) {
        fs.options.push((c"ro".to_owned(), None));
    }
    super::labels::label(&mut fs, spec, world.selinux)?;
    if kind == "sysfs" && world.bind_sysfs {
        fs.bind_fallback = Some(c"/sys".to_owned());
    }
    fs.data = super::options::data(&fs.options);
    if dev {
        devices::fill(&mut fs, spec, world)?;
    }
    // Read-only at once, /dev would take no console and no device.
    let readonly_dev = dev && fs.attrs & ATTR_RDONLY != 0;
    if readonly_dev {
        fs.attrs &= !ATTR_RDONLY;
        draft.plan.readonly_dev = true;
    }
    draft.add(place, Step::Mount(fs));
    Ok(())
}

/// The name in the first column of /proc/mounts.
fn source_name(mount: &Mount, kind: &str, place: &str) -> Result<CString> {
    match mount.source() {
        Some(source) if !source.as_os_str().is_empty() => c_string(source, || format!("{place}/source")),
        _ => c_string(kind, || format!("{place}/type")),
    }
}

/// Made by the kernel out of nothing: read-only is a matter of the mount alone.
pub(super) fn is_virtual(kind: &str) -> bool {
    matches!(kind, "proc" | "sysfs" | "tmpfs" | "devpts" | "mqueue" | "cgroup" | "cgroup2")
}

/// The container's own directories of each hierarchy, bound side by side. In a cgroup namespace of
/// its own the kernel shows the same as a new mount would; without one only this hides the rest.
fn cgroups(
    draft: &mut Draft,
    spec: &Spec,
    place: &str,
    target: InRoot,
    parsed: &Parsed,
    cgroup: &CgroupPlan,
) -> Result<()> {
    let label = super::labels::of_mounts(spec)?;
    let mut tree =
        CgroupTree { target, attr: parsed.attributes(), label, hierarchies: Vec::new(), links: Vec::new() };
    for (controllers, path) in &cgroup.paths() {
        let at = || "/linux/cgroupsPath".to_owned();
        let name = match (cgroup.is_v2(), controllers.as_str()) {
            (true, _) => CString::default(),
            (false, "") => c"unified".to_owned(),
            (false, name) => c_string(name.strip_prefix("name=").unwrap_or(name), at)?,
        };
        let otherwise = cgroup.own.get(controllers).map(|own| c_string(own, at)).transpose()?;
        tree.hierarchies.push(CgroupDir { path: c_string(path, at)?, otherwise, name });
        if controllers.contains(',') {
            for one in controllers.split(',') {
                tree.links.push((c_string(controllers, at)?, c_string(one, at)?));
            }
        }
    }
    draft.add(place, Step::CgroupTree(tree));
    Ok(())
}

/// systemd's notification socket, where the process finds it by NOTIFY_SOCKET.
pub(super) fn add_notify(draft: &mut Draft, options: &Options<'_>, world: &World) -> Result<()> {
    let Some(dir) = &options.notify_dir else { return Ok(()) };
    let source = of_host(draft, c_string(dir, String::new)?, Depth::Tree, None, "", world);
    draft.add(
        "",
        Step::Bind(BindMount {
            source,
            target: InRoot(c"run/notify".to_owned()),
            depth: Depth::Tree,
            idmap: None,
            attr: Attr::default(),
            unnamed: Attr::default(),
            locked: 0,
            access_time: None,
            tree_attr: Attr::default(),
            propagation: (libc::MS_PRIVATE, Depth::Tree),
        }),
    );
    Ok(())
}
