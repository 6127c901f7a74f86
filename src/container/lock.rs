// SPDX-License-Identifier: Apache-2.0
//! One changes a container at a time.

use std::ffi::CStr;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::{Container, not_found};
use crate::error::{Error, Result, While};
use crate::sys::{Errno, fs, process};

pub(super) const LOCK: &CStr = c"lock";

/// How long others may take: more than any of them takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a creator may be between making the directory and the lock in it.
const GRACE: Duration = Duration::from_millis(100);

const PAUSE: Duration = Duration::from_millis(1);

/// A container that nobody else changes until this is dropped.
pub struct Locked {
    container: Container,
    _lock: Lock,
}

impl Deref for Locked {
    type Target = Container;

    fn deref(&self) -> &Container {
        &self.container
    }
}

impl Locked {
    pub(super) fn new(container: Container, lock: Lock) -> Locked {
        Locked { container, _lock: lock }
    }

    pub fn unlock(self) -> Container {
        self.container
    }
}

/// The lock file, locked as an open file: the kernel gives the lock up when we die.
pub(super) struct Lock(OwnedFd);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not do: a cloned init has the same open file until it executes.
        let _ = fs::unlock(self.0.as_fd());
    }
}

impl Container {
    /// Waits its turn. `verb` says to those who wait longer than they like what they wait for.
    ///
    /// # Errors
    /// `NotFound` when the container was deleted meanwhile.
    pub fn lock(self, verb: &str) -> Result<Locked> {
        let lock = self.acquire(PATIENCE, verb)?;
        Ok(Locked::new(self, lock))
    }

    pub(super) fn acquire(&self, patience: Duration, verb: &str) -> Result<Lock> {
        let file = self.lock_file()?;
        self.take(file, patience, verb)
    }

    /// The lock of a new container, whose file only one can make. None when it is another's.
    pub(super) fn claim(&self, verb: &str) -> Result<Option<Lock>> {
        let file = match self.open_lock(fs::O_CREAT | fs::O_EXCL) {
            Err(Errno::EEXIST) => return Ok(None),
            Err(Errno::ENOENT) => return Err(not_found()),
            result => result.or_unable(|| format!("make the lock of container {}", self.id))?,
        };
        let lock = self.take(file, PATIENCE, verb).inspect_err(|_| {
            let _ = fs::unlinkat(self.dir(), LOCK);
        })?;
        Ok(Some(lock))
    }

    /// A directory without a lock has a creator who is about to make it, or was killed before that.
    fn lock_file(&self) -> Result<OwnedFd> {
        let deadline = Instant::now() + GRACE;
        loop {
            let waited = Instant::now() >= deadline;
            match self.open_lock(if waited { fs::O_CREAT } else { 0 }) {
                Err(Errno::ENOENT) if !waited && self.is_there()? => std::thread::sleep(PAUSE),
                Err(Errno::ENOENT) => return Err(not_found()),
                result => return result.or_unable(|| format!("open the lock of container {}", self.id)),
            }
        }
    }

    fn open_lock(&self, flags: i32) -> std::result::Result<OwnedFd, Errno> {
        // openat2 refuses a mode for a file that it is not to make.
        let mode = if flags & fs::O_CREAT != 0 { 0o600 } else { 0 };
        let flags = flags | fs::O_RDWR | fs::O_NOFOLLOW;
        fs::openat2(self.dir(), LOCK, flags, mode, fs::Resolve::Beneath)
    }

    fn take(&self, file: OwnedFd, patience: Duration, verb: &str) -> Result<Lock> {
        let lock = self.wait_for(file, patience)?;
        // It may be the lock of a container that was deleted while we waited.
        if !self.is_there()? {
            return Err(not_found());
        }
        // Only for a message to others: no reason to fail, and a full disk must not stop `delete`.
        let _ = fs::write(lock.0.as_fd(), &holder_record(verb));
        Ok(lock)
    }

    fn wait_for(&self, file: OwnedFd, patience: Duration) -> Result<Lock> {
        let deadline = Instant::now() + patience;
        let mut pause = PAUSE;
        loop {
            match fs::try_lock(file.as_fd(), true) {
                Ok(()) => return Ok(Lock(file)),
                Err(Errno::EAGAIN | Errno::EACCES) => {}
                Err(errno) => return Err(Error::sys(format!("unable to lock container {}", self.id), errno)),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(format!("unable to lock container {}", self.id))
                    .because(format!("{} has held it for {patience:?}", holder(file.as_fd()))));
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// "PID VERB" of one length, so that it covers what an earlier holder wrote.
fn holder_record(verb: &str) -> [u8; 32] {
    let mut record = [b' '; 32];
    let text = format!("{} {verb}", process::getpid());
    let length = text.len().min(record.len() - 1);
    record[..length].copy_from_slice(&text.as_bytes()[..length]);
    record[31] = b'\n';
    record
}

/// Who the lock file says has it, in words.
fn holder(file: BorrowedFd<'_>) -> String {
    let mut record = [0; 32];
    let told = fs::read(file, &mut record).ok().and_then(|n| {
        let (pid, verb) = std::str::from_utf8(&record[..n]).ok()?.trim_ascii_end().split_once(' ')?;
        let pid: u32 = pid.parse().ok()?;
        Some(format!("\"{}\" (process {pid})", verb.escape_default()))
    });
    told.unwrap_or_else(|| "another process".into())
}
