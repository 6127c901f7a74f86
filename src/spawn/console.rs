// SPDX-License-Identifier: Apache-2.0
//! Descriptors over unix sockets: a terminal's master, a pidfd.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::error::{Result, While};
use crate::spec::c_string;
use crate::sys::socket;

/// Connects to the socket that the caller listens on.
pub fn connect_console(path: &Path) -> Result<OwnedFd> {
    let name = c_string(path, String::new)?;
    socket::connect(&name).or_unable(|| format!("connect to the socket {}", path.display()))
}

/// (init's end, ours)
pub fn console_pair() -> Result<(OwnedFd, OwnedFd)> {
    socket::stream_pair().or_unable(|| "make a socket for the terminal".into())
}

pub fn send_over(socket: BorrowedFd<'_>, payload: &[u8], fd: BorrowedFd<'_>) -> Result<()> {
    socket::send_fd(socket, payload, fd).or_unable(|| "send a descriptor".into())
}

/// The master that init has sent.
pub fn receive_master(ours: &OwnedFd) -> Result<OwnedFd> {
    socket::receive_fd(ours.as_fd()).or_unable(|| "receive the terminal".into())
}
