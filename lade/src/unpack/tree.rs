// SPDX-License-Identifier: Apache-2.0
//! The directory a layer is unpacked to. Names from the archive are resolved here and nowhere else: by descriptor,
//! beneath the root, with `..` and absolute symlinks meaning the root of the layer and never the host's.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::corrupt;
use crate::error::{Context, Result};

/// As many symlinks as the kernel follows in one path.
const SYMLINKS_MAX: usize = 40;
/// Open directories kept; a layer's entries come directory by directory.
const CACHE_MAX: usize = 256;

const DIR: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A directory of the layer and its canonical path.
#[derive(Clone)]
pub(super) struct Place {
    pub fd: Rc<OwnedFd>,
    pub path: Vec<u8>,
    /// A symlink was followed on the way.
    pub linked: bool,
}

impl Place {
    pub(super) fn join(&self, name: &[u8]) -> Vec<u8> {
        join(&self.path, name)
    }
}

pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

/// What a walk does where the layer has no such directory.
pub(super) enum Missing<'a> {
    Stop,
    /// Make it, and tell: (path, it covers a whiteout).
    Make(&'a mut dyn FnMut(&[u8], bool)),
}

pub(super) struct Tree {
    root: Rc<OwnedFd>,
    cache: HashMap<Vec<u8>, Rc<OwnedFd>>,
}

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Self {
        Tree { root: Rc::new(root), cache: HashMap::new() }
    }

    /// Must be called whenever a directory is taken away: CVE-2025-47290 was a cached parent that had been replaced.
    pub(super) fn forget(&mut self) {
        self.cache.clear();
    }

    /// The directory `path` (cleaned), or None where `missing` says to stop.
    pub(super) fn dir(&mut self, path: &[u8], missing: Missing) -> Result<Option<Place>> {
        if path.is_empty() {
            return Ok(Some(Place { fd: self.root.clone(), path: Vec::new(), linked: false }));
        }
        if let Some(fd) = self.cache.get(path) {
            return Ok(Some(Place { fd: fd.clone(), path: path.to_vec(), linked: false }));
        }
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
        let place = match openat2(&*self.root, path, how) {
            Ok(fd) => Some(Place { fd: Rc::new(fd), path: path.to_vec(), linked: false }),
            // A symlink, nothing there, a whiteout there, no openat2: step by step, then.
            Err(
                Errno::ELOOP | Errno::ENOENT | Errno::ENOTDIR | Errno::ENOSYS | Errno::EPERM | Errno::EAGAIN,
            ) => self.walk(path, missing)?,
            Err(e) => return Err(e).context(|| format!("unable to open {}", String::from_utf8_lossy(path))),
        };
        if let Some(place) = place.as_ref().filter(|p| !p.linked) {
            if self.cache.len() >= CACHE_MAX {
                self.cache.clear();
            }
            self.cache.insert(path.to_vec(), place.fd.clone());
        }
        Ok(place)
    }

    /// Component by component, as the kernel would inside a root: `..` stops at the layer's own root.
    fn walk(&mut self, path: &[u8], mut missing: Missing) -> Result<Option<Place>> {
        let shown = || String::from_utf8_lossy(path).into_owned();
        let mut todo: Vec<Vec<u8>> = Vec::new();
        push(&mut todo, path);
        let mut at: Vec<(Rc<OwnedFd>, Vec<u8>)> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                at.pop();
                continue;
            }
            let (dir, dir_path) = at.last().cloned().unwrap_or_else(|| (self.root.clone(), Vec::new()));
            let here = join(&dir_path, &name);
            match look(&dir, &name).context(|| format!("unable to open {}", shown()))? {
                Step::Dir(fd) => at.push((Rc::new(fd), here)),
                Step::Link(target) => {
                    links += 1;
                    if links > SYMLINKS_MAX {
                        corrupt!("too many symlinks in {}", shown());
                    }
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    push(&mut todo, &target);
                }
                Step::Other => {
                    corrupt!(
                        "{} is not a directory, but {} lies in it",
                        String::from_utf8_lossy(&here),
                        shown()
                    )
                }
                absent => {
                    let Missing::Make(tell) = &mut missing else { return Ok(None) };
                    // The target of a symlink: exported again, such a name would delete something.
                    if name.starts_with(b".wh.") {
                        corrupt!("{} would be created under the name of a whiteout", shown());
                    }
                    let over_whiteout = matches!(absent, Step::Whiteout);
                    if over_whiteout {
                        unlinkat(&*dir, name.as_slice(), UnlinkatFlags::NoRemoveDir)
                            .context(|| "unable to remove a whiteout")?;
                    }
                    at.push((Rc::new(make(&dir, &name)?), here.clone()));
                    tell(&here, over_whiteout);
                }
            }
        }
        let (fd, path) = at.pop().unwrap_or_else(|| (self.root.clone(), Vec::new()));
        Ok(Some(Place { fd, path, linked: links > 0 }))
    }
}

