// SPDX-License-Identifier: Apache-2.0
//! The root: opened first, switched to last, and what may not be done in a user namespace.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount, Spec};

use super::namespaces::Namespaces;
use super::{Draft, Options, Request, invalid};
use crate::error::Result;
use crate::host::Host;
use crate::spec::{c_string, list};
use crate::step::{InRoot, Step};
use crate::sys::mount::{ATTR_RDONLY, Attr, Depth};
use crate::sys::process::{NEWNET, NEWNS, NEWUSER};

/// What every subject of the root filesystem needs to know.
#[derive(Debug)]
pub(super) struct World {
    pub(super) rootfs: CString,
    pub(super) bundle: PathBuf,
    /// Devices cannot be made: the host's are bound.
    pub(super) bind_devices: bool,
    /// Init has a new user namespace, which the caller, who is root, gives its maps.
    pub(super) maps_users: bool,
    /// Init is unable to open what the caller can: the parent opens the sources of binds.
    pub(super) parent_opens: bool,
    /// The caller is root, if only of a user namespace.
    pub(super) privileged: bool,
    pub(super) selinux: bool,
    /// sysfs belongs to the network namespace; without one of its own a user namespace may not mount it.
    pub(super) bind_sysfs: bool,
    /// The cgroups are among the mounts.
    shows_cgroups: bool,
    kdevtmpfs: Option<PathBuf>,
    no_pivot: bool,
    host_mounts: Vec<CString>,
    propagation: Propagation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Propagation {
    flag: u64,
    depth: Depth,
    named: bool,
}

impl Propagation {
    /// The host's mounts stay peers of the container's.
    fn keeps_peers(self) -> bool {
        self.flag == libc::MS_SHARED || self.flag == libc::MS_UNBINDABLE
    }
}

impl World {
    pub(super) fn of(spec: &Spec, options: &Options<'_>, host: &Host, spaces: &Namespaces) -> Result<World> {
        let propagation = propagation(spec)?;
        // chroot alone leaves the host's mounts in reach: they would stay when the host unmounts them.
        if options.no_pivot && propagation.named && propagation.flag == libc::MS_PRIVATE {
            let what = "rootfsPropagation of [r]private is not safe without pivot_root";
            return Err(invalid("/linux/rootfsPropagation", what));
        }
        let maps_users = spaces.is_new(NEWUSER) && host.privileged;
        let kdevtmpfs = spaces.kdevtmpfs().cloned();
        let cgroups = |mount: &Mount| matches!(mount.typ().as_deref(), Some("cgroup" | "cgroup2"));
        Ok(World {
            rootfs: c_string(options.rootfs, || "/root/path".into())?,
            bundle: options.bundle.to_path_buf(),
            bind_devices: spaces.user() || host.in_user_namespace,
            maps_users,
            parent_opens: maps_users || kdevtmpfs.is_some(),
            shows_cgroups: list(spec.mounts()).iter().any(cgroups),
            kdevtmpfs,
            privileged: host.privileged,
            selinux: host.selinux,
            bind_sysfs: spaces.user() && !spaces.own(NEWNET),
            no_pivot: options.no_pivot,
            host_mounts: if options.no_pivot { host.kernel_mounts.clone() } else { Vec::new() },
            propagation,
        })
    }

    /// A path of the host that leads into the root, as seen from there. Old configs name destinations so.
    pub(super) fn below_root<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        let root = Path::new(OsStr::from_bytes(self.rootfs.as_bytes()));
        path.strip_prefix(root).ok().filter(|rest| root != Path::new("/") && !rest.as_os_str().is_empty())
    }
}

fn propagation(spec: &Spec) -> Result<Propagation> {
    let named = spec.linux().as_ref().and_then(|linux| linux.rootfs_propagation().as_deref());
    let Some(name) = named.filter(|n| !n.is_empty()) else {
        return Ok(Propagation { flag: libc::MS_SLAVE, depth: Depth::Tree, named: false });
    };
    let (flag, depth) = super::options::propagation(name).ok_or_else(|| {
        invalid("/linux/rootfsPropagation", format!("unknown propagation {name:?}"))
            .hint("shared, slave, private or unbindable, or one of these with an r before it")
    })?;
    Ok(Propagation { flag, depth, named: true })
}

/// `shared` or `unbindable`: what happens to the mounts of the container happens to the host's.
pub(super) fn keeps_peers(spec: &Spec) -> bool {
    propagation(spec).is_ok_and(Propagation::keeps_peers)
}

/// The mount namespace is a copy of the caller's: first nothing may flow back, then the root
/// becomes a mount of its own, which pivot_root asks for.
pub(super) fn open(draft: &mut Draft, world: &World) -> Result<()> {
    if let Some(path) = &world.kdevtmpfs {
        let place = "/linux/namespaces";
        let (path, at) = (path.clone(), place.to_owned());
        let slot = draft.request(Request::Namespace { namespace: NEWNS, path, place: at, foreign: None });
        draft.add(place, Step::KernelsMounts { slot, cgroups: world.shows_cgroups });
    }
    let Propagation { flag, .. } = world.propagation;
    let place = "/linux/rootfsPropagation";
    if world.propagation.keeps_peers() {
        // As runc: with "shared" the host's mounts stay peers, so the one that the root lies on
        // must be cut off, or the root's own mount would appear on the host.
        draft.add("/root/path", Step::PrivateRootParent { path: world.rootfs.clone() });
    } else {
        draft.add(place, Step::SetPropagation { propagation: flag, depth: Depth::Tree });
    }
    let from = world.parent_opens.then(|| {
        let path = world.rootfs.clone();
        draft.request(Request::Tree { path, depth: Depth::Tree, idmap: None, place: "/root/path".into() })
    });
    draft.add("/root/path", Step::OpenRoot { path: world.rootfs.clone(), from });
    Ok(())
}

pub(super) fn finish(draft: &mut Draft, spec: &Spec, world: &World) {
    if spec.root().as_ref().and_then(oci_spec::runtime::Root::readonly).unwrap_or(false) {
        let attr = Attr { set: ATTR_RDONLY, ..Attr::default() };
        draft.add("/root/readonly", Step::Remount { path: InRoot(c".".to_owned()), attr });
    }
    if draft.plan.readonly_dev {
        let attr = Attr { set: ATTR_RDONLY, ..Attr::default() };
        draft.add("/mounts", Step::Remount { path: InRoot(c"dev".to_owned()), attr });
    }
    if world.no_pivot {
        for path in &world.host_mounts {
            draft.add("", Step::HideHostMount(path.clone()));
        }
        draft.add("/root/path", Step::MoveRoot);
    } else {
        draft.add("/root/path", Step::PivotRoot { shared: world.propagation.keeps_peers() });
    }
    let Propagation { flag, depth, named } = world.propagation;
    if named {
        draft.add("/linux/rootfsPropagation", Step::SetPropagation { propagation: flag, depth });
    }
}
