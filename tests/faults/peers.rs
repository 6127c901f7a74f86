// SPDX-License-Identifier: Apache-2.0
//! runc and crun under the same faults: what their figures need and tare's do not. They have threads, hang, and leave what
//! would be counted again at each point that follows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::call::Call;
use crate::harness::{Container, Output, Running, is_tare, left, processes};
use crate::left::files;
use crate::whole::patience;

/// How long what ends by itself may take. A peer leaves something at so many points that tare's patience would be most of
/// the time of its sweep.
pub(crate) fn leaving() -> Duration {
    if is_tare() { patience() } else { Duration::from_secs(1) }
}

/// Ends a command beside the one under test. One that waits for ever is killed; the harness would end the whole sweep.
pub(crate) fn finish(cmd: Command) -> Output {
    if is_tare() {
        return Running::spawn(cmd).wait();
    }
    let mut timeout = Command::new("timeout");
    timeout.args(["--signal=KILL", "5"]).arg(cmd.get_program()).args(cmd.get_args());
    timeout.stdin(std::process::Stdio::null());
    if let Some(dir) = cmd.get_current_dir() {
        timeout.current_dir(dir);
    }
    Running::spawn(timeout).wait()
}

/// A panic of Rust's, or of Go's, which ends with a list of all goroutines.
pub(crate) fn has_panicked(err: &str) -> bool {
    err.contains("panicked") || err.contains("goroutine ")
}

/// What Go's scheduler does for itself, a third of runc's calls and never the same number of them; to have one fail is its
/// own end.
pub(crate) fn is_schedulers(call: &Call) -> bool {
    const ITS: [i64; 5] = [
        libc::SYS_nanosleep,
        libc::SYS_futex,
        libc::SYS_epoll_pwait,
        libc::SYS_tgkill,
        libc::SYS_sched_yield,
    ];
    !is_tare() && ITS.contains(&call.number)
}

/// `state` says that there is no such container; crun by the file it has not found.
pub(crate) fn is_of_none(err: &str) -> bool {
    err.contains("does not exist") || (!is_tare() && err.contains("No such file or directory"))
}

/// Takes away by force all that a point has left.
pub(crate) fn scrub(c: &Container, before: &BTreeSet<String>) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        for file in files(c).difference(before) {
            let _ = fs::remove_dir_all(file).or_else(|_| fs::remove_file(file));
        }
        let left = left(&c.id, &c.state_root());
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "{left:?}");
        for line in left.iter().rev() {
            let (kind, what) = line.split_once(' ').unwrap();
            match kind {
                "mount" => {
                    let _ = umount2(what.split(' ').nth(4).unwrap(), MntFlags::MNT_DETACH);
                }
                "state" => {
                    let _ = fs::remove_dir_all(what).or_else(|_| fs::remove_file(what));
                }
                "cgroup" => remove_cgroup(Path::new(what)),
                _ => {}
            }
        }
        for pid in processes(&c.id) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// With those below it; what is frozen cannot die.
fn remove_cgroup(dir: &Path) {
    let _ = fs::write(dir.join("freezer.state"), "THAWED");
    for child in fs::read_dir(dir).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&child.path());
        }
    }
    let _ = fs::remove_dir(dir);
}
