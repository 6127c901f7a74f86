// SPDX-License-Identifier: Apache-2.0
//! Signals: masks, dispositions, a descriptor to read them from, and poll(2).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::string::String;

use super::{Errno, Result, check, check_unit, owned};

/// Every signal is blocked, until `unblock_all`.
pub fn block_all() -> Result<()> {
    set_mask(u64::MAX)
}

pub fn unblock_all() -> Result<()> {
    set_mask(0)
}

fn set_mask(mask: u64) -> Result<()> {
    let size = size_of::<u64>();
    check_unit(unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            ptr::null_mut::<u64>(),
            size,
        )
    })
}

/// struct kernel_sigaction, as rt_sigaction(2) takes it: all zeroes is SIG_DFL.
#[repr(C)]
#[derive(Default)]
struct KernelSigaction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// SIGPIPE must not end the runtime: a hook or an agent may close its end (crun dies of it).
pub fn ignore_sigpipe() -> Result<()> {
    disposition(libc::SIGPIPE, libc::SIG_IGN)
}

/// With SIGCHLD ignored, as some callers leave it, the kernel would reap children before we can.
pub fn default_sigchld() -> Result<()> {
    disposition(libc::SIGCHLD, libc::SIG_DFL)
}

fn disposition(signal: i32, handler: usize) -> Result<()> {
    set_action(signal, &KernelSigaction { handler, ..KernelSigaction::default() })
}

fn set_action(signal: i32, action: &KernelSigaction) -> Result<()> {
    let (action, size) = (ptr::from_ref(action), size_of::<u64>());
    check_unit(unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action, ptr::null_mut::<u8>(), size) })
}

/// Back to the default: exec would hand "ignored" on to the container.
pub fn default_disposition(signal: i32) -> Result<()> {
    disposition(signal, libc::SIG_DFL)
}

/// This process ends of it, even as the first of a pid namespace, which the kernel keeps from signals that it
/// does not handle. exec makes it the default again.
pub fn end_of(signal: i32) -> Result<()> {
    extern "C" fn end(signal: i32) {
        super::process::exit_now(128 + signal);
    }
    // x86 asks for the address to return to, and nothing returns.
    const SA_RESTORER: u64 = 0x0400_0000;
    let end = end as *const () as usize;
    set_action(signal, &KernelSigaction { handler: end, flags: SA_RESTORER, restorer: end, mask: 0 })
}

/// A descriptor that every blocked signal can be read from.
pub fn signalfd() -> Result<OwnedFd> {
    let mask = u64::MAX;
    let flags = libc::SFD_CLOEXEC;
    owned(unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const mask, size_of::<u64>(), flags) })
}

/// Waits for a signal: its number.
pub fn next_signal(fd: BorrowedFd<'_>) -> Result<i32> {
    let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
    super::fs::read(fd, &mut info)?;
    Ok(i32::from_ne_bytes([info[0], info[1], info[2], info[3]]))
}

/// Something a descriptor has to say.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Ready {
    pub readable: bool,
    pub writable: bool,
    /// The other side is gone, or the file is in error.
    pub hangup: bool,
}

/// Waits until one of them has something to say, or `timeout` milliseconds (-1: for ever) are over.
/// What each was asked for: readable and hang-ups; writable only where `want_write` says so.
pub fn poll<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    want_write: [bool; N],
    timeout: i32,
) -> Result<[Ready; N]> {
    let mut polled: [libc::pollfd; N] = std::array::from_fn(|i| libc::pollfd {
        fd: fds[i].map_or(-1, |fd| fd.as_raw_fd()),
        events: if want_write[i] { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN },
        revents: 0,
    });
    match check(unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, timeout) }.into()) {
        Ok(_) => {}
        // As if the time was over: callers with a deadline look at their clock and come again.
        Err(Errno::EINTR) => return Ok([Ready::default(); N]),
        Err(e) => return Err(e),
    }
    Ok(polled.map(|p| Ready {
        readable: p.revents & libc::POLLIN != 0,
        writable: p.revents & libc::POLLOUT != 0,
        hangup: p.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0,
    }))
}

/// Which of the three standard streams are not open.
pub fn closed_streams() -> Result<[bool; 3]> {
    let mut polled = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    check(unsafe { libc::poll(polled.as_mut_ptr(), 3, 0) }.into())?;
    Ok(polled.map(|p| p.revents & libc::POLLNVAL != 0))
}

/// Waits for one descriptor; false when the time was over first.
pub fn wait_readable(fd: BorrowedFd<'_>, timeout: i32) -> Result<bool> {
    let [ready] = poll([Some(fd)], [false], timeout)?;
    Ok(ready.readable || ready.hangup)
}

/// Waits until a file of the kernel says that its content has changed (POLLPRI); false when the time
/// was over first.
pub fn wait_changed(fd: BorrowedFd<'_>, timeout: i32) -> Result<bool> {
    let [changed] = wait_any([Wanted::Changed(fd)], timeout)?;
    Ok(changed)
}

/// What to wait for.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    /// Something to read, or the end.
    Readable(BorrowedFd<'a>),
    /// The content of a file of the kernel has changed.
    Changed(BorrowedFd<'a>),
    Nothing,
}

/// Which of them have come about, at least one unless `timeout` milliseconds (-1: for ever) are over.
pub fn wait_any<const N: usize>(wanted: [Wanted<'_>; N], timeout: i32) -> Result<[bool; N]> {
    let mut polled = wanted.map(|wanted| {
        let (fd, events) = match wanted {
            Wanted::Readable(fd) => (fd.as_raw_fd(), libc::POLLIN),
            Wanted::Changed(fd) => (fd.as_raw_fd(), libc::POLLPRI),
            Wanted::Nothing => (-1, 0),
        };
        libc::pollfd { fd, events, revents: 0 }
    });
    match check(unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, timeout) }.into()) {
        Err(Errno::EINTR) => Ok([false; N]),
        result => result.map(|_| polled.map(|polled| polled.revents != 0)),
    }
}

/// "killed", "terminated": what a shell says of a process that a signal has ended.
pub fn describe(number: i32) -> String {
    // SAFETY: strsignal(3) gives a string of its own for every number, and we have one thread.
    let text = unsafe { std::ffi::CStr::from_ptr(libc::strsignal(number)) };
    text.to_string_lossy().to_lowercase()
}
