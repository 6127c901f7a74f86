// SPDX-License-Identifier: Apache-2.0
//! Which user namespace we are in.

use std::os::fd::AsFd;

use crate::error::{Result, While};
use crate::sys::fs;

/// The one line of uid_map in the initial user namespace: every id is itself.
const IDENTITY: [&[u8]; 3] = [b"0", b"0", b"4294967295"];

/// Are we in another user namespace than the machine's first?
pub fn in_user_namespace() -> Result<bool> {
    let path = c"/proc/self/uid_map";
    let mut buf = [0u8; 128];
    let read = fs::open(path, fs::O_RDONLY).and_then(|file| fs::read(file.as_fd(), &mut buf));
    let n = read.or_unable(|| "read /proc/self/uid_map".into())?;
    Ok(!is_identity(&buf[..n]))
}

fn is_identity(map: &[u8]) -> bool {
    map.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).eq(IDENTITY)
}

#[cfg(test)]
mod tests {
    use super::is_identity;

    #[test]
    fn only_the_whole_range_on_itself_is_the_initial_namespace() {
        assert!(is_identity(b"         0          0 4294967295\n"));
        assert!(!is_identity(b"         0       1000          1\n"));
        assert!(!is_identity(b"         0          0      65536\n"));
        assert!(!is_identity(b"0 0 4294967295\n1 1 1\n"));
        assert!(!is_identity(b""));
    }
}
