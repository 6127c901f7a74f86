// SPDX-License-Identifier: Apache-2.0
//! The words of `mounts[].options`: one table for the parser, for `features` and for man pages.

use std::ffi::CString;

use oci_spec::runtime::Mount;

use crate::spec::list;
use crate::sys::mount::{
    ATTR_ATIME, ATTR_NOATIME, ATTR_NODEV, ATTR_NODIRATIME, ATTR_NOEXEC, ATTR_NOSUID, ATTR_NOSYMFOLLOW,
    ATTR_RDONLY, ATTR_RELATIME, ATTR_STRICTATIME, Attr as MountAttr, Depth,
};

/// What a word does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Attributes of the mount: set, and cleared first.
    Attr {
        set: u64,
        clear: u64,
    },
    /// The same for the mount and all below it.
    TreeAttr {
        set: u64,
        clear: u64,
    },
    /// A flag of the filesystem itself.
    Filesystem(&'static str),
    /// One that only mount(2) takes.
    Superblock {
        set: u64,
        clear: u64,
    },
    Propagation(u64, Depth),
    Bind(Depth),
    IdMap(Depth),
    CopyUp,
    /// The mount that is there gets these options.
    Remount,
    /// Accepted, and already so.
    Nothing,
}

use Word::{Attr, Bind, CopyUp, Filesystem, IdMap, Nothing, Propagation, Remount, Superblock, TreeAttr};

const fn on(set: u64) -> Word {
    Attr { set, clear: 0 }
}

const fn off(clear: u64) -> Word {
    Attr { set: 0, clear }
}

const fn atime(set: u64) -> Word {
    Attr { set, clear: ATTR_ATIME }
}

const fn tree_on(set: u64) -> Word {
    TreeAttr { set, clear: 0 }
}

const fn tree_off(clear: u64) -> Word {
    TreeAttr { set: 0, clear }
}

const fn tree_atime(set: u64) -> Word {
    TreeAttr { set, clear: ATTR_ATIME }
}

/// Sorted by name: `features` prints it so, and it is searched by halves.
pub(super) const WORDS: &[(&str, Word)] = &[
    ("acl", Superblock { set: libc::MS_POSIXACL, clear: 0 }),
    ("async", Filesystem("async")),
    ("atime", Attr { set: 0, clear: ATTR_ATIME }),
    ("bind", Bind(Depth::One)),
    ("defaults", Nothing),
    ("dev", off(ATTR_NODEV)),
    ("diratime", off(ATTR_NODIRATIME)),
    ("dirsync", Filesystem("dirsync")),
    ("exec", off(ATTR_NOEXEC)),
    ("idmap", IdMap(Depth::One)),
    ("iversion", Superblock { set: libc::MS_I_VERSION, clear: 0 }),
    ("lazytime", Filesystem("lazytime")),
    ("loud", Nothing),
    ("mand", Filesystem("mand")),
    ("noacl", Superblock { set: 0, clear: libc::MS_POSIXACL }),
    ("noatime", atime(ATTR_NOATIME)),
    ("nodev", on(ATTR_NODEV)),
    ("nodiratime", on(ATTR_NODIRATIME)),
    ("noexec", on(ATTR_NOEXEC)),
    ("noiversion", Superblock { set: 0, clear: libc::MS_I_VERSION }),
    ("nolazytime", Filesystem("nolazytime")),
    ("nomand", Filesystem("nomand")),
    ("norelatime", Attr { set: 0, clear: ATTR_ATIME }),
    ("nostrictatime", Attr { set: 0, clear: ATTR_ATIME }),
    ("nosuid", on(ATTR_NOSUID)),
    ("nosymfollow", on(ATTR_NOSYMFOLLOW)),
    ("private", Propagation(libc::MS_PRIVATE, Depth::One)),
    ("ratime", tree_atime(0)),
    ("rbind", Bind(Depth::Tree)),
    ("rdev", tree_off(ATTR_NODEV)),
    ("rdiratime", tree_off(ATTR_NODIRATIME)),
    ("relatime", atime(ATTR_RELATIME)),
    ("remount", Remount),
    ("rexec", tree_off(ATTR_NOEXEC)),
    ("ridmap", IdMap(Depth::Tree)),
    ("rnoatime", tree_atime(ATTR_NOATIME)),
    ("rnodev", tree_on(ATTR_NODEV)),
    ("rnodiratime", tree_on(ATTR_NODIRATIME)),
    ("rnoexec", tree_on(ATTR_NOEXEC)),
    ("rnorelatime", tree_atime(0)),
    ("rnostrictatime", tree_atime(0)),
    ("rnosuid", tree_on(ATTR_NOSUID)),
    ("rnosymfollow", tree_on(ATTR_NOSYMFOLLOW)),
    ("ro", on(ATTR_RDONLY)),
    ("rprivate", Propagation(libc::MS_PRIVATE, Depth::Tree)),
    ("rrelatime", tree_atime(ATTR_RELATIME)),
    ("rro", tree_on(ATTR_RDONLY)),
    ("rrw", tree_off(ATTR_RDONLY)),
    ("rshared", Propagation(libc::MS_SHARED, Depth::Tree)),
    ("rslave", Propagation(libc::MS_SLAVE, Depth::Tree)),
    ("rstrictatime", tree_atime(ATTR_STRICTATIME)),
    ("rsuid", tree_off(ATTR_NOSUID)),
    ("rsymfollow", tree_off(ATTR_NOSYMFOLLOW)),
    ("runbindable", Propagation(libc::MS_UNBINDABLE, Depth::Tree)),
    ("rw", off(ATTR_RDONLY)),
    ("shared", Propagation(libc::MS_SHARED, Depth::One)),
    ("silent", Nothing),
    ("slave", Propagation(libc::MS_SLAVE, Depth::One)),
    ("strictatime", atime(ATTR_STRICTATIME)),
    ("suid", off(ATTR_NOSUID)),
    ("symfollow", off(ATTR_NOSYMFOLLOW)),
    ("sync", Filesystem("sync")),
    ("tmpcopyup", CopyUp),
    ("unbindable", Propagation(libc::MS_UNBINDABLE, Depth::One)),
];

