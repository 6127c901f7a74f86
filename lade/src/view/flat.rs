// SPDX-License-Identifier: Apache-2.0
//! The view as a tree of its own: what `--copy` makes, for where overlayfs cannot be had or is not wanted.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::linkat;

use super::clone::{clone_meta, clone_node};
use super::{Dir, Node};
use crate::error::{Context, Result};
use crate::unpack::stat_at;

/// Files of one layer that have several names: (layer, inode) to the path of the first copy.
type Links = HashMap<(usize, u64), Vec<u8>>;

/// Copies the view of `dir` into the directory `to`, which should be empty.
pub fn copy(dir: &Dir, to: &OwnedFd) -> Result<()> {
    copy_dir(dir, to, to, b"", &mut Links::new())
}

/// Recursive: a layer's depth was bounded when it was unpacked.
fn copy_dir(dir: &Dir, root: &OwnedFd, to: &OwnedFd, path: &[u8], links: &mut Links) -> Result<()> {
    for name in dir.names()? {
        let here = if path.is_empty() { name.clone() } else { [path, b"/", name.as_slice()].concat() };
        match dir.child(&name)? {
            Node::Nothing => {}
            Node::Dir(sub) => {
                let what = || format!("unable to create {}", String::from_utf8_lossy(&here));
                mkdirat(to, name.as_slice(), Mode::S_IRWXU).context(what)?;
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let child = openat(to, name.as_slice(), flags, Mode::empty()).context(what)?;
                copy_dir(&sub, root, &child, &here, links)?;
            }
            Node::Leaf { layer, dir: from, stat } => {
                if stat.st_nlink > 1
                    && let Some(first) = links.get(&(layer, stat.st_ino))
                {
                    // Every directory on the way was made here, so none of them is a symlink.
                    linkat(root, first.as_slice(), to, name.as_slice(), AtFlags::empty())
                        .context(|| format!("unable to link {}", String::from_utf8_lossy(&here)))?;
                    continue;
                }
                clone_node(&from, &name, &stat, to, &name)?;
                if stat.st_nlink > 1 {
                    links.insert((layer, stat.st_ino), here);
                }
            }
        }
    }
    let Some(top) = dir.top() else { return Ok(()) };
    let stat = stat_at(top, b".")?.ok_or(Errno::ENOENT).context(|| "unable to stat a layer's directory")?;
    clone_meta(top, b".", &stat, to, b".")
}
