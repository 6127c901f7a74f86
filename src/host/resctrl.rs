// SPDX-License-Identifier: Apache-2.0
//! The resctrl filesystem (Intel RDT, AMD PQoS): where it is mounted, and what it controls.

use std::ffi::CString;

use crate::error::Result;
use crate::sys::fs::{CWD, magic_of, statat};

pub const MAGIC: u64 = 0x0765_5821;

#[derive(Clone, Debug)]
pub struct Resctrl {
    pub mount: String,
    /// L3 cache allocation.
    pub cache: bool,
    /// Memory bandwidth allocation.
    pub bandwidth: bool,
}

/// None where the kernel has none, or nobody has mounted it.
pub(super) fn read() -> Result<Option<Resctrl>> {
    const USUAL: &str = "/sys/fs/resctrl";
    let usual = magic_of(c"/sys/fs/resctrl") == Ok(MAGIC);
    let mount = if usual { Some(USUAL.to_owned()) } else { elsewhere()? };
    Ok(mount.map(|mount| {
        let has = |file: &str| {
            let path = CString::new(format!("{mount}/info/{file}")).unwrap_or_default();
            statat(CWD, &path).is_ok()
        };
        Resctrl { cache: has("L3"), bandwidth: has("MB"), mount }
    }))
}

fn elsewhere() -> Result<Option<String>> {
    let mut mounts = super::mounts_of(&["resctrl"])?;
    Ok(mounts.pop().and_then(|mount| mount.into_string().ok()))
}
