// SPDX-License-Identifier: Apache-2.0
//! Which call of which process it is that begins.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sys::ptrace;
use nix::unistd::Pid;

use crate::call::Place;
use crate::harness::is_tare;

pub(crate) struct Places {
    main: Pid,
    /// The number of each process, by its pid.
    processes: BTreeMap<Pid, usize>,
    /// How many calls of a process have begun; of a peer, how many of a number.
    begun: BTreeMap<(usize, Option<i64>), usize>,
    by_number: bool,
}

impl Places {
    pub(crate) fn of(main: Pid) -> Self {
        let processes = BTreeMap::from([(main, 0)]);
        Self { main, processes, begun: BTreeMap::new(), by_number: !is_tare() }
    }

    /// The number of the process that this thread is of.
    pub(crate) fn process(&mut self, thread: Pid) -> usize {
        let next = self.processes.len();
        *self.processes.entry(group_of(thread)).or_insert(next)
    }

    /// The next call of this process; the thread stands at its beginning.
    pub(crate) fn next(&mut self, process: usize, thread: Pid) -> nix::Result<Place> {
        let number = self.by_number.then(|| ptrace::getregs(thread)).transpose()?;
        let number = number.map(|regs| regs.orig_rax.cast_signed());
        let begun = self.begun.entry((process, number)).or_default();
        *begun += 1;
        Ok(Place { process, number, index: *begun - 1 })
    }

    /// A program of the runtime's own has been executed, whose calls are numbered too: init's, which is a sealed copy, as
    /// the command's may be. Not the container's, nor a hook.
    pub(crate) fn is_own_program(&self, pid: Pid) -> bool {
        let exe = |pid| format!("/proc/{pid}/exe");
        let name = fs::read_link(exe(pid)).unwrap_or_default();
        if !self.by_number {
            return pid == self.main || name.starts_with("/memfd:tare-init (deleted)");
        }
        // `runc init`: runc's file, a mount of it, or a sealed copy.
        let file = |pid| fs::metadata(exe(pid)).ok().map(|meta| (meta.dev(), meta.ino()));
        let is_copy = name.to_string_lossy().starts_with("/memfd:");
        pid == self.main || is_copy || file(pid).is_some_and(|f| file(self.main) == Some(f))
    }
}

fn group_of(thread: Pid) -> Pid {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:\t")?.parse().ok());
    group.map_or(thread, Pid::from_raw)
}
