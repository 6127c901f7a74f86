// SPDX-License-Identifier: Apache-2.0
//! Settles an unpacked layer on the layers below it, so that the overlay view is exactly what unpacking all of them
//! into one directory would give: links to lower files become real, directories that the archive did not mention look
//! as they did below, and whiteouts of what never was are gone (overlayfs lists those in unmerged directories).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::apply::{WARNINGS_MAX, clean};
use super::context::{Context as LayerContext, LayerPath, Link};
use super::meta::{Meta, Privileges};
use super::tree::{Missing, Place, Tree, is_whiteout, stat_at};
use crate::corrupt;
use crate::error::{Context, Error, Result};
use crate::view::{Dir, Node, clone_meta, clone_node};

struct Settle<'a> {
    tree: Tree,
    below: &'a Dir,
    opaque: BTreeSet<&'a [u8]>,
    implicit: BTreeSet<Vec<u8>>,
    touched: BTreeMap<Vec<u8>, TimeSpec>,
    can: Privileges,
    warnings: Vec<String>,
}

/// `dir` is the layer's own directory, `below` the view of the layers under it. Returns what the user should know.
pub fn settle(dir: &OwnedFd, context: &LayerContext, below: &Dir) -> Result<Vec<String>> {
    let tree = Tree::new(dir.try_clone().context(|| "unable to duplicate a descriptor")?);
    let opaque = context.opaque.iter().map(|p| p.0.as_slice()).collect();
    let mut settle = Settle {
        tree,
        below,
        opaque,
        implicit: context.implicit.iter().map(|p| p.0.clone()).collect(),
        touched: BTreeMap::new(),
        can: Privileges::of_process(below.marks()),
        warnings: Vec::new(),
    };
    settle.links(&context.links)?;
    for whiteout in &context.whiteouts {
        settle.whiteout(whiteout)?;
    }
    // Deepest first: what is done in a directory changes its time.
    for path in settle.implicit.clone().iter().rev() {
        settle.implicit_dir(path)?;
    }
    settle.restore_times()?;
    Ok(settle.warnings)
}

