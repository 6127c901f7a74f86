// SPDX-License-Identifier: Apache-2.0
//! A directory tree as text: two trees are equal when their texts are.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use lade::digest::Digest;
use lade::sys::xattr;

/// One line a path: type, mode, owner, time, attributes, the paths that are the same file, and content or target.
pub(crate) fn snapshot(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut lines = BTreeMap::new();
    let mut same: HashMap<u64, Vec<u8>> = HashMap::new();
    visit(root, Path::new(""), &mut lines, &mut same);
    lines
}

fn visit(root: &Path, at: &Path, lines: &mut BTreeMap<Vec<u8>, String>, same: &mut HashMap<u64, Vec<u8>>) {
    let path = root.join(at);
    let meta = fs::symlink_metadata(&path).unwrap();
    let kind = meta.file_type();
    let mut line =
        format!("{:o} {}:{} {}.{:09}", meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec());
    if !kind.is_dir() {
        let first = same.entry(meta.ino()).or_insert_with(|| at.as_os_str().as_bytes().to_vec());
        line += &format!(" links={} first={:?}", meta.nlink(), String::from_utf8_lossy(first));
    }
    if kind.is_char_device() || kind.is_block_device() {
        line += &format!(" dev={}", meta.rdev());
    }
    if kind.is_symlink() {
        line += &format!(" -> {:?}", fs::read_link(&path).unwrap());
    }
    if kind.is_file() {
        line += &format!(" {} {}", meta.size(), Digest::of(&fs::read(&path).unwrap()).short());
    }
    if kind.is_dir() || kind.is_file() {
        let dir = fs::File::open(&path).unwrap();
        let mut keys = if kind.is_dir() {
            xattr::list_at(&dir, b".").unwrap()
        } else {
            let parent = fs::File::open(path.parent().unwrap()).unwrap();
            xattr::list_at(&parent, path.file_name().unwrap().as_bytes()).unwrap()
        };
        keys.retain(|k| !k.windows(9).any(|w| w == b".overlay."));
        keys.sort();
        for key in keys {
            line += &format!(" {}", String::from_utf8_lossy(&key));
        }
    }
    lines.insert(at.as_os_str().as_bytes().to_vec(), line);
    if kind.is_dir() {
        let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            visit(root, &at.join(name), lines, same);
        }
    }
}

/// What differs, for a message.
pub(crate) fn difference(a: &BTreeMap<Vec<u8>, String>, b: &BTreeMap<Vec<u8>, String>) -> String {
    let mut out = String::new();
    for key in a.keys().chain(b.keys().filter(|k| !a.contains_key(*k))) {
        if a.get(key) != b.get(key) {
            out += &format!("{}\n  {:?}\n  {:?}\n", String::from_utf8_lossy(key), a.get(key), b.get(key));
        }
    }
    out
}
