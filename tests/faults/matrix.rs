// SPDX-License-Identifier: Apache-2.0
//! A kernel, or a filter around the runtime, that knows a newer call not at all (ENOSYS) or forbids what it does not know
//! (EPERM, as profiles did before 2021): each call and each command. It works as ever or says why not, and nothing is left.

use libc::c_long;
use nix::errno::Errno;

use crate::harness::refused;
use crate::inject::trace;
use crate::rich::rich;
use crate::subject::{Subject, Verb};
use crate::tally::{Bad, Tally};
use crate::whole::{Seeded, bounded};

use Verb::{Create, Delete, Events, Exec, Kill, List, Pause, Ps, Resume, Run, Start, State, Update};

const MOUNT_API: &[c_long] = &[
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
];

struct Absent {
    name: &'static str,
    calls: &'static [c_long],
    /// Errors that a fallback is for: every command works.
    works: &'static [Errno],
}

const BOTH: &[Errno] = &[Errno::ENOSYS, Errno::EPERM];
const UNKNOWN: &[Errno] = &[Errno::ENOSYS];

/// docs/kernel-features.md says which are needed.
const MATRIX: &[Absent] = &[
    Absent { name: "the mount API", calls: MOUNT_API, works: UNKNOWN },
    Absent { name: "open_tree", calls: &[libc::SYS_open_tree], works: UNKNOWN },
    Absent { name: "mount_setattr", calls: &[libc::SYS_mount_setattr], works: UNKNOWN },
    Absent { name: "openat2", calls: &[libc::SYS_openat2], works: &[] },
    Absent { name: "clone3", calls: &[libc::SYS_clone3], works: BOTH },
    Absent { name: "pidfd_open", calls: &[libc::SYS_pidfd_open], works: &[] },
    Absent { name: "pidfd_send_signal", calls: &[libc::SYS_pidfd_send_signal], works: &[] },
    Absent { name: "pidfd_getfd", calls: &[libc::SYS_pidfd_getfd], works: BOTH },
    Absent { name: "close_range", calls: &[libc::SYS_close_range], works: BOTH },
    Absent { name: "faccessat2", calls: &[libc::SYS_faccessat2], works: BOTH },
    Absent { name: "fchmodat2", calls: &[libc::SYS_fchmodat2], works: BOTH },
    Absent { name: "statx", calls: &[libc::SYS_statx], works: BOTH },
    Absent { name: "memfd_create", calls: &[libc::SYS_memfd_create], works: &[] },
    Absent { name: "execveat", calls: &[libc::SYS_execveat], works: &[] },
    Absent { name: "seccomp", calls: &[libc::SYS_seccomp], works: &[] },
    Absent { name: "keyctl", calls: &[libc::SYS_keyctl], works: UNKNOWN },
    Absent { name: "getrandom", calls: &[libc::SYS_getrandom], works: UNKNOWN },
    Absent { name: "bpf", calls: &[libc::SYS_bpf], works: &[] },
];

fn each(verbs: &[Verb], in_ci: usize) {
    for &verb in verbs {
        let name = format!("{verb:?} without").to_lowercase();
        let mut subject = Subject::new(rich(), verb);
        let mut tally = Tally::new(&name);
        let all = MATRIX.iter().flat_map(|absent| BOTH.iter().map(move |errno| (absent, *errno))).collect();
        for (absent, errno) in Seeded::new(&name).choose(all, bounded(in_ci, usize::MAX)) {
            let what = format!("{} = {errno:?}", absent.name);
            subject.ready();
            let done = trace(refused(errno, absent.calls, subject.command()), None);
            tally.point(done.code == 0, done.took);
            if done.code != 0 && absent.works.contains(&errno) {
                tally.bad(Bad::Refused, format!("{what}: {}", done.stderr().trim()));
            }
            println!("{name} {what}: {}", if done.code == 0 { "works".into() } else { done.stderr() }.trim());
            subject.judge(&done, &what, &mut tally);
        }
        tally.close();
    }
}

#[test]
fn what_makes_processes() {
    each(&[Create, Run, Exec], 8);
}

#[test]
fn what_acts_on_a_container() {
    each(&[Start, Kill, Pause, Resume, Update, Delete], 4);
}

#[test]
fn what_looks_at_one() {
    each(&[State, List, Ps, Events], 4);
}
