// SPDX-License-Identifier: Apache-2.0
//! Finds and ends the processes of a container.

use std::time::{Duration, Instant};

use super::Cgroup;
use super::dir::{Dir, read_at};
use crate::error::{Result, While};
use crate::sys::{self, Errno};

const SIGKILL: i32 = 9;

impl Cgroup {
    /// The pids in the cgroup and below.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let Some(dir) = self.main() else { return Ok(Vec::new()) };
        dir.pids().or_unable(|| format!("read the processes of the cgroup {}", dir.path()))
    }

    /// Sends SIGKILL to every process, whatever they fork meanwhile, and thaws them to die of it. They
    /// are not waited for.
    pub fn kill_all(&self) -> Result<()> {
        let result = match self.unified().map(|dir| (dir, dir.write("cgroup.kill", "1"))) {
            Some((_, Ok(()))) => Ok(()),
            // Before Linux 5.14, or a cgroup that is gone.
            None | Some((_, Err(Errno::ENOENT | Errno::ENODEV))) => self.kill_each(),
            Some((dir, Err(e))) => Err(e).or_unable(|| format!("kill the cgroup {}", dir.path())),
        };
        self.thaw_all();
        result
    }

    /// A frozen process forks no more, so one round gets them all; without a freezer several may be needed.
    fn kill_each(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(2);
        let frozen = self.freeze().is_ok();
        loop {
            let pids = self.pids()?;
            for pid in &pids {
                match kill(*pid) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    result => result.or_unable(|| format!("kill process {pid} of the container"))?,
                }
            }
            if frozen || pids.is_empty() || Instant::now() >= deadline {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// By pidfd: what is frozen can still be ended by another, and its number go to a stranger.
fn kill(pid: i32) -> sys::Result<()> {
    let process = sys::process::pidfd_open(pid)?;
    sys::process::pidfd_send_signal(std::os::fd::AsFd::as_fd(&process), SIGKILL)
}

impl Dir {
    pub(super) fn pids(&self) -> sys::Result<Vec<i32>> {
        let mut pids = Vec::new();
        self.walk(&mut |dir| {
            let text = match read_at(dir, "cgroup.procs") {
                // In a threaded cgroup.
                Err(Errno::ENOTSUP) => read_at(dir, "cgroup.threads")?,
                result => result?,
            };
            // A process of another pid namespace shows as 0, which kill(2) would take for our own group.
            pids.extend(text.lines().filter_map(|line| line.parse().ok()).filter(|pid: &i32| *pid > 0));
            Ok(())
        })?;
        Ok(pids)
    }
}
