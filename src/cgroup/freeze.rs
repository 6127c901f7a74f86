// SPDX-License-Identifier: Apache-2.0
//! Stops and wakes all processes of a container.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Cgroup;
use super::dir::{Dir, write_at};
use crate::error::{Error, Result, While};
use crate::sys::fs::O_RDONLY;
use crate::sys::{self, Errno};

/// What a freezing takes at most: a process in an uninterruptible sleep holds it up.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Returns when all are frozen. On failure they run on.
    pub fn freeze(&self) -> Result<()> {
        let dir = self.freezer().ok_or_else(unsupported)?;
        let frozen = if dir.is_unified() { dir.freeze_v2() } else { dir.freeze_v1() };
        match frozen.or_unable(|| format!("freeze the cgroup {}", dir.path())) {
            Ok(true) => Ok(()),
            failed => {
                let _ = dir.thaw();
                failed?;
                let error = Error::new(format!("unable to freeze the cgroup {}", dir.path()));
                Err(error.because("some process did not stop in time"))
            }
        }
    }

    pub fn thaw(&self) -> Result<()> {
        let dir = self.freezer().ok_or_else(unsupported)?;
        dir.thaw().or_unable(|| format!("thaw the cgroup {}", dir.path()))
    }

    /// Frozen itself, not by way of a parent. A cgroup that is gone, or a host without a freezer: false.
    pub fn is_frozen(&self) -> Result<bool> {
        let Some(dir) = self.freezer() else { return Ok(false) };
        dir.is_frozen().or_unable(|| format!("read the freezer of the cgroup {}", dir.path()))
    }

    fn freezer(&self) -> Option<&Dir> {
        self.dir("freezer")
    }

    /// Frozen processes do not die. A container may have frozen cgroups of its own further down
    /// (opencontainers/runc#2105).
    pub(super) fn thaw_all(&self) {
        let Some(dir) = self.freezer() else { return };
        let (file, value) =
            if dir.is_unified() { ("cgroup.freeze", "0") } else { ("freezer.state", "THAWED") };
        let _ = dir.walk(&mut |at| {
            // One that cannot be thawed must not keep the others frozen.
            let _ = write_at(at, file, value);
            Ok(())
        });
    }
}

fn unsupported() -> Error {
    Error::new("cannot toggle freezer: cgroups not configured for container")
}

impl Dir {
    /// The kernel tells when the last process has stopped.
    fn freeze_v2(&self) -> sys::Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        self.write("cgroup.freeze", "1")?;
        let events = self.open("cgroup.events", O_RDONLY)?;
        loop {
            // Polling from after this read: each open file remembers what it has shown.
            let left = deadline.saturating_duration_since(Instant::now());
            if self.read_again(&events)?.lines().any(|line| line == "frozen 1") {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
            sys::signal::wait_changed(
                events.as_fd(),
                i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1),
            )?;
        }
    }

    fn read_again(&self, file: &std::os::fd::OwnedFd) -> sys::Result<String> {
        let mut page = [0u8; 4096];
        let n = sys::fs::read_from_start(file.as_fd(), &mut page)?;
        Ok(String::from_utf8_lossy(&page[..n]).into_owned())
    }

    /// The v1 freezer can miss processes that are forked meanwhile and stays FREEZING. Asking again is
    /// what helps; thawing for a moment now and then lets a stuck one get on.
    fn freeze_v1(&self) -> sys::Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        for round in 1u32.. {
            self.write("freezer.state", "FROZEN")?;
            if self.read("freezer.state")?.trim() == "FROZEN" {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                break;
            }
            if round.is_multiple_of(50) {
                self.write("freezer.state", "THAWED")?;
                std::thread::sleep(Duration::from_millis(10));
            } else if round.is_multiple_of(10) {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        Ok(false)
    }

    fn thaw(&self) -> sys::Result<()> {
        if self.is_unified() {
            self.write("cgroup.freeze", "0")
        } else {
            self.write("freezer.state", "THAWED")
        }
    }

    pub(super) fn is_frozen(&self) -> sys::Result<bool> {
        let on = |text: sys::Result<String>| match text {
            Err(Errno::ENOENT | Errno::ENODEV) => Ok(false),
            result => result.map(|text| text.trim() == "1"),
        };
        if self.is_unified() {
            return on(self.read("cgroup.freeze"));
        }
        // Also 1 while it is FREEZING: the container has been told to stop.
        on(self.read("freezer.self_freezing"))
    }
}
