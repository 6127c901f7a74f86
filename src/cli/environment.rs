// SPDX-License-Identifier: Apache-2.0
//! What systemd may have put into our environment for the container: sockets, and where to notify.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::flags::MOST_FDS;
use crate::container::ContainerId;
use crate::spawn::notify;

/// The protocols of sd_listen_fds(3) and sd_notify(3).
#[derive(Debug, Default)]
pub(super) struct Activation {
    sockets: u32,
    names: Option<String>,
    pub(super) notify_socket: Option<OsString>,
}

impl Activation {
    /// LISTEN_FDS counts only when LISTEN_PID says that it is meant for us.
    pub(super) fn read() -> Activation {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
        let ours = number("LISTEN_PID").is_some_and(|pid| pid == std::process::id());
        Activation {
            sockets: number("LISTEN_FDS").filter(|n| ours && *n <= MOST_FDS).unwrap_or(0),
            names: std::env::var("LISTEN_FDNAMES").ok().filter(|_| ours),
            notify_socket: std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()),
        }
    }

    pub(super) fn sockets(&self) -> u32 {
        self.sockets
    }

    pub(super) fn listen_fds(&self) -> Option<(u32, Option<String>)> {
        (self.sockets > 0).then(|| (self.sockets, self.names.clone()))
    }

    /// The directory that the container sees as /run/notify.
    pub(super) fn notify_dir(&self, root: &Path, id: &ContainerId) -> Option<PathBuf> {
        self.notify_socket.as_ref().map(|_| root.join(id.as_str()).join(notify::DIRECTORY))
    }
}
