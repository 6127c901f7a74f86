// SPDX-License-Identifier: Apache-2.0
//! Whiteouts: from the archive's `.wh.` names to what overlayfs understands (a 0:0 device, an opaque mark).
//! Overlayfs has no mark for "this directory replaces one below that was deleted" but opacity, so that is what a
//! directory gets that this layer both deletes and brings.

use nix::sys::stat::{Mode, SFlag, mknodat};

use super::apply::Layer;
use super::context::LayerPath;
use super::meta::Meta;
use super::tree::{Missing, is_dir, stat_at};
use crate::corrupt;
use crate::error::{Context, Result};
use crate::sys::xattr;
use crate::tar::{Entry, Kind};

/// Aufs kept its own files in `.wh..wh.*`; some old images still carry them, and every tool drops them.
pub(super) fn is_aufs(path: &[u8]) -> bool {
    path.split(|b| *b == b'/').any(|c| c.starts_with(b".wh..wh."))
}

impl Layer<'_> {
    pub(super) fn whiteout(&mut self, entry: &Entry, dir: &[u8], name: &[u8], hidden: &[u8]) -> Result<()> {
        let shown = String::from_utf8_lossy(&entry.path).into_owned();
        if name != b".wh..wh..opq" && is_aufs(name) {
            return Ok(());
        }
        // Aufs made whiteouts hard links of each other; no other type was ever one.
        if !matches!(entry.kind, Kind::File | Kind::HardLink) || matches!(hidden, b"" | b"." | b"..") {
            corrupt!("{shown:?} is not a valid whiteout");
        }
        let place = self.parent(dir)?;
        self.check_depth(&place, name)?;
        if place.linked {
            self.warn(format!("ignored the whiteout {shown}: it lies behind a symlink"));
            return Ok(());
        }
        if name == b".wh..wh..opq" {
            return self.make_opaque(&place.path);
        }
        let path = place.join(hidden);
        match stat_at(&place.fd, hidden)? {
            // The layer deletes the lower directory and brings one of its own.
            Some(stat) if is_dir(&stat) => {
                if self.implicit.remove(&path) {
                    self.dirs.insert(path.clone(), Meta::default());
                }
                self.make_opaque(&path)
            }
            Some(_) => Ok(()),
            None => {
                mknodat(&*place.fd, hidden, SFlag::S_IFCHR, Mode::empty(), 0)
                    .context(|| "unable to create a whiteout")?;
                self.keep(&path)?;
                self.context.whiteouts.push(LayerPath(path));
                Ok(())
            }
        }
    }

    /// A directory that takes the place of a deleted one: what was below must not shine through.
    pub(super) fn fresh_dir(&mut self, path: Vec<u8>) -> Result<()> {
        self.make_opaque(&path)?;
        self.dirs.insert(path, Meta::default());
        Ok(())
    }

    pub(super) fn make_opaque(&mut self, path: &[u8]) -> Result<()> {
        if !self.opaque.insert(path.to_vec()) {
            return Ok(());
        }
        self.keep(path)?;
        let Some(place) = self.tree.dir(path, Missing::Stop)? else { return Ok(()) };
        xattr::set_at(&*place.fd, b".", self.can.overlay.opaque(), b"y")
            .context(|| "unable to mark a directory opaque")
    }
}