/// The options of one mount, sorted out.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) attr: MountAttr,
    pub(super) tree_attr: MountAttr,
    pub(super) propagation: Option<(u64, Depth)>,
    pub(super) bind: Option<Depth>,
    pub(super) idmap: Option<Depth>,
    pub(super) copy_up: bool,
    pub(super) remount: bool,
    /// Flags of mount(2).
    pub(super) superblock: u64,
    pub(super) filesystem: Vec<(String, Option<String>)>,
}

pub(super) fn parse(mount: &Mount) -> Parsed {
    let mut parsed = Parsed::default();
    for option in list(mount.options()) {
        match word(option) {
            Some(Word::Attr { set, clear }) => apply(&mut parsed.attr, set, clear),
            Some(Word::TreeAttr { set, clear }) => apply(&mut parsed.tree_attr, set, clear),
            Some(Word::Superblock { set, clear }) => {
                parsed.superblock = parsed.superblock & !clear | set;
            }
            Some(Word::Propagation(flag, depth)) => parsed.propagation = Some((flag, depth)),
            Some(Word::Bind(depth)) => parsed.bind = Some(depth),
            Some(Word::IdMap(depth)) => parsed.idmap = Some(depth),
            Some(Word::CopyUp) => parsed.copy_up = true,
            Some(Word::Filesystem(flag)) => parsed.filesystem.push((flag.to_owned(), None)),
            Some(Word::Remount) => parsed.remount = true,
            Some(Word::Nothing) => {}
            None => parsed.filesystem.push(match option.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (option.clone(), None),
            }),
        }
    }
    parsed
}

impl Parsed {
    /// All attributes of a mount that has no other below it.
    pub(super) fn attributes(&self) -> MountAttr {
        let mut all = self.attr;
        apply(&mut all, self.tree_attr.set, self.tree_attr.clear);
        all
    }
}

/// A later word overrides an earlier one: `ro` after `rw` is read-only.
fn apply(attr: &mut MountAttr, set: u64, clear: u64) {
    attr.set = attr.set & !clear | set;
    attr.clear = attr.clear & !set | clear;
}

pub(super) fn word(name: &str) -> Option<Word> {
    WORDS.binary_search_by_key(&name, |(n, _)| n).ok().map(|i| WORDS[i].1)
}

/// What `features` lists as mountOptions.
pub fn names() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(name, _)| *name)
}

/// The filesystem's options as mount(2) takes them.
pub(super) fn data(options: &[(CString, Option<CString>)]) -> CString {
    let mut data: Vec<u8> = Vec::new();
    for (key, value) in options {
        if !data.is_empty() {
            data.push(b',');
        }
        data.extend_from_slice(key.as_bytes());
        if let Some(value) = value {
            data.push(b'=');
            // A label of SELinux's can have a comma, which only quotes keep from being the next option.
            let quoted = value.as_bytes().contains(&b',');
            data.extend(quoted.then_some(b'"'));
            data.extend_from_slice(value.as_bytes());
            data.extend(quoted.then_some(b'"'));
        }
    }
    CString::new(data).unwrap_or_default()
}

pub(super) fn propagation(name: &str) -> Option<(u64, Depth)> {
    match word(name) {
        Some(Propagation(flag, depth)) => Some((flag, depth)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_word_is_found() {
        assert!(WORDS.is_sorted_by_key(|(name, _)| *name));
        for (name, what) in WORDS {
            assert_eq!(word(name), Some(*what));
        }
        assert_eq!(word("size=64k"), None);
    }
}
