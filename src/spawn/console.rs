// SPDX-License-Identifier: Apache-2.0
//! Descriptors over unix sockets: a terminal's master, a pidfd.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::error::{Result, While};
use crate::spec::c_string;
use crate::sys::{self, Errno, fs, packet, socket, tty};

/// These, or our own standard streams, become this user's.
pub(super) fn give_streams(streams: Option<&[OwnedFd; 3]>, uid: u32) -> Result<()> {
    for number in 0..3 {
        let stream = match streams {
            Some(streams) => Ok(streams[number].as_fd()),
            None => fs::inherited(number as i32),
        };
        stream
            .and_then(|stream| give_stream(stream, uid))
            .or_unable(|| format!("give standard stream {number} to user {uid}"))?;
    }
    Ok(())
}

fn give_stream(stream: BorrowedFd<'_>, uid: u32) -> sys::Result<()> {
    let stat = fs::fstat(stream)?;
    // /dev/null is everybody's: its owner is not a container's to change.
    let null = stat.is(fs::S_IFCHR) && stat.rdev == fs::makedev(1, 3);
    if stat.uid == uid || null {
        return Ok(());
    }
    match fs::fchown(stream, Some(uid), None) {
        // No right to, read-only, or a filesystem that has no owners: the stream works as it is.
        Err(Errno::EPERM | Errno::EROFS | Errno::EINVAL) => Ok(()),
        result => result,
    }
}

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
    packet::send_fd(socket, payload, fd).or_unable(|| "send a descriptor".into())
}

/// The master that init has sent, before the program runs: what that writes ends its lines as they are.
/// Whoever shows them adds what he needs, our caller's terminal or nobody, where it goes to a file.
/// It is as large as our own terminal from the start, if we have one.
pub fn receive_master(ours: &OwnedFd) -> Result<OwnedFd> {
    let master = socket::receive_fd(ours.as_fd()).or_unable(|| "receive the terminal".into())?;
    tty::keep_newlines(master.as_fd()).or_unable(|| "set up the terminal".into())?;
    if let Ok(size) = fs::inherited(0).and_then(tty::size) {
        let _ = tty::set_size(master.as_fd(), size);
    }
    Ok(master)
}
