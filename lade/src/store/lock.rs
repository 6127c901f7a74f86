// SPDX-License-Identifier: Apache-2.0
//! Flocks: the kernel lets go of them however their holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;

use super::Store;
use crate::error::{Context, Result};

/// Held until dropped.
pub struct Lock {
    _file: File,
}

impl Store {
    /// Waits for the lock `name`.
    pub fn lock(&self, name: &str) -> Result<Lock> {
        loop {
            let file = self.lock_file(name)?;
            file.lock().context(|| format!("unable to lock {name} in the store"))?;
            // The collector of garbage removes lock files; a lock on a removed one excludes nobody.
            if file.metadata().is_ok_and(|m| m.nlink() > 0) {
                return Ok(Lock { _file: file });
            }
        }
    }

    /// The shared lock of those who add to the store: nothing is collected under them.
    pub fn in_use(&self) -> Result<Lock> {
        let file = self.lock_file("use")?;
        file.lock_shared().context(|| "unable to lock the store")?;
        Ok(Lock { _file: file })
    }

    /// The store to oneself, or None if somebody is adding to it.
    pub(super) fn alone(&self) -> Result<Option<Lock>> {
        let file = self.lock_file("use")?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e).context(|| "unable to lock the store"),
        }
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.path("locks").join(name);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .context(|| format!("unable to open the lock {}", path.display()))
    }
}