/// Puts a path's components on the stack, the first on top.
fn push(todo: &mut Vec<Vec<u8>>, path: &[u8]) {
    let components = path.split(|b| *b == b'/').rev().filter(|c| !matches!(*c, b"" | b"."));
    todo.extend(components.map(<[u8]>::to_vec));
}

enum Step {
    Dir(OwnedFd),
    Link(Vec<u8>),
    Nothing,
    Whiteout,
    Other,
}

fn look(dir: &OwnedFd, name: &[u8]) -> nix::Result<Step> {
    let fd = match openat(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::ENOENT) => return Ok(Step::Nothing),
        Err(e) => return Err(e),
    };
    let stat = fstat(&fd)?;
    Ok(match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => Step::Dir(fd),
        SFlag::S_IFLNK => Step::Link(readlinkat(dir, name)?.into_vec()),
        _ if is_whiteout(&stat) => Step::Whiteout,
        _ => Step::Other,
    })
}

fn make(dir: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    mkdirat(dir, name, Mode::S_IRWXU)
        .and_then(|()| openat(dir, name, DIR, Mode::empty()))
        .context(|| format!("unable to create the directory {}", String::from_utf8_lossy(name)))
}

pub(crate) fn is_whiteout(stat: &FileStat) -> bool {
    stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFCHR.bits() && stat.st_rdev == 0
}

pub(crate) fn is_dir(stat: &FileStat) -> bool {
    stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits()
}

/// The leaf `name` of `dir`, never followed.
pub(crate) fn stat_at(dir: &OwnedFd, name: &[u8]) -> Result<Option<FileStat>> {
    match fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(e) => Err(e).context(|| format!("unable to stat {}", String::from_utf8_lossy(name))),
    }
}

/// Removes a tree by descriptors, without recursion: its depth is the attacker's choice.
pub(crate) fn remove_tree(dir: &OwnedFd, name: &[u8]) -> Result<()> {
    let what = || format!("unable to remove {}", String::from_utf8_lossy(name));
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    // Nothing of the tree is another filesystem's: what somebody mounted here must not be emptied.
    let how =
        OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_BENEATH);
    let open = |parent: &OwnedFd, name: &[u8]| -> nix::Result<OwnedFd> {
        match openat2(parent, name, how) {
            // Another user's directory without permissions of its own; ours to change, as its parent is.
            Err(Errno::EACCES) => {
                nix::sys::stat::fchmodat(
                    parent,
                    name,
                    Mode::S_IRWXU,
                    nix::sys::stat::FchmodatFlags::NoFollowSymlink,
                )?;
                openat2(parent, name, how)
            }
            other => other,
        }
    };
    match unlinkat(dir, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(e) => return Err(e).context(what),
    }
    let mut stack = vec![Frame::enter(open(dir, name).context(what)?, name.to_vec()).context(what)?];
    while let Some(frame) = stack.last_mut() {
        if let Some(sub) = frame.dirs.pop() {
            let child = open(&frame.fd, &sub).context(what)?;
            stack.push(Frame::enter(child, sub).context(what)?);
        } else if let Some(done) = stack.pop() {
            let parent = stack.last().map_or(dir, |frame| &frame.fd);
            unlinkat(parent, done.name.as_slice(), UnlinkatFlags::RemoveDir).context(what)?;
        }
    }
    Ok(())
}

/// A directory being emptied, and the directories in it that are still to be.
struct Frame {
    fd: OwnedFd,
    name: Vec<u8>,
    dirs: Vec<Vec<u8>>,
}

impl Frame {
    fn enter(fd: OwnedFd, name: Vec<u8>) -> nix::Result<Self> {
        let mut dirs = Vec::new();
        for name in names(&fd)? {
            match unlinkat(&fd, name.as_slice(), UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(Errno::EISDIR | Errno::EPERM) => dirs.push(name),
                Err(e) => return Err(e),
            }
        }
        Ok(Frame { fd, name, dirs })
    }
}

/// The names in a directory, which may be open by path only.
pub(crate) fn names(dir: &OwnedFd) -> nix::Result<Vec<Vec<u8>>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listing = nix::dir::Dir::openat(dir, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
