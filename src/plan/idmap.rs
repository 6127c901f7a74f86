// SPDX-License-Identifier: Apache-2.0
//! Id-mapped mounts: whose maps a mount gets, and how deep.

use oci_spec::runtime::Mount;

use super::options::Parsed;
use super::rootfs::World;
use super::{Draft, IdMaps, Request, invalid};
use crate::error::Result;
use crate::step::{IdMapped, Slot};
use crate::sys::mount::Depth;
use crate::sys::process::NEWUSER;

/// Maps of the mount's own, or with the option `idmap` alone those of the container.
pub(super) fn add(
    draft: &mut Draft,
    mount: &Mount,
    place: &str,
    parsed: &Parsed,
    world: &World,
) -> Result<Option<IdMapped>> {
    let own = IdMaps::of(mount.uid_mappings(), mount.gid_mappings());
    let mapped = !own.uids.is_empty() || !own.gids.is_empty();
    if !mapped && parsed.idmap.is_none() {
        return Ok(None);
    }
    if parsed.bind.is_none() {
        return Err(invalid(place, "id-mapped mounts are only supported for bind-mounts"));
    }
    if !world.privileged {
        return Err(invalid(place, "id-mapped mounts are not supported for rootless containers"));
    }
    let slot = if mapped {
        Some(own_maps(draft, own, place)?)
    } else {
        draft.plan.id_maps.clone().map(|maps| user_namespace(draft, maps, place)).or_else(|| joined(draft))
    };
    let slot = slot.ok_or_else(|| {
        invalid(place, "id-mapped mounts must have both uid and gid mappings specified")
            .hint("without a user namespace of the container the mount needs mappings of its own")
    })?;
    Ok(Some(IdMapped { slot, depth: parsed.idmap.unwrap_or(Depth::One) }))
}

fn own_maps(draft: &mut Draft, maps: IdMaps, place: &str) -> Result<Slot> {
    if maps.uids.is_empty() || maps.gids.is_empty() {
        return Err(invalid(place, "id-mapped mounts must have both uid and gid mappings specified"));
    }
    maps.check(place)?;
    Ok(user_namespace(draft, maps, place))
}

/// One for all mounts with the same maps: each costs a process. It is not the container's own, even
/// where the maps are: that is not there yet.
fn user_namespace(draft: &mut Draft, maps: IdMaps, place: &str) -> Slot {
    let same = |request: &Request| matches!(request, Request::IdMaps { maps: there, .. } if *there == maps);
    match draft.plan.requests.iter().position(same) {
        Some(there) => Slot(there),
        None => draft.request(Request::IdMaps { maps, place: place.to_owned() }),
    }
}

/// The container's, where it is joined by its path.
fn joined(draft: &Draft) -> Option<Slot> {
    let user = |request: &Request| matches!(request, Request::Namespace { namespace: NEWUSER, .. });
    draft.plan.requests.iter().position(user).map(Slot)
}
