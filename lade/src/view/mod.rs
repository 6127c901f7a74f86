// SPDX-License-Identifier: Apache-2.0
//! The tree that overlayfs would show, computed from the layers without a mount: for settling a layer on those below
//! it, for flat copies, for export. It never follows a symlink and never leaves the layers' directories.

mod clone;
mod export;
mod flat;

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode};

pub use clone::{clone_meta, clone_node};
pub use export::export;
pub use flat::copy;

use crate::error::{Context, Result};
use crate::sys::xattr;
use crate::unpack::{OverlayXattr, is_dir, is_whiteout, names, stat_at};

/// One directory of the view: the layers' directories that make it up, top first.
#[derive(Clone)]
pub struct Dir {
    parts: Vec<(usize, Rc<OwnedFd>)>,
    /// Whose owner, mode and times the directory shows, when that is not the topmost part.
    looks: Option<Rc<OwnedFd>>,
    marks: OverlayXattr,
}

/// A layer's root directory.
pub struct Root {
    pub fd: OwnedFd,
    /// The layer says what the root is like; many do not mention it.
    pub mentioned: bool,
}

pub enum Node {
    Nothing,
    Dir(Dir),
    /// Anything but a directory: the layer it is in, the directory there, and what it is.
    Leaf {
        layer: usize,
        dir: Rc<OwnedFd>,
        stat: FileStat,
    },
}

impl Dir {
    /// The root of a stack of layers, top first.
    pub fn root(layers: Vec<Root>, marks: OverlayXattr) -> Result<Self> {
        let mut root = Dir { parts: Vec::new(), looks: None, marks };
        let mut whole = false;
        for (i, layer) in layers.into_iter().enumerate() {
            let fd = Rc::new(layer.fd);
            if layer.mentioned && root.looks.is_none() {
                root.looks = Some(fd.clone());
            }
            whole = whole || root.add(i, fd)?;
        }
        Ok(root)
    }

    /// Adds a lower part; true if nothing below it counts any more.
    fn add(&mut self, layer: usize, fd: Rc<OwnedFd>) -> Result<bool> {
        let mark =
            xattr::get_at(&*fd, b".", self.marks.opaque()).context(|| "unable to read an attribute")?;
        self.parts.push((layer, fd));
        Ok(mark.as_deref() == Some(b"y"))
    }

    pub fn marks(&self) -> OverlayXattr {
        self.marks
    }

    /// The part whose owner, mode and times the directory shows.
    pub fn top(&self) -> Option<&OwnedFd> {
        self.looks.as_ref().or_else(|| self.parts.first().map(|(_, fd)| fd)).map(|fd| &**fd)
    }

    pub fn child(&self, name: &[u8]) -> Result<Node> {
        let mut found = Dir { parts: Vec::new(), looks: None, marks: self.marks };
        for (layer, fd) in &self.parts {
            let Some(stat) = stat_at(fd, name)? else { continue };
            if !is_dir(&stat) {
                if found.parts.is_empty() && !is_whiteout(&stat) {
                    return Ok(Node::Leaf { layer: *layer, dir: fd.clone(), stat });
                }
                break;
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let sub =
                openat(&**fd, name, flags, Mode::empty()).context(|| "unable to open a layer's directory")?;
            if found.add(*layer, Rc::new(sub))? {
                break;
            }
        }
        Ok(if found.parts.is_empty() { Node::Nothing } else { Node::Dir(found) })
    }

    /// Follows directories only: a symlink on the way means that there is nothing at `path`.
    pub fn lookup(&self, path: &[u8]) -> Result<Node> {
        let mut at = self.clone();
        let mut components = path.split(|b| *b == b'/').filter(|c| !c.is_empty()).peekable();
        while let Some(name) = components.next() {
            match at.child(name)? {
                Node::Dir(dir) => at = dir,
                leaf @ Node::Leaf { .. } if components.peek().is_none() => return Ok(leaf),
                _ => return Ok(Node::Nothing),
            }
        }
        Ok(Node::Dir(at))
    }

    /// Every name that any part has; `child` says which of them are there.
    pub fn names(&self) -> Result<BTreeSet<Vec<u8>>> {
        let mut all = BTreeSet::new();
        for (_, fd) in &self.parts {
            match names(fd) {
                Ok(names) => all.extend(names),
                Err(Errno::ENOENT) => {}
                Err(e) => return Err(e).context(|| "unable to list a layer's directory"),
            }
        }
        Ok(all)
    }
}
