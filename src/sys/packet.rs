// SPDX-License-Identifier: Apache-2.0
//! Packets between two processes of ours, and descriptors in them (SCM_RIGHTS). Allocates nothing.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Errno, Result, check, check_unit, retry};

/// As many as the kernel takes in one packet (SCM_MAX_FD).
pub const MOST: usize = 253;

/// Room for a control message with that many.
#[repr(C, align(8))]
struct Space([u8; 16 + MOST * 4 + 4]);

/// A connected pair that keeps message boundaries. The second outlives an exec.
pub fn seqpacket_pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) }.into())?;
    // SAFETY: the kernel has just made both for us.
    let [first, second] = pair.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    check(unsafe { libc::fcntl(second.as_raw_fd(), libc::F_SETFD, 0) }.into())?;
    Ok((first, second))
}

/// The second of a pair, in the program that was executed with it: the last that it outlives.
pub fn inherited(number: i32) -> Result<OwnedFd> {
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: it is open, and this program's alone; whoever calls with a number of something else has given that away.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// From here on a read gives up with EAGAIN after so long.
pub fn lose_patience_after(socket: BorrowedFd<'_>, time: std::time::Duration) -> Result<()> {
    let time = [time.as_secs() as libc::c_long, time.subsec_micros().into()];
    let (level, option, size) = (libc::SOL_SOCKET, libc::SO_RCVTIMEO, size_of_val(&time) as u32);
    check_unit(
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, time.as_ptr().cast(), size) }.into(),
    )
}

/// One packet, without raising SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, payload: &[u8]) -> Result<()> {
    let (data, length) = (payload.as_ptr().cast(), payload.len());
    check_unit(retry(|| {
        check(unsafe { libc::send(socket.as_raw_fd(), data, length, libc::MSG_NOSIGNAL) } as _)
    })?)
}

/// One message with one descriptor.
pub fn send_fd(socket: BorrowedFd<'_>, payload: &[u8], fd: BorrowedFd<'_>) -> Result<()> {
    send_fds(socket, payload, &[fd.as_raw_fd()])
}

/// One message with up to `MOST` descriptors, which are open.
pub fn send_fds(socket: BorrowedFd<'_>, payload: &[u8], fds: &[i32]) -> Result<()> {
    let size = size_of_val(fds);
    let mut space = Space([0; _]);
    if fds.len() > MOST {
        return Err(Errno::EINVAL);
    }
    let mut iov = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
    // SAFETY: all zeroes is a valid msghdr; the buffers outlive the call, and `space` has the alignment of the
    // header that is written into it and room for it and the descriptors.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = space.0.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(size as u32) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size as u32) as _;
        std::ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), size);
        retry(|| check(libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) as _))?;
    }
    Ok(())
}

/// The next message with its descriptors, which are close-on-exec: the length of its payload. The
/// descriptors are given to `take` one by one.
pub fn receive_fds(
    socket: BorrowedFd<'_>,
    payload: &mut [u8],
    mut take: impl FnMut(OwnedFd),
) -> Result<usize> {
    let mut space = Space([0; _]);
    let mut iov = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    // SAFETY: as in `send_fds`; the kernel says how many descriptors it has made for us.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = space.0.as_mut_ptr().cast();
        message.msg_controllen = size_of::<Space>() as _;
        let flags = libc::MSG_CMSG_CLOEXEC;
        let n = retry(|| check(libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) as _))?;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS {
            let data = libc::CMSG_DATA(header).cast::<i32>();
            let count = ((*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize) / 4;
            (0..count).for_each(|i| take(OwnedFd::from_raw_fd(data.add(i).read_unaligned())));
        }
        Ok(n as usize)
    }
}
