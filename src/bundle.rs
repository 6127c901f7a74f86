// SPDX-License-Identifier: Apache-2.0
//! A bundle on disk: where it is, and its config.json. Read by the parent; no effects.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use crate::error::{Error, Result, While};
use crate::spec::{self, Parsed, c_string};
use crate::sys::{self, Errno};

/// No real config.json comes near; a larger one is somebody's mistake or attack.
const CONFIG_LIMIT: usize = 32 << 20;

/// A bundle that has been read.
#[derive(Debug)]
pub struct Bundle {
    /// Absolute, as state and hooks show it.
    pub path: PathBuf,
    pub config: Vec<u8>,
    pub spec: Parsed<Spec>,
}

impl Bundle {
    pub fn read(path: &Path) -> Result<Bundle> {
        let name = c_string(path.join("config.json"), String::new)?;
        let config = match sys::fs::open(&name, sys::fs::O_RDONLY) {
            Ok(file) => read_config(&file)?,
            Err(Errno::ENOENT | Errno::ENOTDIR) => {
                let bundle = c_string(path, String::new)?;
                sys::fs::open(&bundle, sys::fs::O_PATH | sys::fs::O_DIRECTORY)
                    .or_unable(|| format!("open bundle {}", path.display()))?;
                return Err(Error::new("JSON specification file config.json not found"));
            }
            Err(errno) => return Err(Error::sys("unable to open config.json", errno)),
        };
        let path = absolute(path)?;
        Ok(Bundle { path, spec: spec::config(&config)?, config })
    }

    /// The root filesystem's directory, absolute.
    pub fn rootfs(&self) -> Result<PathBuf> {
        let root = self
            .spec
            .value
            .root()
            .as_ref()
            .ok_or_else(|| Error::new("root must be specified").at("/root"))?;
        Ok(normal(&self.path.join(root.path())))
    }
}

fn read_config(file: &OwnedFd) -> Result<Vec<u8>> {
    sys::fs::read_to_end(file.as_fd(), CONFIG_LIMIT).or_unable(|| "read config.json".into())
}

/// Writes a new config.json, as the caller's umask has it; never over one that is there.
pub fn write_new(path: &Path, config: &[u8]) -> Result<()> {
    use sys::fs::{O_CREAT, O_DIRECTORY, O_EXCL, O_PATH, O_WRONLY};
    let name = c_string(path, String::new)?;
    let dir =
        sys::fs::open(&name, O_PATH | O_DIRECTORY).or_unable(|| format!("open bundle {}", path.display()))?;
    let file = match sys::fs::openat(dir.as_fd(), c"config.json", O_WRONLY | O_CREAT | O_EXCL, 0o666) {
        Err(Errno::EEXIST) => return Err(Error::new("File config.json exists. Remove it first")),
        result => result.or_unable(|| "create config.json".into())?,
    };
    sys::fs::write_all(file.as_fd(), config).or_unable(|| "write config.json".into())
}

/// A JSON file that the caller names: a process, resources.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let name = c_string(path, String::new)?;
    let file = sys::fs::open(&name, sys::fs::O_RDONLY).or_unable(|| format!("open {}", path.display()))?;
    sys::fs::read_to_end(file.as_fd(), CONFIG_LIMIT).or_unable(|| format!("read {}", path.display()))
}

/// The same from standard input.
pub fn read_stdin() -> Result<Vec<u8>> {
    sys::fs::read_to_end(sys::fs::stream(0), CONFIG_LIMIT).or_unable(|| "read standard input".into())
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
    use std::path::Component;
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
