// SPDX-License-Identifier: Apache-2.0
//! Hard links: to what this layer has, or to what only a lower layer can have.

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::linkat;

use super::apply::{Layer, clean};
use super::context::{LayerPath, Link};
use super::tree::{Missing, Place, is_dir, is_whiteout, join, stat_at};
use crate::corrupt;
use crate::error::{Context, Result};
use crate::tar::Entry;

impl Layer<'_> {
    pub(super) fn hard_link(&mut self, entry: &Entry, place: &Place, name: &[u8]) -> Result<()> {
        let Some((dir, leaf)) = clean(&entry.link)? else { corrupt!("a hard link to the root directory") };
        let from = self.tree.dir(&dir, Missing::Stop)?;
        let stat = match &from {
            Some(from) => stat_at(&from.fd, &leaf)?,
            None => None,
        };
        let (Some(from), Some(stat)) = (from, stat) else { return self.place_holder(entry, place, name) };
        if is_dir(&stat) || is_whiteout(&stat) {
            corrupt!("a hard link to a {}", if is_dir(&stat) { "directory" } else { "deleted file" });
        }
        if stat_at(&place.fd, name)?.is_some_and(|s| s.st_ino == stat.st_ino) {
            return Ok(());
        }
        let link = || linkat(&*from.fd, leaf.as_slice(), &*place.fd, name, AtFlags::empty());
        self.create(place, name, link).context(|| "unable to link")?;
        match self.placeholders.get(&stat.st_ino).cloned() {
            Some((target, _)) => self.open_link(place.join(name), target, stat.st_ino),
            None => Ok(()),
        }
    }

    fn open_link(&mut self, path: Vec<u8>, target: Vec<u8>, inode: u64) -> Result<()> {
        self.keep(&path)?;
        self.keep(&target)?;
        self.placeholders.entry(inode).or_insert_with(|| (target.clone(), 0)).1 += 1;
        self.open_links.insert(path.clone(), self.context.links.len());
        self.context.links.push(Link { path: LayerPath(path), target: LayerPath(target), inode });
        Ok(())
    }

    fn place_holder(&mut self, entry: &Entry, place: &Place, name: &[u8]) -> Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let make = || openat(&*place.fd, name, flags, Mode::S_IRUSR);
        let fd = self.create(place, name, make).context(|| "unable to create")?;
        let inode = fstat(&fd).context(|| "unable to stat")?.st_ino;
        let Some((dir, leaf)) = clean(&entry.link)? else { corrupt!("a hard link to the root directory") };
        let target = join(&dir, &leaf);
        self.open_link(place.join(name), target, inode)
    }
}
