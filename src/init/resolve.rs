// SPDX-License-Identifier: Apache-2.0
//! Paths of the image, resolved under the container's root to a descriptor and used by it.
//!
//! The image, or another container that shares a volume, may be changing the tree at this moment
//! (CVE-2021-30465): nothing is looked up twice, nothing is named by a path once it was checked.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Done, Fault};
use crate::channel::Note;
use crate::step::{BindMount, InRoot};
use crate::sys::close::Brief;
use crate::sys::fs::{self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY, Resolve};
use crate::sys::{Errno, Result};

const LONGEST: usize = 4096;

/// A dangling link may lead to another; the kernel's own limit is 40.
const MOST_LINKS: usize = 8;

/// A copy of a path that can be cut at its slashes.
struct Path {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Path {
    fn of(text: &[u8]) -> Result<Path> {
        let mut path = Path { bytes: [0; LONGEST], len: 0 };
        path.push(text)?;
        Ok(path)
    }

    fn push(&mut self, text: &[u8]) -> Result<()> {
        let place = self.bytes.get_mut(self.len..self.len + text.len() + 1).ok_or(Errno::ENAMETOOLONG)?;
        place[..text.len()].copy_from_slice(text);
        self.len += text.len();
        Ok(())
    }

    /// The part in `range` as a string: the slash behind it is made the end.
    fn part(&mut self, start: usize, end: usize) -> Result<&CStr> {
        self.bytes[end] = 0;
        CStr::from_bytes_with_nul(&self.bytes[start..=end]).map_err(|_| Errno::EINVAL)
    }

    /// Where the name that starts at `start` ends.
    fn end(&self, start: usize) -> usize {
        self.bytes[start..self.len].iter().position(|b| *b == b'/').map_or(self.len, |n| start + n)
    }
}

/// What a path leads to, links followed inside the root; an O_PATH descriptor.
pub(super) fn open(root: BorrowedFd<'_>, path: &InRoot) -> Result<Brief> {
    fs::openat2(root, &path.0, O_PATH, 0, Resolve::InRoot).map(Brief::from)
}

/// The same of a directory: anything else is ENOTDIR.
pub(super) fn open_dir(root: BorrowedFd<'_>, path: &InRoot) -> Result<Brief> {
    fs::openat2(root, &path.0, O_PATH | O_DIRECTORY, 0, Resolve::InRoot).map(Brief::from)
}

/// A directory that is one itself: a link or anything else in its place is ENOTDIR.
pub(super) fn directory_entry(root: BorrowedFd<'_>, path: &InRoot) -> Result<Brief> {
    fs::openat2(root, &path.0, O_PATH | O_NOFOLLOW | O_DIRECTORY, 0, Resolve::InRoot).map(Brief::from)
}

/// For a mount target: a link of the image must not lead it into a procfs, where it could cover what
/// the runtime and LSMs trust (CVE-2019-16884, CVE-2025-52881).
fn outside_proc(target: Brief) -> Done<Brief> {
    if fs::filesystem_magic(target.as_fd())? == fs::PROC_MAGIC {
        return Err(Fault { errno: Errno::EPERM, note: Note::InsideProc });
    }
    Ok(target)
}

/// The same for what is bound on /proc itself.
pub(super) fn procfs_on_proc(bind: &BindMount, source: BorrowedFd<'_>) -> Done {
    if bind.is_proc() && fs::filesystem_magic(source)? != fs::PROC_MAGIC {
        return Err(Fault { errno: Errno::EPERM, note: Note::NotProc });
    }
    Ok(())
}

/// A target by its exact words, or through links that end outside /proc.
pub(super) fn target(root: BorrowedFd<'_>, path: &InRoot) -> Done<Brief> {
    match fs::openat2(root, &path.0, O_PATH, 0, Resolve::InRootNoLinks) {
        Err(Errno::ELOOP) => outside_proc(open(root, path)?),
        result => Ok(result?.into()),
    }
}

/// A directory to mount on, made with its parents where it is missing.
pub(super) fn target_dir(root: BorrowedFd<'_>, path: &InRoot) -> Done<Brief> {
    match target(root, path) {
        Err(fault) if fault.errno == Errno::ENOENT => outside_proc(make_dirs(root, path)?.into()),
        result => result,
    }
}

/// A file to mount on, made empty where it is missing.
pub(super) fn target_file(root: BorrowedFd<'_>, path: &InRoot) -> Done<Brief> {
    match target(root, path) {
        Err(fault) if fault.errno == Errno::ENOENT => {
            let (dir, name) = parent(root, path)?;
            let dir = outside_proc(dir.into())?;
            let made = fs::openat(dir.as_fd(), name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o755);
            match made {
                // Another container on the same root was faster (BuildKit runs several).
                Ok(_) | Err(Errno::EEXIST) => target(root, path),
                Err(e) => Err(e.into()),
            }
        }
        result => result,
    }
}

/// The directory, made with its parents (0755) where it is missing.
pub(super) fn make_dirs(root: BorrowedFd<'_>, path: &InRoot) -> Result<OwnedFd> {
    directories(root, path, path.0.as_bytes().len())
}

/// The directory that an entry is in (made where it is missing), and the entry's name.
pub(super) fn parent<'p>(root: BorrowedFd<'_>, path: &'p InRoot) -> Result<(OwnedFd, &'p CStr)> {
    let bytes = path.0.as_bytes_with_nul();
    let slash = bytes.iter().rposition(|b| *b == b'/');
    let name = slash.map_or(bytes, |slash| &bytes[slash + 1..]);
    let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno::EINVAL)?;
    Ok((directories(root, path, slash.unwrap_or(0))?, name))
}

