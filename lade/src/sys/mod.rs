// SPDX-License-Identifier: Apache-2.0
//! The only unsafe code of lade: system calls that neither std nor nix has. Each function is safe to call and
//! gives back an errno; nothing here knows what an image is.

pub mod fence;
pub mod mount;
pub mod xattr;

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Turns the return value of a system call into a result.
fn check(ret: i64) -> io::Result<i64> {
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(ret) }
}

/// Shares the blocks of `from` with the empty file `to`, where the filesystem can (xfs, btrfs).
pub fn reflink(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    // SAFETY: FICLONE takes a file descriptor by value and touches no memory.
    check(i64::from(unsafe {
        libc::ioctl(to.as_fd().as_raw_fd(), libc::FICLONE, from.as_fd().as_raw_fd())
    }))?;
    Ok(())
}

/// From here on what this thread creates has exactly the mode it asks for; the other threads keep the process's umask.
pub fn without_umask() -> io::Result<()> {
    // SAFETY: takes an integer; working directory, root and umask become this thread's own.
    check(i64::from(unsafe { libc::unshare(libc::CLONE_FS) }))?;
    // SAFETY: takes an integer and cannot fail.
    unsafe { libc::umask(0) };
    Ok(())
}

/// A random number from the kernel: back-off jitter, never a secret.
pub fn random() -> u64 {
    let mut bytes = [0u8; 8];
    // SAFETY: the buffer is ours and as long as we say.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    u64::from_ne_bytes(bytes)
}

/// The width of the terminal on standard error.
pub fn terminal_width() -> Option<usize> {
    // SAFETY: winsize is plain integers, and TIOCGWINSZ fills exactly one.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: as above; a closed descriptor gives an error.
    let ret = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (ret == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// The terminal on standard input does not show what is typed until this is dropped.
pub struct Silent(libc::termios);

impl Silent {
    pub fn begin() -> io::Result<Self> {
        // SAFETY: termios is plain integers, and tcgetattr fills exactly one.
        let mut old: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        check(i64::from(unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut old) }))?;
        let new = libc::termios { c_lflag: old.c_lflag & !libc::ECHO, ..old };
        // SAFETY: reads one termios.
        check(i64::from(unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &raw const new) }))?;
        Ok(Silent(old))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // SAFETY: reads one termios.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &raw const self.0) };
    }
}
