// SPDX-License-Identifier: Apache-2.0
//! A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).

use std::path::PathBuf;

#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) at: PathBuf,
    /// The flags of the mount: ro, nosuid...
    pub(crate) flags: Vec<String>,
    /// shared:N, master:N, or neither.
    pub(crate) propagation: Vec<String>,
    pub(crate) fs: String,
    /// The options of the file system: size=, mode=...
    pub(crate) data: String,
}

impl Mount {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }
}

pub(crate) fn mounts(table: &str) -> impl Iterator<Item = Mount> {
    table.lines().map(|line| {
        let (mount, fs) = line.split_once(" - ").unwrap();
        let (mount, fs): (Vec<_>, Vec<_>) = (mount.split(' ').collect(), fs.split(' ').collect());
        Mount {
            at: mount[4].into(),
            flags: mount[5].split(',').map(Into::into).collect(),
            propagation: mount[6..].iter().copied().map(Into::into).collect(),
            fs: fs[0].into(),
            data: fs[2].into(),
        }
    })
}
