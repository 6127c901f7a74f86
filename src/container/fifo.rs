// SPDX-License-Identifier: Apache-2.0
//! The fifo on which a created container waits for `start`.
//!
//! Init holds it open for reading and writing, close-on-exec. `start` writes one byte, and init reads it and
//! executes its program, by which the last reader goes: the kernel tells that as POLLERR on the other end.
//! An init that fails to execute writes a record of eight bytes before it ends.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use super::process::has_ended;
use super::{Container, Locked};
use crate::error::{Error, Kind, Result, While};
use crate::sys::{Errno, fs, signal};

const FIFO: &CStr = c"exec.fifo";

/// A step's number (u32) and an errno (i32), each in the machine's order.
const RECORD: usize = 8;

/// What became of the init that was told to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    Executed,
    Failed { step: u32, errno: Errno },
}

impl Container {
    /// Does init have the fifo still open? Opening it to write fails once nobody reads (ENXIO).
    pub(super) fn waits_for_start(&self) -> bool {
        self.open_fifo(fs::O_WRONLY | fs::O_NONBLOCK).is_ok()
    }

    fn open_fifo(&self, flags: i32) -> std::result::Result<OwnedFd, Errno> {
        fs::openat2(self.dir(), FIFO, flags | fs::O_NOFOLLOW, 0, fs::Resolve::Beneath)
    }
}

impl Locked {
    pub fn fifo_make(&self) -> Result<()> {
        fs::mkfifoat(self.dir(), FIFO, 0o600)
            .or_unable(|| format!("make the fifo of container {}", self.id()))
    }

    /// Init's end, opened by the caller before it clones, and to be closed by it once init has its copy: as
    /// long as anyone reads, `start` waits.
    pub fn fifo_open(&self) -> Result<OwnedFd> {
        self.open_fifo(fs::O_RDWR).or_unable(|| format!("open the fifo of container {}", self.id()))
    }

    /// Tells init to go on, and waits until its program runs or it has failed. Can be done again after a
    /// `start` that was killed.
    ///
    /// `deadline`: None where a hook without a timeout runs first; the end of init ends the wait anyway.
    pub fn fifo_start(&self, pidfd: BorrowedFd<'_>, deadline: Option<Instant>) -> Result<Started> {
        let unable = || format!("start container {}", self.id());
        let told = self.open_fifo(fs::O_WRONLY | fs::O_NONBLOCK).and_then(|fifo| {
            fs::write(fifo.as_fd(), &[0])?;
            Ok(fifo)
        });
        let fifo = match told {
            Err(Errno::ENOENT) if has_ended(pidfd)? => return Err(has_stopped()),
            Err(Errno::ENOENT) => return Err(Error::new("cannot start an already running container")),
            // Nobody reads: it ended, or it executed and that `start` did not come to remove the fifo.
            Err(Errno::ENXIO | Errno::EPIPE) if ends(pidfd)? => return Err(has_stopped()),
            Err(Errno::ENXIO | Errno::EPIPE) => return self.fifo_remove().map(|()| Started::Executed),
            result => result.or_unable(unable)?,
        };
        self.wait_for_exec(fifo.as_fd(), pidfd, deadline)?;
        let left = fs::bytes_waiting(fifo.as_fd()).or_unable(unable)?;
        let failure = self.read_record(left).or_unable(unable)?;
        if failure.is_none() && left > 0 && ends(pidfd)? {
            // It never read the byte.
            return Err(has_stopped());
        }
        self.fifo_remove()?;
        Ok(failure.unwrap_or(Started::Executed))
    }

    fn wait_for_exec(
        &self,
        fifo: BorrowedFd<'_>,
        pidfd: BorrowedFd<'_>,
        deadline: Option<Instant>,
    ) -> Result<()> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Rounded up, not to spin through the last millisecond.
            let timeout = left.map_or(-1, |left| i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX));
            let [fifo, init] = signal::poll([Some(fifo), Some(pidfd)], [false; 2], timeout)
                .or_unable(|| format!("wait for the init of container {}", self.id()))?;
            if fifo.hangup {
                return Ok(());
            }
            // Ended, and somebody else still has the fifo.
            if init.readable || init.hangup {
                return Err(has_stopped());
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::new(format!("unable to start container {}", self.id()))
                    .because("its init did not execute the program in time"));
            }
        }
    }

    /// The record of a failure is the last that was written. Before it may be bytes of a `start` that was
    /// killed and done again.
    fn read_record(&self, left: usize) -> std::result::Result<Option<Started>, Errno> {
        let mut buf = [0; 64];
        if left < RECORD {
            return Ok(None);
        }
        // The data outlive their reader as long as we hold the other end.
        let reader = self.open_fifo(fs::O_RDONLY | fs::O_NONBLOCK)?;
        let n = fs::read(reader.as_fd(), &mut buf)?;
        let record = buf[..n].last_chunk::<RECORD>().ok_or(Errno::EPROTO)?;
        let [s0, s1, s2, s3, e0, e1, e2, e3] = *record;
        Ok(Some(Started::Failed {
            step: u32::from_ne_bytes([s0, s1, s2, s3]),
            errno: Errno::from_raw(i32::from_ne_bytes([e0, e1, e2, e3])),
        }))
    }

    /// From then on the container counts as started.
    fn fifo_remove(&self) -> Result<()> {
        match fs::unlinkat(self.dir(), FIFO) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => {
                Err(Error::sys(format!("unable to remove the fifo of container {}", self.id()), errno))
            }
        }
    }
}

/// A process closes its files a little before it has ended. One that has executed does not end just then, and
/// costs this moment only after a `start` that was killed.
fn ends(pidfd: BorrowedFd<'_>) -> Result<bool> {
    const MOMENT: i32 = 500;
    signal::wait_readable(pidfd, MOMENT).or_unable(|| "poll the init of a container".into())
}

fn has_stopped() -> Error {
    Error::new("cannot start a container that has stopped").of_kind(Kind::NotRunning)
}
