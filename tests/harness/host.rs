// SPDX-License-Identifier: Apache-2.0
//! What this machine has that others may lack. A test that needs more says that it is skipped, and why.

use std::path::Path;

use super::cgroup_mounts;

/// cgroup v2 alone, at its usual place.
pub(crate) fn is_v2() -> bool {
    cgroup_mounts().any(|mount| mount.fs == "cgroup2" && mount.at == Path::new("/sys/fs/cgroup"))
}

/// systemd runs.
pub(crate) fn has_systemd() -> bool {
    Path::new("/run/systemd/private").exists()
}

/// Ends the test where the condition does not hold; the argument says what is missing.
macro_rules! needs {
    ($condition:expr, $missing:literal) => {
        if !$condition {
            eprintln!("skipped: {}", $missing);
            return;
        }
    };
}
pub(crate) use needs;
