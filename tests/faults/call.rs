// SPDX-License-Identifier: Apache-2.0
//! A system call that was seen: its place in the command, its name, the path it takes.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The `index`th call of the `process`th process, both from 0 on. Processes are numbered as they are born; each has one
/// thread, so the place is the same every time, whichever of them the kernel lets run first.
///
/// Not so of a peer with many threads, where each is at its place when the kernel likes: there it is the `index`th call of
/// this number, by whichever thread of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) process: usize,
    pub(crate) number: Option<i64>,
    pub(crate) index: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) place: Place,
    pub(crate) number: i64,
    pub(crate) args: [u64; 6],
    pub(crate) path: Option<String>,
}

macro_rules! names {
    ($($name:ident)*) => {
        pub(crate) fn name(number: i64) -> String {
            paste_free(number, &[$((stringify!($name), libc::$name)),*])
        }
    };
}

fn paste_free(number: i64, table: &[(&str, i64)]) -> String {
    let known = table.iter().find(|(_, n)| *n == number);
    known.map_or_else(|| format!("syscall {number}"), |(name, _)| name["SYS_".len()..].to_owned())
}

names! {
    SYS_read SYS_write SYS_close SYS_openat SYS_openat2 SYS_open SYS_fstat SYS_newfstatat SYS_statx SYS_lseek SYS_mmap
    SYS_munmap SYS_mprotect SYS_brk SYS_mremap SYS_madvise SYS_ioctl SYS_pread64 SYS_pwrite64 SYS_access SYS_faccessat
    SYS_faccessat2 SYS_pipe2 SYS_dup SYS_dup2 SYS_dup3 SYS_fcntl SYS_flock SYS_poll SYS_ppoll SYS_nanosleep
    SYS_clock_nanosleep SYS_clock_gettime SYS_getpid SYS_getppid SYS_gettid SYS_getuid SYS_geteuid SYS_getgid
    SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups SYS_setgroups SYS_setresuid SYS_setresgid SYS_setuid
    SYS_setgid SYS_capget SYS_capset SYS_prctl SYS_seccomp SYS_socket SYS_socketpair SYS_connect SYS_bind SYS_listen
    SYS_accept4 SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendfile SYS_copy_file_range SYS_clone SYS_clone3
    SYS_fork SYS_vfork SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill SYS_tgkill
    SYS_pidfd_open SYS_pidfd_send_signal SYS_pidfd_getfd SYS_uname SYS_getcwd SYS_chdir SYS_fchdir SYS_rename
    SYS_renameat SYS_renameat2 SYS_mkdir SYS_mkdirat SYS_rmdir SYS_unlink SYS_unlinkat SYS_symlink SYS_symlinkat
    SYS_link SYS_linkat SYS_readlink SYS_readlinkat SYS_mknod SYS_mknodat SYS_chmod SYS_fchmod SYS_fchmodat
    SYS_fchmodat2 SYS_chown SYS_fchown SYS_fchownat SYS_lchown SYS_umask SYS_getrlimit SYS_setrlimit SYS_prlimit64
    SYS_setsid SYS_setpgid SYS_sethostname SYS_setdomainname SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_setns
    SYS_unshare SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick SYS_move_mount SYS_open_tree SYS_mount_setattr
    SYS_statfs SYS_fstatfs SYS_getdents64 SYS_keyctl SYS_add_key SYS_bpf SYS_memfd_create SYS_close_range
    SYS_getrandom SYS_signalfd4 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_wait SYS_eventfd2 SYS_timerfd_create
    SYS_epoll_pwait SYS_sched_yield
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_futex SYS_set_tid_address
    SYS_set_robust_list SYS_rseq SYS_arch_prctl SYS_sched_setaffinity SYS_sched_getaffinity SYS_sched_setattr
    SYS_ioprio_set SYS_personality SYS_set_mempolicy SYS_fsync SYS_ftruncate SYS_fallocate SYS_inotify_init1
    SYS_inotify_add_watch SYS_setxattr SYS_getxattr SYS_utimensat SYS_fadvise64 SYS_restart_syscall SYS_getpgid
}

/// Which argument of the call is a path.
pub(crate) fn path_argument(number: i64) -> Option<usize> {
    match number {
        libc::SYS_openat
        | libc::SYS_openat2
        | libc::SYS_newfstatat
        | libc::SYS_mkdirat
        | libc::SYS_unlinkat
        | libc::SYS_mknodat
        | libc::SYS_fchmodat
        | libc::SYS_fchownat
        | libc::SYS_readlinkat
        | libc::SYS_renameat
        | libc::SYS_faccessat2
        | libc::SYS_open_tree
        | libc::SYS_mount
        | libc::SYS_execveat => Some(1),
        libc::SYS_statfs
        | libc::SYS_chdir
        | libc::SYS_chroot
        | libc::SYS_umount2
        | libc::SYS_pivot_root
        | libc::SYS_mkdir
        | libc::SYS_readlink
        | libc::SYS_execve => Some(0),
        _ => None,
    }
}

/// The string at an address of a stopped process.
pub(crate) fn string_of(pid: i32, address: u64) -> Option<String> {
    let mut bytes = [0; 200];
    let n = File::open(format!("/proc/{pid}/mem")).ok()?.read_at(&mut bytes, address).ok()?;
    let end = bytes[..n].iter().position(|&b| b == 0)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { process, index, .. } = self.place;
        let who = if process == 0 { "runtime".into() } else { format!("child {process}") };
        write!(f, "{who} #{index} {}", name(self.number))?;
        match &self.path {
            Some(path) => write!(f, "({path:?})"),
            None => write!(f, "({:#x}, {:#x})", self.args[0], self.args[1]),
        }
    }
}
