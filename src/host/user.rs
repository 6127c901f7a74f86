// SPDX-License-Identifier: Apache-2.0
//! Which user namespace we are in.

use crate::error::{Result, While};
use crate::sys::fs;

/// The inode of the machine's first user namespace (PROC_USER_INIT_INO, include/linux/proc_ns.h).
const FIRST: u64 = 0xeffffffd;

/// Are we in another user namespace than the machine's first?
pub fn in_user_namespace() -> Result<bool> {
    let stat =
        fs::statat(fs::CWD, c"/proc/self/ns/user").or_unable(|| "examine our user namespace".into())?;
    Ok(stat.inode != FIRST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::in_user_namespace;

    #[test]
    fn uid_map_agrees() {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
        let first = map.split_whitespace().eq(["0", "0", "4294967295"]);
        assert_eq!(in_user_namespace().unwrap(), !first);
    }
}
