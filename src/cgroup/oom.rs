// SPDX-License-Identifier: Apache-2.0
//! Out of memory: how often so far, and the next time.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::Cgroup;
use super::dir::Dir;
use crate::error::{Result, While};
use crate::sys::fs::{O_RDONLY, O_WRONLY};
use crate::sys::signal::{Wanted, wait_any};
use crate::sys::{self, Errno};

/// Waits for the memory of a cgroup to run out.
pub struct OomWatch<'c> {
    cgroup: &'c Cgroup,
    /// None where the kernel does not tell, as the memory controller is off.
    source: Option<Source>,
    kills: u64,
}

enum Source {
    /// v1: an eventfd that was registered for memory.oom_control.
    Counter(OwnedFd),
    /// v2: memory.events. One that is open remembers what it has shown.
    Events(OwnedFd),
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Woken {
    /// How often memory has run out. On v1 the kernel tells of that, on v2 of the processes that were
    /// killed for it.
    pub oom: u64,
    /// The container's init has ended.
    pub ended: bool,
}

impl Cgroup {
    /// Processes that the kernel's OOM killer has ended here.
    pub fn oom_kills(&self) -> u64 {
        let Some(dir) = self.dir("memory") else { return 0 };
        let file = if dir.is_unified() { "memory.events" } else { "memory.oom_control" };
        let text = dir.read(file).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    pub fn watch_oom(&self) -> Result<OomWatch<'_>> {
        let dir = self.dir("memory");
        let source = dir.map(|dir| {
            if dir.is_unified() {
                dir.open("memory.events", O_RDONLY).map(Source::Events)
            } else {
                dir.oom_counter().map(Source::Counter)
            }
        });
        let source = match source.transpose() {
            Err(Errno::ENOENT) => None,
            result => result
                .or_unable(|| format!("watch the memory of {}", dir.map_or(String::new(), Dir::path)))?,
        };
        Ok(OomWatch { cgroup: self, source, kills: self.oom_kills() })
    }
}

impl OomWatch<'_> {
    pub fn wait(&mut self, init: BorrowedFd<'_>, timeout: Duration) -> Result<Woken> {
        // A fraction of a millisecond counts as one, or the last of the time would be spent spinning.
        let timeout = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let source = match &self.source {
            Some(Source::Counter(fd)) => Wanted::Readable(fd.as_fd()),
            Some(Source::Events(fd)) => Wanted::Changed(fd.as_fd()),
            None => Wanted::Nothing,
        };
        let [ended, _] = wait_any([Wanted::Readable(init), source], timeout)
            .or_unable(|| "wait for the events of a container".into())?;
        // Also when only the end has woken us: what it died of may have come in between.
        Ok(Woken { ended, oom: self.count()? })
    }

    fn count(&mut self) -> Result<u64> {
        let told = match &self.source {
            None => Ok(0),
            Some(Source::Events(fd)) => read_events(fd.as_fd()).map(|()| {
                let kills = self.cgroup.oom_kills();
                kills.saturating_sub(std::mem::replace(&mut self.kills, kills))
            }),
            // The removal of a cgroup is told in the same way.
            Some(Source::Counter(fd)) => {
                read_counter(fd.as_fd()).map(|told| if self.is_there() { told } else { 0 })
            }
        };
        told.or_unable(|| "read the OOM events of a container".into())
    }

    fn is_there(&self) -> bool {
        self.cgroup.dir("memory").is_some_and(|dir| dir.open("memory.oom_control", O_RDONLY).is_ok())
    }
}

fn read_events(fd: BorrowedFd<'_>) -> sys::Result<()> {
    match sys::fs::read_from_start(fd, &mut [0; 4096]) {
        Err(Errno::ENODEV) => Ok(()),
        result => result.map(drop),
    }
}

fn read_counter(fd: BorrowedFd<'_>) -> sys::Result<u64> {
    let mut count = [0; 8];
    match sys::fs::read(fd, &mut count) {
        Err(Errno::EAGAIN) => Ok(0),
        result => result.map(|_| u64::from_ne_bytes(count)),
    }
}

impl Dir {
    /// cgroup-v1/memory.rst, section 10.
    fn oom_counter(&self) -> sys::Result<OwnedFd> {
        let counter = sys::fs::eventfd()?;
        let control = self.open("memory.oom_control", O_RDONLY)?;
        let registration = format!("{} {}", counter.as_raw_fd(), control.as_raw_fd());
        let events = self.open("cgroup.event_control", O_WRONLY)?;
        sys::fs::write(events.as_fd(), registration.as_bytes())?;
        Ok(counter)
    }
}
