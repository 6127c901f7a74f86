// SPDX-License-Identifier: Apache-2.0
//! The id maps of a new user namespace, written from outside.

use std::ffi::CString;
use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Result, While};
use crate::plan::{IdMap, IdMaps};
use crate::sys::process::{self, Cloned};
use crate::sys::{self, Errno};

pub(super) fn write(pid: i32, maps: Option<&IdMaps>) -> Result<()> {
    let Some(maps) = maps else { return Ok(()) };
    if sys::cred::effective_uid() != 0 {
        // An ordinary user may map only itself, and only once setgroups is denied (user_namespaces(7)).
        put(pid, "setgroups", "deny").or_unable(|| "deny setgroups in the user namespace".into())?;
    }
    put(pid, "gid_map", &lines(&maps.gids))
        .or_unable(|| "write the gid map".into())
        .map_err(|error| error.at("/linux/gidMappings"))?;
    put(pid, "uid_map", &lines(&maps.uids))
        .or_unable(|| "write the uid map".into())
        .map_err(|error| error.at("/linux/uidMappings"))
}

/// A user namespace for the sake of its maps alone: a process is born in it, which does nothing, and
/// ends when we have the namespace.
pub(super) fn carrier(maps: &IdMaps) -> Result<OwnedFd> {
    let unable = || "make a user namespace for the maps of a mount".to_owned();
    let (wait, ours) = sys::fs::pipe().or_unable(unable)?;
    let pid = match process::clone(process::NEWUSER, None).or_unable(unable)? {
        Cloned::Child => {
            drop(ours);
            // Nothing is ever written: it ends when the other end is closed.
            let _ = sys::fs::read(wait.as_fd(), &mut [0]);
            process::exit_now(0);
        }
        Cloned::Parent { pid, .. } => pid,
    };
    let path = CString::new(format!("/proc/{pid}/ns/user")).unwrap_or_default();
    let opened =
        write(pid, Some(maps)).and_then(|()| sys::fs::open(&path, sys::fs::O_RDONLY).or_unable(unable));
    drop(ours);
    process::wait(pid).or_unable(unable)?;
    opened
}

fn lines(maps: &[IdMap]) -> String {
    maps.iter().fold(String::new(), |mut text, map| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {} {}", map.container, map.host, map.size);
        text
    })
}

/// The pid is a child of ours that we have not reaped: it cannot be another process's.
fn put(pid: i32, file: &str, text: &str) -> sys::Result<()> {
    let path = CString::new(format!("/proc/{pid}/{file}")).map_err(|_| Errno::EINVAL)?;
    let file = sys::fs::open(&path, sys::fs::O_WRONLY)?;
    sys::fs::write_all(file.as_fd(), text.as_bytes())
}
