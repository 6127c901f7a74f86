// SPDX-License-Identifier: Apache-2.0
//! Terminals: a pty out of the container's own devpts, sizes, raw mode.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::{Result, check, check_unit, owned};

/// Rows and columns of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

/// A new pty's master may be used from now on.
pub fn unlock(master: BorrowedFd<'_>) -> Result<()> {
    let zero: libc::c_int = 0;
    check_unit(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const zero) }.into())
}

/// The slave of this very master, whatever a path to it would say (TIOCGPTPEER, Linux 4.13).
pub fn peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    owned(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) }.into())
}

/// The N of /dev/pts/N.
pub fn number(master: BorrowedFd<'_>) -> Result<u32> {
    let mut n: libc::c_uint = 0;
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &raw mut n) }.into())?;
    Ok(n)
}

pub fn make_controlling(slave: BorrowedFd<'_>) -> Result<()> {
    check_unit(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) }.into())
}

pub fn set_size(tty: BorrowedFd<'_>, size: Size) -> Result<()> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    check_unit(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }.into())
}

pub fn size(tty: BorrowedFd<'_>) -> Result<Size> {
    // SAFETY: all zeroes is a valid winsize, and the kernel overwrites it.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    check(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) }.into())?;
    Ok(Size { rows: size.ws_row, columns: size.ws_col })
}

/// How a terminal was set before `make_raw`.
pub struct Settings(libc::termios);

pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    settings(fd).is_ok()
}

pub fn settings(tty: BorrowedFd<'_>) -> Result<Settings> {
    // SAFETY: all zeroes is a valid termios, and the kernel overwrites it.
    let mut termios: libc::termios = unsafe { std::mem::zeroed() };
    check(unsafe { libc::tcgetattr(tty.as_raw_fd(), &raw mut termios) }.into())?;
    Ok(Settings(termios))
}

/// Every byte goes through as typed; what is shown still gets its carriage returns here. Gives back how the
/// terminal was.
pub fn make_raw(tty: BorrowedFd<'_>) -> Result<Settings> {
    let before = settings(tty)?;
    let mut raw = before.0;
    unsafe { libc::cfmakeraw(&raw mut raw) };
    raw.c_oflag |= libc::OPOST;
    check(unsafe { libc::tcsetattr(tty.as_raw_fd(), libc::TCSANOW, &raw const raw) }.into())?;
    Ok(before)
}

/// Off with ONLCR, which a new pty has on.
pub fn keep_newlines(tty: BorrowedFd<'_>) -> Result<()> {
    let mut plain = settings(tty)?;
    plain.0.c_oflag &= !libc::ONLCR;
    restore(tty, &plain)
}

pub fn restore(tty: BorrowedFd<'_>, before: &Settings) -> Result<()> {
    check_unit(unsafe { libc::tcsetattr(tty.as_raw_fd(), libc::TCSANOW, &raw const before.0) }.into())
}
