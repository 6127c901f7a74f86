// SPDX-License-Identifier: Apache-2.0
//! Surviving a power cut with one `syncfs` a pull. While anything is added, the file `dirty` holds the boot id. An
//! image enters the index only after a sync, so after a crash all that the index names is whole; if `dirty` is from
//! an earlier boot, everything the index does not name is thrown away unseen.

use std::fs;

use super::{Store, open_dir};
use crate::error::{Context, Result};

const DIRTY: &str = "dirty";

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

impl Store {
    /// Before the first thing is added.
    pub fn begin(&self) -> Result<()> {
        let boot = boot_id();
        if fs::read_to_string(self.path(DIRTY)).is_ok_and(|b| b == boot) {
            return Ok(());
        }
        self.write_atomic(DIRTY, boot.as_bytes())
    }

    /// Before an image is named: its blobs and layers reach the disk.
    pub fn sync(&self) -> Result<()> {
        nix::unistd::syncfs(open_dir(&self.root)?).context(|| "unable to sync the store")
    }

    /// After the last image is named, when nobody else is adding, and with the lock kept so that nobody begins to.
    /// Synced once more: a pull that broke off since the last sync has left layers that the next one will believe in.
    pub fn settled(&self) -> Result<()> {
        let Some(_alone) = self.alone()? else { return Ok(()) };
        self.sync()?;
        remove(&self.path(DIRTY))
    }

    pub(super) fn recover(&self) -> Result<()> {
        match fs::read_to_string(self.path(DIRTY)) {
            Ok(boot) if boot != boot_id() => {}
            _ => return Ok(()),
        }
        // Somebody who holds the lock has been here before us.
        let Some(alone) = self.alone()? else { return Ok(()) };
        self.sweep(&alone, true)?;
        remove(&self.path(DIRTY))
    }
}

fn remove(path: &std::path::Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).context(|| format!("unable to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
