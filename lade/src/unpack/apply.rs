// SPDX-License-Identifier: Apache-2.0
//! Entries, one after the other, onto the tree. The last entry of a name wins, as in every tool.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::context::{Context as LayerContext, LayerPath};
use super::limits::Limits;
use super::meta::{Meta, Privileges};
use super::tree::{Missing, Place, Tree, is_dir, is_whiteout, remove_tree, stat_at};
use super::whiteout;
use crate::corrupt;
use crate::error::{Context, Error, Result};
use crate::tar::{Entry, Kind, Reader};

pub(super) const WARNINGS_MAX: usize = 20;
pub(super) const PATH_MAX: usize = 4096;
/// Directories, whiteouts and links are remembered to the end; this bounds the memory that takes.
const KEPT_MAX: usize = 64 << 20;

pub(super) struct Layer<'a> {
    pub(super) tree: Tree,
    pub(super) can: Privileges,
    pub(super) limits: &'a Limits,
    /// What directories get when nothing will be created in them any more.
    pub(super) dirs: BTreeMap<Vec<u8>, Meta>,
    pub(super) implicit: BTreeSet<Vec<u8>>,
    pub(super) opaque: BTreeSet<Vec<u8>>,
    pub(super) context: LayerContext,
    /// Bytes of paths kept until the end.
    kept: usize,
    /// Inodes that stand for a file of a lower layer, the path of that, and how many names they have.
    pub(super) placeholders: HashMap<u64, (Vec<u8>, usize)>,
    /// Those names, and which of the context's links each is.
    pub(super) open_links: BTreeMap<Vec<u8>, usize>,
    entries: u64,
    warnings: Vec<String>,
}

/// A name as the layer means it: the directory and the leaf; None is the root itself.
pub(super) fn clean(path: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let shown = || String::from_utf8_lossy(path).into_owned();
    if path.is_empty() {
        corrupt!("an entry has no name");
    }
    let mut dir: Vec<&[u8]> = Vec::new();
    for component in path.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => corrupt!("the name {:?} climbs with '..'", shown()),
            c if c.len() > 255 => corrupt!("the name {:?} has a component of more than 255 bytes", shown()),
            c => dir.push(c),
        }
    }
    let Some(name) = dir.pop() else { return Ok(None) };
    Ok(Some((dir.join(&b'/'), name.to_vec())))
}

impl<'a> Layer<'a> {
    pub(super) fn new(dir: &OwnedFd, can: Privileges, limits: &'a Limits) -> Result<Self> {
        Ok(Layer {
            tree: Tree::new(dir.try_clone().context(|| "unable to duplicate a descriptor")?),
            can,
            limits,
            dirs: BTreeMap::new(),
            implicit: BTreeSet::new(),
            opaque: BTreeSet::new(),
            context: LayerContext::default(),
            kept: 0,
            placeholders: HashMap::new(),
            open_links: BTreeMap::new(),
            entries: 0,
            warnings: Vec::new(),
        })
    }

