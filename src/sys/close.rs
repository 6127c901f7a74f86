// SPDX-License-Identifier: Apache-2.0
//! Which descriptors stay open: over exec, over a moment, over the life of the process.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::vec::Vec;

use super::{Errno, Newer, Result, check};

static CLOSE_RANGE: Newer = Newer::new();

fn close_range(first: i32, last: i32, flags: u32) -> Result<()> {
    CLOSE_RANGE.ask(|| unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
}

/// The caller's promise: they are nobody's, or nothing of this process uses one of them any more.
fn close_run(first: i32, last: i32) {
    if close_range(first, last, 0).is_err() {
        for fd in first..=last.min(highest_possible()) {
            // SAFETY: the caller's promise.
            unsafe { libc::close(fd) };
        }
    }
}

/// No listing of /proc can be trusted to be there.
fn highest_possible() -> i32 {
    super::process::open_files_limit().unwrap_or(65_536).min(65_536) as i32
}

/// Closes descriptors with a call for each run of numbers (close_range(2), Linux 5.9).
pub fn close_all(mut fds: Vec<OwnedFd>) {
    fds.sort_by_key(AsRawFd::as_raw_fd);
    let mut numbers = fds.into_iter().map(IntoRawFd::into_raw_fd).peekable();
    while let Some(first) = numbers.next() {
        let mut last = first;
        while let Some(next) = numbers.next_if(|next| *next == last + 1) {
            last = next;
        }
        close_run(first, last);
    }
}

/// The same under a filter that may kill for a close(2): only a call that it says ENOSYS to, as it is newer than the
/// profile, is made.
pub fn close_what_a_filter_lets(preserved: u32, kept: i32) {
    let first = 3 + preserved as i32;
    if kept > first {
        let _ = close_range(first, kept - 1, 0);
    }
    let _ = close_range(kept.saturating_add(1).max(first), i32::MAX, 0);
}

/// Closes everything but the standard streams, `preserved` more behind them, and `kept`.
pub fn close_all_but(preserved: u32, kept: &mut [i32]) {
    kept.sort_unstable();
    let mut from = 3 + preserved as i32;
    for keep in kept.iter().copied().filter(|keep| *keep >= 3 + preserved as i32).chain([i32::MAX]) {
        if from < keep {
            close_run(from, keep - 1);
        }
        from = keep.saturating_add(1);
    }
}

/// A descriptor of one moment in the life of init: closed by nobody until exec or `sweep` does it, as
/// sixty calls of close(2) buy nothing there.
pub struct Brief(ManuallyDrop<OwnedFd>);

/// The highest number that a `Brief` has had since the last sweep.
static HIGHEST: AtomicI32 = AtomicI32::new(-1);

impl From<OwnedFd> for Brief {
    fn from(fd: OwnedFd) -> Brief {
        HIGHEST.fetch_max(fd.as_raw_fd(), Ordering::Relaxed);
        Brief(ManuallyDrop::new(fd))
    }
}

impl AsFd for Brief {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Brief {
    /// For a descriptor that turns out to be of more than a moment.
    pub fn keep(self) -> OwnedFd {
        ManuallyDrop::into_inner(self.0)
    }

    /// Closes those numbered from `first` on, but for `kept`, when there are more than `limit`. No
    /// `Brief` may be in use.
    pub fn sweep(first: i32, limit: i32, kept: &mut [i32]) {
        let highest = HIGHEST.load(Ordering::Relaxed);
        if highest - first < limit {
            return;
        }
        kept.sort_unstable();
        let mut from = first;
        for keep in kept.iter().copied().filter(|keep| *keep >= first).chain([highest + 1]) {
            if from < keep {
                close_run(from, keep - 1);
            }
            from = keep + 1;
        }
        HIGHEST.store(-1, Ordering::Relaxed);
    }
}

/// Marks every descriptor from `first` on close-on-exec (close_range(2), CLOEXEC since Linux 5.11).
pub fn cloexec_from(first: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    match close_range(first as i32, -1, CLOSE_RANGE_CLOEXEC) {
        Err(Errno::ENOSYS | Errno::EINVAL | Errno::EPERM) => cloexec_each(first as i32),
        result => result,
    }
}

/// The fallback: every number below the limit.
fn cloexec_each(first: i32) -> Result<()> {
    for fd in first..=highest_possible() {
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if flags >= 0 {
            check(unsafe { libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC) }.into())?;
        }
    }
    Ok(())
}

/// A descriptor that stays open for the life of the process.
pub fn leak(fd: Result<OwnedFd>) -> Result<()> {
    fd.map(std::mem::forget)
}
