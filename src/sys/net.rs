// SPDX-License-Identifier: Apache-2.0
//! Network devices.

use std::os::fd::{AsFd, AsRawFd};

use super::close::Brief;
use super::{Result, check_unit, owned};

/// struct ifreq with flags in its union.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Sets `lo` of the caller's network namespace up.
pub fn loopback_up() -> Result<()> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    let socket = Brief::from(owned(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }.into())?);
    let mut request =
        Request { name: [0; 16], flags: (libc::IFF_UP | libc::IFF_RUNNING) as i16, rest: [0; 22] };
    request.name[..2].copy_from_slice(b"lo");
    check_unit(
        unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into(),
    )
}
