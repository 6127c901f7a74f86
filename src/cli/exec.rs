// SPDX-License-Identifier: Apache-2.0
//! `exec`: one more process in a running container.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgMatches, Command};

use super::flags::{self, is_on, on_or_off, path, switch, text, texts, value, values};
use crate::error::{Error, Result};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExecOptions {
    pub(super) id: String,
    pub(super) process: ProcessSource,
    pub(super) console_socket: Option<PathBuf>,
    pub(super) pidfd_socket: Option<PathBuf>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) detach: bool,
    pub(super) preserve_fds: u32,
    /// Below the container's, by controller.
    pub(super) cgroups: BTreeMap<String, String>,
    pub(super) ignore_paused: bool,
}

/// What says how the process shall be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProcessSource {
    /// `--process FILE`: a `process` object, whole.
    File(PathBuf),
    /// The container's own `process`, with these properties put over it.
    Flags(Box<Overrides>),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) args: Vec<String>,
    pub(super) cwd: Option<String>,
    /// Appended.
    pub(super) env: Vec<String>,
    /// Never the container's own: a terminal is had only by asking.
    pub(super) terminal: bool,
    pub(super) user: Option<UserFlag>,
    pub(super) additional_gids: Vec<u32>,
    pub(super) selinux_label: Option<String>,
    pub(super) apparmor_profile: Option<String>,
    pub(super) no_new_privileges: Option<bool>,
    /// Added to the container's sets.
    pub(super) capabilities: Vec<String>,
}

/// `--user UID[:GID]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserFlag {
    pub(super) uid: u32,
    pub(super) gid: Option<u32>,
}

pub(super) fn command() -> Command {
    let usage = "[options] <container-id> <command> [arguments]\n\
                 [options] --process FILE <container-id>";
    flags::command("exec", "Run another process in a container", usage)
        .arg(value("process", "FILE", "JSON file with the whole process object").short('p'))
        .arg(value("cwd", "DIR", "working directory in the container"))
        .arg(values("env", "NAME=VALUE", "add an environment variable").short('e'))
        .arg(switch("tty", "give the process a terminal").short('t'))
        .arg(value("user", "UID[:GID]", "user and group ids").short('u'))
        .arg(values("additional-gids", "GID", "add a supplementary group id").short('g'))
        .arg(value("process-label", "LABEL", "SELinux label of the process"))
        .arg(value("apparmor", "PROFILE", "AppArmor profile of the process"))
        .arg(switch("no-new-privs", "set no_new_privs"))
        .arg(values("cap", "CAPABILITY", "add a capability").short('c'))
        .arg(switch("detach", "do not wait for the process").short('d'))
        .arg(value("pid-file", "FILE", "file to write the process id to"))
        .arg(value("console-socket", "SOCKET", "unix socket that receives the terminal's master side"))
        .arg(value("pidfd-socket", "SOCKET", "unix socket that receives a pidfd of the process"))
        .arg(flags::preserve_fds())
        .arg(values("cgroup", "[CONTROLLERS:]PATH", "run in this cgroup below the container's"))
        .arg(switch("ignore-paused", "also in a paused container"))
        .arg(flags::timings())
}

impl ExecOptions {
    pub(super) fn new(matches: &ArgMatches) -> Result<ExecOptions> {
        let process = match path(matches, "process") {
            Some(file) => ProcessSource::File(file),
            None => ProcessSource::Flags(Box::new(Overrides::new(matches)?)),
        };
        Ok(ExecOptions {
            id: flags::id(matches),
            process,
            console_socket: path(matches, "console-socket"),
            pidfd_socket: path(matches, "pidfd-socket"),
            pid_file: path(matches, "pid-file"),
            detach: is_on(matches, "detach"),
            preserve_fds: flags::preserved(matches),
            cgroups: sub_cgroups(&texts(matches, "cgroup")?)?,
            ignore_paused: is_on(matches, "ignore-paused"),
        })
    }
}

impl Overrides {
    fn new(matches: &ArgMatches) -> Result<Overrides> {
        let mut args = flags::arguments(matches)?;
        args.drain(..args.len().min(1));
        let gids = texts(matches, "additional-gids")?;
        Ok(Overrides {
            args,
            cwd: text(matches, "cwd")?,
            env: texts(matches, "env")?,
            terminal: is_on(matches, "tty"),
            user: text(matches, "user")?.map(|user| UserFlag::new(&user)).transpose()?,
            additional_gids: gids.iter().map(|gid| number(gid, "gid")).collect::<Result<_>>()?,
            selinux_label: text(matches, "process-label")?,
            apparmor_profile: text(matches, "apparmor")?,
            no_new_privileges: on_or_off(matches, "no-new-privs"),
            capabilities: texts(matches, "cap")?,
        })
    }
}

impl UserFlag {
    fn new(text: &str) -> Result<UserFlag> {
        let (uid, gid) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
        let gid = gid.map(|gid| number(gid, "gid")).transpose()?;
        Ok(UserFlag { uid: number(uid, "uid")?, gid })
    }
}

/// `--cgroup PATH`, or `--cgroup CONTROLLER[,CONTROLLER]:PATH` as often as wanted: cgroups below the
/// container's, by controller; "" is all of them.
fn sub_cgroups(all: &[String]) -> Result<BTreeMap<String, String>> {
    let mut paths = BTreeMap::new();
    let refuse = |what: String| Err(Error::new(format!("invalid --cgroup argument{what}")));
    for text in all {
        let Some((controllers, path)) = text.split_once(':') else {
            if all.len() > 1 {
                return refuse(format!(": {text} (missing <controller>: prefix)"));
            }
            paths.insert(String::new(), text.clone());
            continue;
        };
        for controller in controllers.split(',') {
            if controller.is_empty() {
                return refuse(format!(": {text} (empty <controller> prefix)"));
            }
            if paths.insert(controller.to_owned(), path.to_owned()).is_some() {
                return refuse(format!("(s): controller {controller} specified multiple times"));
            }
        }
    }
    Ok(paths)
}

fn number(text: &str, what: &str) -> Result<u32> {
    text.parse().map_err(|_| Error::new(format!("invalid {what} {text:?}")).because("not a number"))
}
