// SPDX-License-Identifier: Apache-2.0
//! The flags before the command.

use std::path::{Component, PathBuf};

use clap::{ArgMatches, Command};

use super::flags::{self, switch, value};
use super::version::program;
use crate::bundle::absolute;
use crate::container::{self, Container, ContainerId, Store};
use crate::error::{Error, Result, While};
use crate::host::{account, user};
use crate::log::{Format, Log};

/// What every command may want to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Global {
    /// The directory that holds the containers; absolute.
    pub(super) root: PathBuf,
    /// `--root` was given: then it must be there.
    pub(super) root_given: bool,
    pub(super) systemd_cgroup: bool,
    /// None is `auto`.
    pub(super) rootless: Option<bool>,
}

pub(super) fn command() -> Command {
    let usage = format!("{} [global options] COMMAND [options] [ARGUMENTS]", program());
    flags::command("", "Open Container Initiative runtime", "")
        .override_usage(usage)
        .arg(switch("debug", "log more than errors and warnings"))
        .arg(value("log", "FILE", "append the log to FILE, not standard error"))
        .arg(value("log-format", "FORMAT", "format of the log: text or json"))
        .arg(value("root", "DIR", "where the state of containers is kept, a tmpfs at best"))
        .arg(switch("systemd-cgroup", "let systemd make the cgroups; cgroupsPath is then slice:prefix:name"))
        .arg(value("rootless", "BOOL", "ignore what only root may do with cgroups: true, false or auto"))
        .arg(switch("version", "print the version").short('v'))
}

/// Where the log goes; first of all, so that every later error is found there.
pub(super) fn log(matches: &ArgMatches) -> Result<Log> {
    let format = match flags::text(matches, "log-format")?.as_deref() {
        None | Some("text") => Format::Text,
        Some("json") => Format::Json,
        Some(other) => return Err(Error::new(format!("invalid log-format: {other}"))),
    };
    // Absolute before anyone changes the working directory.
    let file = flags::path(matches, "log").map(|file| absolute(&file)).transpose()?;
    Log::new(file.map(PathBuf::into_os_string), format, flags::is_on(matches, "debug"))
        .or_unable(|| "log".into())
}

impl Global {
    pub(super) fn new(matches: &ArgMatches) -> Result<Global> {
        let given = matches.contains_id("root");
        let root = match flags::path(matches, "root") {
            Some(root) => absolute(&root)?,
            None if given => return Err(root_refused()),
            None => default_root(),
        };
        if given && root.components().all(|part| part == Component::RootDir) {
            return Err(root_refused());
        }
        let rootless = match flags::text(matches, "rootless")?.as_deref() {
            None | Some("auto") => None,
            Some(text) => Some(flags::parse_bool(text).map_err(|reason| {
                Error::new(format!("invalid value {text:?} for flag -rootless")).because(reason)
            })?),
        };
        let systemd_cgroup = flags::is_on(matches, "systemd-cgroup");
        Ok(Global { root, root_given: given, systemd_cgroup, rootless })
    }

    /// # Errors
    /// `NotFound`, also when there is no state directory at all.
    pub(super) fn container(&self, id: &str) -> Result<Container> {
        let id = ContainerId::parse(id)?;
        match Store::open(&self.root)? {
            Some(store) => store.get(&id),
            None => Err(container::not_found()),
        }
    }
}

/// What a `delete` that was killed has left of a container that is not found any more.
impl Global {
    pub(super) fn sweep(&self, id: &str) -> Result<()> {
        let id = ContainerId::parse(id)?;
        Store::open(&self.root)?.map_or(Ok(()), |store| store.sweep(&id))
    }
}

/// A directory of containers beside /bin and /etc is a slip of some script's.
fn root_refused() -> Error {
    Error::new("Option --root argument should not be set to /")
}

/// /run/tare, or below $XDG_RUNTIME_DIR for who may not write there.
fn default_root() -> PathBuf {
    // A procfs that cannot be read is no user namespace's.
    let in_user_namespace = || user::in_user_namespace().unwrap_or(false);
    container::default_root(account::effective_uid, in_user_namespace, &|name| std::env::var_os(name), "tare")
}
