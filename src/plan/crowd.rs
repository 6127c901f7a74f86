// SPDX-License-Identifier: Apache-2.0
//! On a host of very many mounts: may init leave them at once, and start from the kernel's mount namespace instead of a
//! copy of the caller's (`host::crowd`)?
//!
//! Nothing of the host has a path there. So the parent opens the sources of binds, as for a user namespace; and what only
//! a path can name keeps the container with the copy.

use std::path::Path;

use oci_spec::runtime::{Hooks, Mount, Spec};

use super::mounts::is_virtual;
use super::namespaces::has_new_mounts_of_its_own;
use super::options::parse;
use super::{labels, rootfs};
use crate::spec::list;

/// A descriptor for each is open in two processes at once.
const MOST_BINDS: usize = 100;

pub(super) fn can_be_left(spec: &Spec, no_pivot: bool) -> bool {
    !no_pivot
        && has_new_mounts_of_its_own(spec)
        && !rootfs::keeps_peers(spec)
        && !spec.hooks().as_ref().is_some_and(see_the_hosts_mounts)
        // Labels of mounts are set by a path in the host's procfs.
        && !labels::are_asked_for(spec)
        && mounts_need_no_path(list(spec.mounts()))
}

/// Hooks that run while init waits may enter its mount namespace, and look for the root where it is on the host, as that
/// of NVIDIA does.
fn see_the_hosts_mounts(hooks: &Hooks) -> bool {
    let early = [hooks.prestart(), hooks.create_runtime(), hooks.create_container()];
    early.into_iter().any(|hooks| !list(hooks).is_empty())
}

/// Options of a filesystem (overlay's lowerdir) and its device are paths; below /proc a path may mean init itself.
fn mounts_need_no_path(mounts: &[Mount]) -> bool {
    let (binds, made): (Vec<_>, Vec<_>) = mounts.iter().partition(|mount| parse(mount).bind.is_some());
    let of_init = |mount: &&Mount| {
        mount.source().as_deref().is_some_and(|source| source.starts_with(Path::new("/proc")))
    };
    binds.len() <= MOST_BINDS
        && !binds.iter().any(of_init)
        && made.iter().all(|mount| is_virtual(mount.typ().as_deref().unwrap_or_default()))
}
