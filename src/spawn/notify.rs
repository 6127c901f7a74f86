// SPDX-License-Identifier: Apache-2.0
//! sd_notify: the container's process speaks to a socket in its own tree, and what it says of being
//! ready goes on to systemd, with a pid that the host knows.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Result, While};
use crate::sys::{self, socket};

/// The directory in the container's state directory that is bound to /run/notify, and the socket in it.
pub const DIRECTORY: &str = "notify";
const SOCKET: &str = "notify.sock";

/// Where the process speaks to, and where it goes.
#[derive(Debug)]
pub struct Notify {
    socket: OwnedFd,
    host: Vec<u8>,
}

impl Notify {
    /// Binds the socket. `state` is the container's directory; `host` the caller's NOTIFY_SOCKET.
    pub fn bind(state: BorrowedFd<'_>, host: &OsStr) -> Result<Notify> {
        // sun_path is short, and the state directory's path may be long.
        let path = format!("/proc/self/fd/{}/{DIRECTORY}/{SOCKET}", state.as_raw_fd());
        let socket =
            socket::bind_datagram(path.as_bytes()).or_unable(|| "bind the notification socket".into())?;
        Ok(Notify { socket, host: host.as_bytes().to_vec() })
    }

    /// Until READY=1 has been passed on, or `init` has ended.
    pub fn wait_for_ready(&self, pid: i32, init: BorrowedFd<'_>) -> Result<()> {
        loop {
            let fds = [Some(self.socket.as_fd()), Some(init)];
            let [message, ended] = sys::signal::poll(fds, [false; 2], -1)
                .or_unable(|| "wait for the container's notification".into())?;
            if (message.readable && self.forward(pid)?) || ended.readable {
                return Ok(());
            }
        }
    }

    /// Passes one message on, if it is the one that counts.
    fn forward(&self, pid: i32) -> Result<bool> {
        let mut buffer = [0; 4096];
        let n = sys::fs::read(self.socket.as_fd(), &mut buffer)
            .or_unable(|| "read the notification socket".into())?;
        let ready = buffer[..n].split(|byte| *byte == b'\n').any(|line| line == b"READY=1");
        if ready {
            for text in ["READY=1".to_owned(), format!("MAINPID={pid}")] {
                socket::send_datagram(&self.host, text.as_bytes()).or_unable(|| "notify systemd".into())?;
            }
        }
        Ok(ready)
    }
}
