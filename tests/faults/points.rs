// SPDX-License-Identifier: Apache-2.0
//! Which calls can go wrong, and how.

use std::collections::BTreeSet;

use nix::errno::Errno;

use crate::call::{Call, Place};
use crate::inject::Act;

#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) call: Call,
    pub(crate) act: Act,
}

/// Each call with what it is likely to fail with, and with what any may: interrupted, unknown to the kernel, forbidden by a
/// filter around the runtime.
pub(crate) fn faults(calls: &[Call]) -> Vec<Point> {
    let of = |call: &Call| {
        let likely = likely(call.number)?;
        let all = BTreeSet::from([likely, Errno::EINTR, Errno::ENOSYS, Errno::EPERM].map(|e| e as i32));
        Some(
            all.into_iter()
                .map(|e| Point { call: call.clone(), act: Act::Fail(Errno::from_raw(e)) })
                .collect(),
        )
    };
    calls.iter().filter_map(of).flat_map(|points: Vec<_>| points).collect()
}

/// None: a call that cannot fail.
fn likely(number: i64) -> Option<Errno> {
    if NEVER.contains(&number) {
        return None;
    }
    let known = LIKELY.iter().find(|(_, calls)| calls.contains(&number));
    Some(known.map_or(Errno::EIO, |(errno, _)| *errno))
}

/// What glibc makes for itself before main; what has no failure; memory, as Rust's answer to that is to abort (kills are
/// the sweep for it); the end.
const NEVER: &[i64] = &[
    libc::SYS_futex,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_umask,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mprotect,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    // The kernel takes the descriptor back whatever it answers; one that stayed open is no fault that there is.
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_arch_prctl,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
];

/// All others: EIO.
const LIKELY: &[(Errno, &[i64])] = &[
    (
        Errno::EMFILE,
        &[
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_open_tree,
            libc::SYS_pipe2,
            libc::SYS_dup,
            libc::SYS_dup3,
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_memfd_create,
            libc::SYS_pidfd_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_signalfd4,
            libc::SYS_fsopen,
            libc::SYS_fsmount,
        ],
    ),
    (
        Errno::EAGAIN,
        &[libc::SYS_clone, libc::SYS_clone3, libc::SYS_fork, libc::SYS_vfork, libc::SYS_setresuid],
    ),
    (
        Errno::ENOSPC,
        &[
            libc::SYS_write,
            libc::SYS_sendfile,
            libc::SYS_mkdirat,
            libc::SYS_mknodat,
            libc::SYS_symlinkat,
            libc::SYS_renameat,
            libc::SYS_mount,
            libc::SYS_move_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_fsconfig,
        ],
    ),
    // It has no failure but these, which the standard library knows.
    (Errno::ENOSYS, &[libc::SYS_getrandom]),
    (Errno::ECHILD, &[libc::SYS_wait4, libc::SYS_waitid]),
    (Errno::ENOMEM, &[libc::SYS_poll, libc::SYS_seccomp, libc::SYS_bpf]),
    (Errno::EACCES, &[libc::SYS_execve, libc::SYS_execveat]),
    (Errno::EDQUOT, &[libc::SYS_keyctl]),
    (
        Errno::EINVAL,
        &[
            libc::SYS_prctl,
            libc::SYS_capset,
            libc::SYS_setgroups,
            libc::SYS_setresgid,
            libc::SYS_pidfd_send_signal,
            libc::SYS_chdir,
            libc::SYS_fchdir,
            libc::SYS_chroot,
            libc::SYS_fchmodat,
            libc::SYS_fchownat,
            libc::SYS_prlimit64,
        ],
    ),
    (Errno::EBUSY, &[libc::SYS_umount2, libc::SYS_unlinkat, libc::SYS_rmdir]),
];