    pub(super) fn warn(&mut self, text: String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(text);
        }
    }

    pub(super) fn apply<R: Read>(&mut self, entry: &Entry, data: &mut Reader<R>) -> Result<()> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let text = format!("the layer has more than {} entries", self.limits.entries);
            return Err(Error::corrupt(text).hint("--max-entries raises the limit"));
        }
        let shown = String::from_utf8_lossy(&entry.path).into_owned();
        let Some((dir, name)) = clean(&entry.path)? else {
            if entry.kind != Kind::Dir {
                corrupt!("the entry {shown:?} would replace the root directory");
            }
            return self.root(entry);
        };
        if dir.split(|b| *b == b'/').any(|c| c.starts_with(b".wh.")) {
            return if whiteout::is_aufs(&dir) {
                Ok(())
            } else {
                Err(Error::corrupt(format!("{shown:?} lies in a whiteout")))
            };
        }
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            return self.whiteout(entry, &dir, &name, hidden);
        }
        let place = self.parent(&dir)?;
        self.check_depth(&place, &name)?;
        match entry.kind {
            Kind::File => self.file(entry, &place, &name, data),
            Kind::Dir => self.dir(entry, &place, &name),
            Kind::Symlink => self.symlink(entry, &place, &name),
            Kind::HardLink => self.hard_link(entry, &place, &name),
            Kind::Char | Kind::Block | Kind::Fifo => self.node(entry, &place, &name),
        }
        .context(|| format!("unable to unpack {shown}"))
    }

    /// Symlinks within the layer can make a path longer than any name in the archive.
    pub(super) fn check_depth(&self, place: &Place, name: &[u8]) -> Result<()> {
        let depth = place.path.iter().filter(|b| **b == b'/').count() + 2;
        if depth > self.limits.depth || place.path.len() + name.len() + 2 > PATH_MAX {
            let text = format!("the entry {:?} lies too deep", String::from_utf8_lossy(name));
            return Err(Error::corrupt(text).hint("--max-depth raises the limit"));
        }
        Ok(())
    }

    /// Accounts for a path that will be remembered.
    pub(super) fn keep(&mut self, path: &[u8]) -> Result<()> {
        self.kept += path.len() + size_of::<Meta>();
        if self.kept > KEPT_MAX {
            corrupt!("the layer has too many directories and whiteouts");
        }
        Ok(())
    }

    pub(super) fn parent(&mut self, dir: &[u8]) -> Result<Place> {
        let mut made = Vec::new();
        let mut tell = |path: &[u8], over_whiteout| made.push((path.to_vec(), over_whiteout));
        let place = self.tree.dir(dir, Missing::Make(&mut tell))?;
        for (path, over_whiteout) in made {
            self.keep(&path)?;
            if over_whiteout {
                self.fresh_dir(path)?;
            } else {
                self.implicit.insert(path);
            }
        }
        place.ok_or_else(|| Error::new("unable to create a directory"))
    }

    fn root(&mut self, entry: &Entry) -> Result<()> {
        self.context.root = true;
        self.remember_dir(Vec::new(), entry)
    }

    pub(super) fn remember_dir(&mut self, path: Vec<u8>, entry: &Entry) -> Result<()> {
        let meta = Meta::of(entry, self.can)?;
        self.keep(&path)?;
        self.implicit.remove(&path);
        self.dirs.insert(path, meta);
        Ok(())
    }

    /// Takes away what has this name; says whether that was something the layer had brought before.
    pub(super) fn clear(&mut self, place: &Place, name: &[u8]) -> Result<bool> {
        let Some(stat) = stat_at(&place.fd, name)? else { return Ok(false) };
        if !is_dir(&stat) {
            unlinkat(&*place.fd, name, UnlinkatFlags::NoRemoveDir)
                .context(|| "unable to replace an entry")?;
            self.forget_link(&place.join(name));
            return Ok(!is_whiteout(&stat));
        }
        self.tree.forget();
        remove_tree(&place.fd, name)?;
        let path = place.join(name);
        let beneath = [path.as_slice(), b"/"].concat();
        // '0' is the byte after '/': the range is exactly what lies beneath.
        let end = [path.as_slice(), b"0"].concat();
        let gone: Vec<Vec<u8>> =
            self.dirs.range(beneath.clone()..end.clone()).map(|(k, _)| k.clone()).collect();
        for key in gone {
            self.dirs.remove(&key);
        }
        let gone: Vec<Vec<u8>> =
            self.open_links.range(beneath.clone()..end.clone()).map(|(k, _)| k.clone()).collect();
        for name in gone {
            self.forget_link(&name);
        }
        for set in [&mut self.implicit, &mut self.opaque] {
            let gone: Vec<Vec<u8>> = set.range(beneath.clone()..end.clone()).cloned().collect();
            for key in gone {
                set.remove(&key);
            }
            set.remove(&path);
        }
        self.dirs.remove(&path);
        Ok(true)
    }

    /// A name that stood for a file of a lower layer is gone; a filesystem gives the number of its inode again.
    fn forget_link(&mut self, name: &[u8]) {
        let Some(index) = self.open_links.remove(name) else { return };
        let inode = std::mem::take(&mut self.context.links[index].inode);
        if let Some((_, names)) = self.placeholders.get_mut(&inode) {
            *names -= 1;
            if *names == 0 {
                self.placeholders.remove(&inode);
            }
        }
    }

    /// Creates with `make`; if the name is taken, takes it away and creates again.
    pub(super) fn create<T>(
        &mut self,
        place: &Place,
        name: &[u8],
        make: impl Fn() -> nix::Result<T>,
    ) -> nix::Result<T> {
        match make() {
            Err(Errno::EEXIST) => {
                match self.clear(place, name) {
                    Ok(true) => {
                        let shown = String::from_utf8_lossy(&place.join(name)).into_owned();
                        self.warn(format!("{shown} is in the layer more than once: the last one counts"));
                    }
                    Ok(false) => {}
                    Err(e) => {
                        self.warn(e.to_string());
                        return Err(Errno::EEXIST);
                    }
                }
                make()
            }
            other => other,
        }
    }

    /// Modes and times of directories, deepest first: each change beneath would have undone them.
    pub(super) fn finish(mut self) -> Result<(LayerContext, u64, Vec<String>)> {
        let mut dirs = std::mem::take(&mut self.dirs);
        // A root that nobody mentions looks the same on every run.
        dirs.entry(Vec::new()).or_default();
        for (path, meta) in dirs.iter().rev() {
            let shown = || format!("unable to finish the directory {}", String::from_utf8_lossy(path));
            let Some(place) = self.tree.dir(path, Missing::Stop).context(shown)?.filter(|p| !p.linked) else {
                continue;
            };
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let fd = openat(&*place.fd, ".", flags, Mode::empty()).context(shown)?;
            meta.set_dir(&fd, self.can).context(shown)?;
        }
        self.context.links.retain(|link| link.inode != 0);
        self.context.implicit = self.implicit.into_iter().map(LayerPath).collect();
        self.context.opaque = self.opaque.into_iter().map(LayerPath).collect();
        Ok((self.context, self.entries, self.warnings))
    }
}
