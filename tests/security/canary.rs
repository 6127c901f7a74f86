// SPDX-License-Identifier: Apache-2.0
//! A tree of the host beside the rootfs, which nobody may touch: compared by content and all of stat, and watched, so
//! that what is put back shows too.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::harness::Container;

const WATCHED: u32 = libc::IN_CREATE
    | libc::IN_DELETE
    | libc::IN_MODIFY
    | libc::IN_ATTRIB
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF;

pub(crate) struct Canary {
    dir: PathBuf,
    before: Vec<String>,
    events: OwnedFd,
}

impl Canary {
    /// `canary` in the bundle: what a symlink in the root of the rootfs calls `../canary`.
    pub(crate) fn new(c: &Container) -> Self {
        let dir = c.path("canary");
        for below in ["etc", "dev/pts", "proc/sys", "sys", "x/y"] {
            fs::create_dir_all(dir.join(below)).unwrap();
        }
        for file in ["file", "etc/passwd", "dev/null", "dev/console", "x/y/file"] {
            fs::write(dir.join(file), "of the host\n").unwrap();
        }
        let events = watch(&dir);
        Self { before: manifest(&dir), dir, events }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.dir.clone() } else { self.dir.join(name) }
    }

    pub(crate) fn path(&self) -> &str {
        self.dir.to_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn intact(&self) {
        self.intact_after("");
    }

    #[track_caller]
    pub(crate) fn intact_after(&self, what: &str) {
        assert_eq!(self.before, manifest(&self.dir), "the canary after {what}");
        let mut buf = [0_u8; 4096];
        // SAFETY: the kernel writes at most the buffer's length into it.
        let n = unsafe { libc::read(self.events.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
        assert!(n < 0, "the canary had an event in {what}: {:?}", &buf[..n.unsigned_abs().min(64)]);
    }
}

fn watch(dir: &Path) -> OwnedFd {
    // SAFETY: a new descriptor, which nobody else owns.
    let events = unsafe { OwnedFd::from_raw_fd(libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC)) };
    for path in tree(dir) {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a string that outlives the call.
        assert!(unsafe { libc::inotify_add_watch(events.as_raw_fd(), path.as_ptr(), WATCHED) } >= 0);
    }
    events
}

fn manifest(dir: &Path) -> Vec<String> {
    let line = |path: PathBuf| {
        let m = fs::symlink_metadata(&path).unwrap();
        let content = if m.is_file() { fs::read(&path).unwrap() } else { vec![] };
        let ids = (m.ino(), m.mode(), m.uid(), m.gid(), m.nlink(), m.rdev(), m.size());
        let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        format!("{} {ids:?} {times:?} {content:?}", path.display())
    };
    tree(dir).into_iter().map(line).collect()
}

fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![dir.to_owned()];
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.symlink_metadata().unwrap().is_dir() { all.extend(tree(&path)) } else { all.push(path) }
    }
    all
}
