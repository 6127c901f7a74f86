// SPDX-License-Identifier: Apache-2.0
//! The id maps of a new user namespace, written from outside: by ourselves, or, where that is no right of
//! the caller's, by the programs newuidmap and newgidmap, which know who has which subordinate ids.

use std::ffi::{CString, OsStr};
use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, Result, While};
use crate::plan::{IdMap, IdMaps};
use crate::sys::process::{self, Cloned, ExecArgs, Exit};
use crate::sys::{self, Errno};

/// Where to look when there is no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn write(pid: i32, maps: Option<&IdMaps>) -> Result<()> {
    let Some(maps) = maps else { return Ok(()) };
    let (uid, gid) = (sys::cred::effective_uid(), sys::cred::effective_gid());
    if uid == 0 {
        put(pid, "gid_map", &lines(&maps.gids)).or_unable(|| "write the gid map".into()).map_err(at_gids)?;
        return put(pid, "uid_map", &lines(&maps.uids))
            .or_unable(|| "write the uid map".into())
            .map_err(at_uids);
    }
    if is_only(&maps.gids, gid) {
        // An ordinary user may map only itself, and only once setgroups is denied (user_namespaces(7)).
        put(pid, "setgroups", "deny").or_unable(|| "deny setgroups in the user namespace".into())?;
        put(pid, "gid_map", &lines(&maps.gids)).or_unable(|| "write the gid map".into()).map_err(at_gids)?;
    } else {
        by_program("newgidmap", pid, &maps.gids).map_err(at_gids)?;
    }
    if is_only(&maps.uids, uid) {
        put(pid, "uid_map", &lines(&maps.uids)).or_unable(|| "write the uid map".into()).map_err(at_uids)
    } else {
        by_program("newuidmap", pid, &maps.uids).map_err(at_uids)
    }
}

fn at_uids(error: Error) -> Error {
    error.at("/linux/uidMappings")
}

fn at_gids(error: Error) -> Error {
    error.at("/linux/gidMappings")
}

/// Just the caller's own id.
fn is_only(maps: &[IdMap], own: u32) -> bool {
    matches!(maps, [map] if map.host == own && map.size == 1)
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

fn by_program(name: &str, pid: i32, maps: &[IdMap]) -> Result<()> {
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
    let program = find(name, path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH)))?;
    let numbers = maps.iter().flat_map(|map| [map.container, map.host, map.size]);
    let words = [name.to_owned(), pid.to_string()].into_iter().chain(numbers.map(|n| n.to_string()));
    let args = ExecArgs::new(words.filter_map(|word| CString::new(word).ok()).collect());
    let said = run(&program, &args).or_unable(|| format!("run {name}"))?;
    match said {
        (Exit::Code(0), _) => Ok(()),
        (_, text) => Err(Error::new(format!("{name} refused the id mapping"))
            .because(String::from_utf8_lossy(&text).trim().to_owned())
            .hint("/etc/subuid and /etc/subgid tell which ids a user may map")),
    }
}

/// The first in PATH that can do it: it is root's, nobody else may write to it, and it may be executed.
fn find(name: &str, path: &OsStr) -> Result<OwnedFd> {
    let directories = path.as_bytes().split(|byte| *byte == b':').filter(|dir| dir.starts_with(b"/"));
    for directory in directories {
        let Ok(file) = CString::new([directory, b"/", name.as_bytes()].concat()) else { continue };
        let Ok(program) = sys::fs::open(&file, sys::fs::O_PATH) else { continue };
        let stat = sys::fs::fstat(program.as_fd()).or_unable(|| format!("examine {name}"))?;
        if stat.is(sys::fs::S_IFREG) && stat.uid == 0 && stat.mode & 0o022 == 0 && stat.mode & 0o111 != 0 {
            return Ok(program);
        }
    }
    Err(Error::new(format!("unable to find {name}"))
        .hint("an ordinary user needs it to map more than the own id; Debian's package is uidmap"))
}

/// How it ended, and what it said.
fn run(program: &OwnedFd, args: &ExecArgs) -> sys::Result<(Exit, Vec<u8>)> {
    const MOST: usize = 4096;
    let (listen, speak) = sys::fs::pipe()?;
    let none = ExecArgs::new(Vec::new());
    match process::clone(0, None)? {
        Cloned::Child => {
            let streams = [1, 2].map(|number| sys::fs::dup_to(speak.as_fd(), number));
            if streams.iter().all(std::result::Result::is_ok) {
                process::exec_fd(program.as_fd(), args, &none);
            }
            process::exit_now(127)
        }
        Cloned::Parent { pid, .. } => {
            drop(speak);
            let said = sys::fs::read_to_end(listen.as_fd(), MOST);
            Ok((process::wait(pid)?, said.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_a_program_that_nobody_else_can_change() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("newuidmap");
        let found = || find("newuidmap", dir.path().as_os_str());
        assert!(found().unwrap_err().to_string().contains("unable to find newuidmap"));
        std::fs::write(&program, "").unwrap();
        for (mode, fits) in [(0o4755, true), (0o755, true), (0o4757, false), (0o4775, false), (0o644, false)]
        {
            std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(found().is_ok(), fits, "{mode:o}");
        }
        std::fs::remove_file(&program).unwrap();
        std::fs::create_dir(&program).unwrap();
        assert!(found().is_err());
        assert!(find("newuidmap", OsStr::new("relative:")).is_err());
    }
}
