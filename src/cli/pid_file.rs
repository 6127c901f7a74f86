// SPDX-License-Identifier: Apache-2.0
//! `--pid-file`: decimal, no newline (containerd's Atoi would fail on one), there as a whole or not
//! at all, and before the command ends.

use std::path::Path;

use crate::error::{Error, Result};

pub(super) fn write(path: &Path, pid: i32) -> Result<()> {
    let unable = |e: std::io::Error| {
        Error::new(format!("unable to write pid file {}", path.display())).because(e.to_string())
    };
    let name = path.file_name().ok_or_else(|| Error::new(format!("invalid pid file {}", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let temporary = path.with_file_name(hidden);
    #[expect(
        clippy::disallowed_methods,
        reason = "a path that the caller gave, in the caller's own namespaces"
    )]
    {
        std::fs::write(&temporary, pid.to_string()).map_err(unable)?;
        std::fs::rename(&temporary, path).map_err(unable)
    }
}
