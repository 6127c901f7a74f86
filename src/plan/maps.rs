// SPDX-License-Identifier: Apache-2.0
//! Id maps: of a user namespace, or of a mount.

use oci_spec::runtime::LinuxIdMapping;

use super::invalid;
use crate::error::Result;
use crate::spec::list;

/// A range of ids, as a line of /proc/PID/uid_map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMap {
    pub container: u32,
    pub host: u32,
    pub size: u32,
}

/// Of users and of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMaps {
    pub uids: Vec<IdMap>,
    pub gids: Vec<IdMap>,
}

impl IdMaps {
    pub(super) fn of(uids: &Option<Vec<LinuxIdMapping>>, gids: &Option<Vec<LinuxIdMapping>>) -> IdMaps {
        let maps = |all: &Option<Vec<LinuxIdMapping>>| {
            let map =
                |m: &LinuxIdMapping| IdMap { container: m.container_id(), host: m.host_id(), size: m.size() };
            list(all).iter().map(map).collect()
        };
        IdMaps { uids: maps(uids), gids: maps(gids) }
    }

    /// `place` has the properties `uidMappings` and `gidMappings`.
    ///
    /// # Errors
    /// What the kernel would refuse.
    pub(super) fn check(&self, place: &str) -> Result<()> {
        check(&format!("{place}/uidMappings"), &self.uids)?;
        check(&format!("{place}/gidMappings"), &self.gids)
    }
}

impl IdMap {
    pub(super) fn has(&self, id: u32) -> bool {
        id >= self.container && u64::from(id) < u64::from(self.container) + u64::from(self.size)
    }
}

fn check(place: &str, maps: &[IdMap]) -> Result<()> {
    // kernel: UID_GID_MAP_MAX_EXTENTS, since Linux 4.15
    const MOST: usize = 340;
    if maps.len() > MOST {
        return Err(invalid(place, format!("{} id mappings: the kernel takes {MOST} at most", maps.len())));
    }
    for (i, map) in maps.iter().enumerate() {
        if map.size == 0 {
            return Err(invalid(format!("{place}/{i}/size"), "an id mapping of size 0 maps nothing"));
        }
        // (uid_t)-1 is no id: the kernel refuses a range that reaches it.
        if map.container.max(map.host).checked_add(map.size).is_none() {
            return Err(invalid(
                format!("{place}/{i}"),
                "the id mapping goes beyond the last id, 4294967294",
            ));
        }
    }
    Ok(())
}