impl Settle<'_> {
    fn place(&mut self, path: &[u8]) -> Result<Option<(Place, Vec<u8>)>> {
        let Some((dir, name)) = clean(path)? else { return Ok(None) };
        let place = self.tree.dir(&dir, Missing::Stop)?.filter(|p| !p.linked);
        Ok(place.map(|p| (p, name)))
    }

    /// This layer lets nothing of the layers below be seen at `path`.
    fn hidden(&self, path: &[u8]) -> bool {
        self.opaque.contains(&b""[..])
            || (0..path.len()).any(|i| path[i] == b'/' && self.opaque.contains(&path[..i]))
    }

    fn shows_below(&self, path: &[u8]) -> Result<Node> {
        if self.hidden(path) { Ok(Node::Nothing) } else { self.below.lookup(path) }
    }

    /// Notes the time of a directory that is about to be changed.
    fn touch(&mut self, place: &Place) -> Result<()> {
        if !self.touched.contains_key(&place.path)
            && let Some(stat) = stat_at(&place.fd, b".")?
        {
            self.touched.insert(place.path.clone(), TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec));
        }
        Ok(())
    }

    fn links(&mut self, links: &[Link]) -> Result<()> {
        let mut made: HashMap<&[u8], (Place, Vec<u8>)> = HashMap::new();
        for link in links {
            let Some((place, name)) = self.place(&link.path.0)? else { continue };
            if stat_at(&place.fd, &name)?.is_none_or(|s| s.st_ino != link.inode) {
                continue;
            }
            let what = || format!("unable to link {}", String::from_utf8_lossy(&link.path.0));
            self.touch(&place)?;
            unlinkat(&*place.fd, name.as_slice(), UnlinkatFlags::NoRemoveDir).context(what)?;
            if let Some((first, first_name)) = made.get(link.target.0.as_slice()) {
                linkat(&*first.fd, first_name.as_slice(), &*place.fd, name.as_slice(), AtFlags::empty())
                    .context(what)?;
                continue;
            }
            let Node::Leaf { dir, stat, .. } = self.below.lookup(&link.target.0)? else {
                corrupt!("{}: no layer has its target {}", what(), String::from_utf8_lossy(&link.target.0));
            };
            let Some((_, leaf)) = clean(&link.target.0)? else { continue };
            clone_node(&dir, &leaf, &stat, &place.fd, &name)?;
            self.raise_target(&link.target, &place, &name)?;
            made.insert(&link.target.0, (place, name));
        }
        Ok(())
    }

    /// The target becomes a name of the same inode, as it would be in one directory; what this layer has there wins.
    fn raise_target(&mut self, target: &LayerPath, place: &Place, name: &[u8]) -> Result<()> {
        let Some((dir, leaf)) = clean(&target.0)? else { return Ok(()) };
        if self.hidden(&target.0) {
            return Ok(());
        }
        let mut made: Vec<Vec<u8>> = Vec::new();
        let mut tell = |path: &[u8], _| made.push(path.to_vec());
        let to = self.tree.dir(&dir, Missing::Make(&mut tell))?;
        self.implicit.extend(made);
        let Some(to) = to.filter(|p| !p.linked) else { return Ok(()) };
        self.touch(&to)?;
        match linkat(&*place.fd, name, &*to.fd, leaf.as_slice(), AtFlags::empty()) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(e) => Err(e).context(|| "unable to link to a lower layer's file"),
        }
    }

    /// A whiteout counts only for what the layers below would show.
    fn whiteout(&mut self, path: &LayerPath) -> Result<()> {
        if !matches!(self.shows_below(&path.0)?, Node::Nothing) {
            return Ok(());
        }
        let Some((place, name)) = self.place(&path.0)? else { return Ok(()) };
        if stat_at(&place.fd, &name)?.is_some_and(|s| is_whiteout(&s)) {
            self.touch(&place)?;
            unlinkat(&*place.fd, name.as_slice(), UnlinkatFlags::NoRemoveDir)
                .context(|| "unable to remove a whiteout")?;
        }
        Ok(())
    }

    fn implicit_dir(&mut self, path: &[u8]) -> Result<()> {
        let Some((place, name)) = self.place(path)? else { return Ok(()) };
        let what = || format!("unable to finish the directory {}", String::from_utf8_lossy(path));
        let below = self.shows_below(path)?;
        if matches!(below, Node::Leaf { .. }) && self.warnings.len() < WARNINGS_MAX {
            // Overlayfs's way: what the upper layer has is a directory. Unpackers of one tree follow a symlink there.
            let shown = String::from_utf8_lossy(path);
            self.warnings.push(format!("{shown} is no directory in the layers below; one takes its place"));
        }
        if let Node::Dir(below) = below {
            let top = below.top().ok_or_else(|| Error::new(what()))?;
            let stat = stat_at(top, b".")?.ok_or_else(|| Error::new(what()))?;
            return clone_meta(top, b".", &stat, &place.fd, &name).context(what);
        }
        self.touch(&place)?;
        // Nothing below and nothing in it: it was made for a whiteout of nothing.
        match unlinkat(&*place.fd, name.as_slice(), UnlinkatFlags::RemoveDir) {
            Ok(()) => {
                self.tree.forget();
                return Ok(());
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
            Err(_) => {}
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&*place.fd, name.as_slice(), flags, Mode::empty()).context(what)?;
        Meta::default().set_dir(&fd, self.can).context(what)
    }

    fn restore_times(&mut self) -> Result<()> {
        for (path, time) in std::mem::take(&mut self.touched) {
            if self.implicit.contains(&path) {
                continue;
            }
            if let Some(place) = self.tree.dir(&path, Missing::Stop)?.filter(|p| !p.linked) {
                utimensat(&*place.fd, ".", &time, &time, UtimensatFlags::NoFollowSymlink)
                    .context(|| "unable to set a time")?;
            }
        }
        Ok(())
    }
}
