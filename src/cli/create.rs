// SPDX-License-Identifier: Apache-2.0
//! `create`: everything up to the user's program, which waits for `start`.

use std::path::PathBuf;

use clap::{ArgAction, ArgMatches, Command};

use super::flags::{self, is_on, path, switch, value};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CreateOptions {
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    pub(super) console_socket: Option<PathBuf>,
    pub(super) pidfd_socket: Option<PathBuf>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) no_pivot: bool,
    pub(super) no_new_keyring: bool,
    pub(super) preserve_fds: u32,
    /// Only print the plan.
    pub(super) dry_run: bool,
}

pub(super) fn command() -> Command {
    shared(flags::command("create", "Create a container", "[options] <container-id>"))
        .arg(switch("dry-run", "print what would be done, do nothing"))
        // go-runc may pass it; `create` has no other way.
        .arg(switch("detach", "").short('d').hide(true))
}

/// The flags that `run` has too.
pub(super) fn shared(command: Command) -> Command {
    command
        .arg(bundle())
        .arg(value("console-socket", "SOCKET", "unix socket that receives the terminal's master side"))
        .arg(value("pidfd-socket", "SOCKET", "unix socket that receives a pidfd of the container's process"))
        .arg(value("pid-file", "FILE", "file to write the process id to"))
        .arg(switch("no-pivot", "do not use pivot_root, for a rootfs on top of a ramdisk"))
        .arg(switch("no-new-keyring", "stay in the session keyring of the caller"))
        .arg(flags::preserve_fds())
        .arg(flags::timings())
}

/// `--bundle`, as `spec` and `explain` have it too.
pub(super) fn bundle() -> clap::Arg {
    value("bundle", "DIR", "the bundle; default: the working directory").short('b').action(ArgAction::Set)
}

/// The working directory, unless a bundle was given.
pub(super) fn bundle_of(matches: &ArgMatches) -> PathBuf {
    path(matches, "bundle").unwrap_or_else(|| PathBuf::from("."))
}

impl CreateOptions {
    pub(super) fn new(matches: &ArgMatches) -> CreateOptions {
        CreateOptions { dry_run: is_on(matches, "dry-run"), ..CreateOptions::shared(matches) }
    }

    /// What `create` and `run` have in common.
    pub(super) fn shared(matches: &ArgMatches) -> CreateOptions {
        CreateOptions {
            id: flags::id(matches),
            bundle: bundle_of(matches),
            console_socket: path(matches, "console-socket"),
            pidfd_socket: path(matches, "pidfd-socket"),
            pid_file: path(matches, "pid-file"),
            no_pivot: is_on(matches, "no-pivot"),
            no_new_keyring: is_on(matches, "no-new-keyring"),
            preserve_fds: flags::preserved(matches),
            dry_run: false,
        }
    }
}
