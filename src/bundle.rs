// SPDX-License-Identifier: Apache-2.0
//! A bundle on disk: where it is, and its config.json. Runs in the calling process.

use std::ffi::{CString, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result, While};
use crate::sys::{self, Errno, fs};

/// Writes a new config.json, as the caller's umask has it; never over one that is there.
pub fn write_new(path: &Path, config: &[u8]) -> Result<()> {
    let name =
        CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::new("bundle path holds a NUL"))?;
    let dir = fs::open(&name, fs::O_PATH | fs::O_DIRECTORY)
        .or_unable(|| format!("open bundle {}", path.display()))?;
    let file = match fs::openat(dir.as_fd(), c"config.json", fs::O_WRONLY | fs::O_CREAT | fs::O_EXCL, 0o666) {
        Err(Errno::EEXIST) => return Err(Error::new("File config.json exists. Remove it first")),
        result => result.or_unable(|| "create config.json".into())?,
    };
    fs::write_all(file.as_fd(), config).or_unable(|| "write config.json".into())
}

/// Seen from the working directory, without `.` and `..` and without following the last link.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    if path.is_absolute() {
        return Ok(normal(path));
    }
    let mut buf = [0; 4096];
    let cwd = sys::fs::getcwd(&mut buf).or_unable(|| "find the working directory".into())?;
    Ok(normal(&Path::new(OsStr::from_bytes(cwd)).join(path)))
}

/// Drops `.` and resolves `..` by words alone, as Go's filepath.Clean does for runc's state.
fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    clean
}
