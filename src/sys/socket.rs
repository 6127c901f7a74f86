// SPDX-License-Identifier: Apache-2.0
//! Unix sockets that others listen on, by their paths.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{self, AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType};

use super::{Errno, Result, retry};

/// A connected pair for one descriptor to pass through.
pub fn stream_pair() -> Result<(OwnedFd, OwnedFd)> {
    socket::socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)
}

/// Connects to a listening stream socket. A path over 107 bytes goes through the directory's
/// descriptor, as sun_path holds no more.
pub fn connect(path: &CStr) -> Result<OwnedFd> {
    let fd = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let bytes = path.to_bytes();
    let held;
    let mut short = Vec::new();
    let bytes = if bytes.len() < 108 {
        bytes
    } else {
        held = super::fs::open(path, super::fs::O_PATH)?;
        short.extend_from_slice(format!("/proc/self/fd/{}", held.as_raw_fd()).as_bytes());
        &short
    };
    let address = socket::UnixAddr::new(bytes)?;
    retry(|| socket::connect(fd.as_raw_fd(), &address))?;
    Ok(fd)
}

/// The descriptor that comes with the next message. EPROTO for a message without one.
pub fn receive_fd(socket: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mut payload = [0u8; 4096];
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut iov = [std::io::IoSliceMut::new(&mut payload)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = retry(|| {
        socket::recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut space), flags).map(|m| {
            m.cmsgs().map(|mut c| {
                c.find_map(|c| match c {
                    ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
                    _ => None,
                })
            })
        })
    })??;
    let fd = message.ok_or(Errno::EPROTO)?;
    // SAFETY: SCM_RIGHTS has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A datagram socket at a path, for anyone to write to.
pub fn bind_datagram(path: &[u8]) -> Result<OwnedFd> {
    let fd = socket::socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    socket::bind(fd.as_raw_fd(), &socket::UnixAddr::new(path)?)?;
    Ok(fd)
}

/// One datagram to a path; one that begins with @ is in the abstract namespace.
pub fn send_datagram(path: &[u8], payload: &[u8]) -> Result<()> {
    let fd = socket::socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let address = match path.strip_prefix(b"@") {
        Some(name) => socket::UnixAddr::new_abstract(name)?,
        None => socket::UnixAddr::new(path)?,
    };
    retry(|| socket::sendto(fd.as_raw_fd(), payload, &address, MsgFlags::MSG_NOSIGNAL)).map(drop)
}

/// Connects without waiting, to a socket that does not wait either. EAGAIN: the listener's queue is full.
pub fn connect_at_once(path: &CStr) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let address = socket::UnixAddr::new(path.to_bytes())?;
    retry(|| socket::connect(fd.as_raw_fd(), &address))?;
    Ok(fd)
}

/// As much as fits, without raising SIGPIPE.
pub fn send_some(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
    retry(|| socket::send(socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL))
}