/// The first `len` bytes of a path as a directory.
fn directories(root: BorrowedFd<'_>, path: &InRoot, len: usize) -> Result<OwnedFd> {
    if len == 0 {
        return fs::duplicate(root);
    }
    make_path(root, Path::of(&path.0.as_bytes()[..len])?, MOST_LINKS)
}

/// Component by component; as long as there are links they are followed from the root, and below what
/// we make ourselves there are none.
fn make_path(root: BorrowedFd<'_>, mut path: Path, links: usize) -> Result<OwnedFd> {
    match fs::openat2(root, path.part(0, path.len)?, O_PATH | O_DIRECTORY, 0, Resolve::InRoot) {
        Err(Errno::ENOENT) => {}
        result => return result,
    }
    let mut here = fs::duplicate(root)?;
    let mut start = 0;
    while start < path.len {
        let end = path.end(start);
        let found = fs::openat2(root, path.part(0, end)?, O_PATH | O_DIRECTORY, 0, Resolve::InRoot);
        here = match found {
            Err(Errno::ENOENT) => match make_dir(here.as_fd(), path.part(start, end)?) {
                Err(Errno::ENOTDIR) => return follow(root, here.as_fd(), &mut path, start, end, links),
                result => result?,
            },
            result => result?,
        };
        if end < path.len {
            path.bytes[end] = b'/';
        }
        start = end + 1;
    }
    Ok(here)
}

/// A link that leads to nothing yet: images have them (`/var/run` to `/run`), and a mount below one
/// makes what it names, inside the root. The link's words are put in its place, and the kernel resolves
/// the new path in the root as any other.
fn follow(
    root: BorrowedFd<'_>,
    here: BorrowedFd<'_>,
    path: &mut Path,
    start: usize,
    end: usize,
    links: usize,
) -> Result<OwnedFd> {
    if links == 0 {
        return Err(Errno::ELOOP);
    }
    let mut buffer = [0; LONGEST];
    let words = fs::readlinkat(here, path.part(start, end)?, &mut buffer)?;
    let mut next = Path { bytes: [0; LONGEST], len: 0 };
    match words.strip_prefix(b"/") {
        Some(absolute) => next.push(absolute)?,
        None => {
            next.push(&path.bytes[..start])?;
            next.push(words)?;
        }
    }
    if end < path.len {
        next.push(b"/")?;
        next.push(&path.bytes[end + 1..path.len])?;
    }
    make_path(root, next, links - 1)
}

fn make_dir(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    match fs::mkdirat(dir, name, 0o755) {
        Ok(()) | Err(Errno::EEXIST) => fs::openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0),
        Err(e) => Err(e),
    }
}
