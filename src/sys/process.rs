// SPDX-License-Identifier: Apache-2.0
//! Processes: clone3, namespaces, pidfds, waiting, exec, and the switches of prctl(2).

use std::ffi::{CStr, c_char};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Errno, Newer, Result, check, check_unit, owned, retry};

pub const NEWTIME: u64 = 0x80;
pub const NEWNS: u64 = libc::CLONE_NEWNS as u64;
pub const NEWCGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
pub const NEWUTS: u64 = libc::CLONE_NEWUTS as u64;
pub const NEWIPC: u64 = libc::CLONE_NEWIPC as u64;
pub const NEWUSER: u64 = libc::CLONE_NEWUSER as u64;
pub const NEWPID: u64 = libc::CLONE_NEWPID as u64;
pub const NEWNET: u64 = libc::CLONE_NEWNET as u64;

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

impl CloneArgs {
    fn born_in(&mut self, cgroup: Option<BorrowedFd<'_>>) {
        const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
        if let Some(cgroup) = cgroup {
            self.flags |= CLONE_INTO_CGROUP;
            self.cgroup = cgroup.as_raw_fd() as u64;
        }
    }
}

/// The two returns of a clone.
pub enum Cloned {
    Child,
    Parent { pid: i32, pidfd: OwnedFd },
}

/// Whose child a clone is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    Child,
    /// The caller's parent is its parent too (CLONE_PARENT).
    Sibling,
}

/// A child of ours in the new `namespaces`, and in `cgroup` where one is given.
///
/// # Errors
/// `E2BIG` or `EINVAL` when the kernel is too old for `cgroup`.
pub fn clone(namespaces: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    clone_as(Kin::Child, namespaces, cgroup)
}

/// A clone into `cgroup`, by birth; where that cannot be (before Linux 5.7, or with clone3 unknown or filtered) it is born
/// where we are and moves at once: it waits for nothing before.
pub fn clone_into(kin: Kin, namespaces: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    match (clone_as(kin, namespaces, cgroup), cgroup) {
        (Err(Errno::ENOSYS | Errno::E2BIG | Errno::EPERM), Some(cgroup)) => {
            let procs = super::fs::openat(cgroup, c"cgroup.procs", libc::O_WRONLY, 0)?;
            let cloned = clone_as(kin, namespaces, None)?;
            // `0` is the one who writes.
            if let Cloned::Child = cloned
                && super::fs::write_all(procs.as_fd(), b"0").is_err()
            {
                exit_now(1);
            }
            Ok(cloned)
        }
        (cloned, _) => cloned,
    }
}

static CLONE3: Newer = Newer::new();

/// clone3(2) without shared memory: a fork into new namespaces, and into `cgroup` (Linux 5.7).
/// Falls back to clone(2) where clone3 is unknown or filtered (ENOSYS; EPERM by profiles older than that convention, and
/// clone says the same where it is meant) and no cgroup is asked for.
fn clone_as(kin: Kin, namespaces: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    let mut pidfd: i32 = -1;
    // A sibling's exit signal is that of the process it is made by: the field must be 0.
    let (parent, exit_signal) = match kin {
        Kin::Child => (0, libc::SIGCHLD as u64),
        Kin::Sibling => (libc::CLONE_PARENT as u64, 0),
    };
    let mut args = CloneArgs {
        flags: namespaces | parent | libc::CLONE_PIDFD as u64,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal,
        ..CloneArgs::default()
    };
    args.born_in(cgroup);
    // SAFETY: no CLONE_VM: the child has a copy of this address space and goes on from here as after
    // fork(2). The process has one thread, so no lock can be held by a thread that is gone.
    let call = || unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    let pid = match CLONE3.ask(call) {
        Err(Errno::ENOSYS | Errno::EPERM) if cgroup.is_none() && namespaces & NEWTIME == 0 => {
            let flags = args.flags | exit_signal;
            // SAFETY: as above; the argument order is that of x86_64, aarch64 and riscv64 for the
            // first three, the only ones that these flags use.
            check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) })?
        }
        result => result?,
    };
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: CLONE_PIDFD has put a descriptor of ours there.
    Ok(Cloned::Parent { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

pub fn unshare(namespaces: u64) -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_unshare, namespaces) })
}

/// Joins one namespace by its nsfs descriptor, or several of a process by its pidfd (Linux 5.8).
pub fn setns(fd: BorrowedFd<'_>, namespaces: u64) -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_setns, fd.as_raw_fd(), namespaces) })
}

/// The `NEW*` flag of the namespace that an nsfs descriptor is open on (Linux 4.11); ENOTTY for any
/// other file.
pub fn namespace_type(fd: BorrowedFd<'_>) -> Result<u64> {
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    check(unsafe { libc::ioctl(fd.as_raw_fd(), NS_GET_NSTYPE) }.into()).map(|n| n as u64)
}

pub fn getpid() -> i32 {
    unsafe { libc::getpid() }
}

pub fn getppid() -> i32 {
    unsafe { libc::getppid() }
}

/// The new session's id.
pub fn setsid() -> Result<i32> {
    check(unsafe { libc::setsid() }.into()).map(|id| id as i32)
}

pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    check_unit(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, ptr::null::<u8>(), 0)
    })
}

/// A copy of another process's descriptor (Linux 5.6); asks for the right to trace it.
pub fn pidfd_getfd(pidfd: BorrowedFd<'_>, number: i32) -> Result<OwnedFd> {
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })
}

/// kill(2), only for a process that cannot have been reaped: a child of ours not yet waited for, or
/// one found in a frozen cgroup.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    check_unit(unsafe { libc::kill(pid, signal) }.into())
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// The shell's convention, which runc follows: 128 and the signal's number.
    pub fn code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// Nanoseconds of the clock that is the same in every time namespace.
pub fn now() -> u64 {
    let mut time = [0_i64; 2];
    unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, time.as_mut_ptr()) };
    time[0] as u64 * 1_000_000_000 + time[1] as u64
}

/// Waits for one child of ours to end.
pub fn wait(pid: i32) -> Result<Exit> {
    let mut status = 0;
    retry(|| check(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into()))?;
    Ok(exit_of(status))
}

/// Reaps one child that has ended, of any parentage: (pid, how). None when none has, ECHILD when there is none.
pub fn reap() -> Result<Option<(i32, Exit)>> {
    let mut status = 0;
    match retry(|| check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }.into())) {
        Ok(0) => Ok(None),
        Ok(pid) => Ok(Some((pid as i32, exit_of(status)))),
        Err(e) => Err(e),
    }
}

fn exit_of(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    }
}

/// Ends this process at once: no destructor, no handler of the parent's runs.
pub fn exit_now(code: i32) -> ! {
    unsafe { libc::_exit(code) }
}

/// Null-terminated argument and environment arrays, built before clone so that exec need not.
#[derive(Debug)]
pub struct ExecArgs {
    strings: Vec<std::ffi::CString>,
    pointers: Vec<*const c_char>,
}

impl ExecArgs {
    pub fn new(strings: Vec<std::ffi::CString>) -> ExecArgs {
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        ExecArgs { strings, pointers }
    }

    pub fn strings(&self) -> &[std::ffi::CString] {
        &self.strings
    }

    /// The array with one place of it pointing at another string, which must outlive the exec.
    pub fn set(&mut self, index: usize, string: &'static CStr) {
        self.pointers[index] = string.as_ptr();
    }
}

/// execve(2): returns only when it failed.
pub fn exec(path: &CStr, args: &ExecArgs, env: &ExecArgs) -> Errno {
    // SAFETY: both arrays end in null and point at strings that they own.
    unsafe { libc::execve(path.as_ptr(), args.pointers.as_ptr(), env.pointers.as_ptr()) };
    Errno::last()
}

/// execveat(2) of an open file.
pub fn exec_fd(fd: BorrowedFd<'_>, args: &ExecArgs, env: &ExecArgs) -> Errno {
    let (argv, envp) = (args.pointers.as_ptr(), env.pointers.as_ptr());
    // SAFETY: as in `exec`.
    unsafe {
        libc::syscall(libc::SYS_execveat, fd.as_raw_fd(), c"".as_ptr(), argv, envp, libc::AT_EMPTY_PATH);
    }
    Errno::last()
}

fn prctl(option: i32, value: u64) -> Result<libc::c_long> {
    check(unsafe { libc::prctl(option, value, 0, 0, 0) }.into())
}

/// `signal` comes when the thread that made us ends; 0 for none.
pub fn set_parent_death_signal(signal: i32) -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, signal as u64).map(drop)
}

/// Whether others of our ids may trace us and read /proc/PID.
pub fn set_dumpable(on: bool) -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, u64::from(on)).map(drop)
}

pub fn is_dumpable() -> Result<bool> {
    prctl(libc::PR_GET_DUMPABLE, 0).map(|now| now == 1)
}

/// Orphans below us become our children, not those of PID 1.
pub fn set_subreaper() -> Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1).map(drop)
}

pub fn set_no_new_privs() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map(drop)
}

pub fn set_name(name: &CStr) -> Result<()> {
    prctl(libc::PR_SET_NAME, name.as_ptr() as u64).map(drop)
}

/// One of the `RLIMIT_*` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub resource: u32,
    pub soft: u64,
    pub hard: u64,
}

/// prlimit(2) of a process; 0 is the caller.
pub fn set_limit(pid: i32, limit: &Limit) -> Result<()> {
    let new = libc::rlimit64 { rlim_cur: limit.soft, rlim_max: limit.hard };
    check_unit(unsafe { libc::prlimit64(pid, limit.resource, &raw const new, ptr::null_mut()) }.into())
}

/// What the limit of a process is; 0 is the caller.
pub fn limit(pid: i32, resource: u32) -> Result<Limit> {
    let mut now = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    check(unsafe { libc::prlimit64(pid, resource, ptr::null(), &raw mut now) }.into())?;
    Ok(Limit { resource, soft: now.rlim_cur, hard: now.rlim_max })
}

/// Does something with the limit on locked memory lifted: before Linux 5.11 the memory of a BPF program
/// counted against it.
pub fn with_unlimited_memlock<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    let unlimited = libc::rlimit64 { rlim_cur: libc::RLIM64_INFINITY, rlim_max: libc::RLIM64_INFINITY };
    let mut old = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    check(unsafe { libc::prlimit64(0, libc::RLIMIT_MEMLOCK, &raw const unlimited, &raw mut old) }.into())?;
    let result = run();
    // The container must not inherit what was lifted.
    check(unsafe { libc::prlimit64(0, libc::RLIMIT_MEMLOCK, &raw const old, ptr::null_mut()) }.into())?;
    result
}

pub fn open_files_limit() -> Result<u32> {
    limit(0, libc::RLIMIT_NOFILE).map(|limit| u32::try_from(limit.soft).unwrap_or(u32::MAX))
}

pub fn set_hostname(name: &[u8]) -> Result<()> {
    check_unit(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into())
}

pub fn set_domainname(name: &[u8]) -> Result<()> {
    check_unit(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }.into())
}

/// uname(2): fields of 65 bytes, of which the second is the host's name and the last the domain's.
pub struct Names([[u8; 65]; 6]);

pub fn names() -> Result<Names> {
    let mut names = Names([[0; 65]; 6]);
    check_unit(unsafe { libc::syscall(libc::SYS_uname, names.0.as_mut_ptr()) })?;
    Ok(names)
}

impl Names {
    pub fn host(&self) -> &[u8] {
        text(&self.0[1])
    }

    pub fn domain(&self) -> &[u8] {
        text(&self.0[5])
    }
}

fn text(field: &[u8]) -> &[u8] {
    CStr::from_bytes_until_nul(field).map_or(field, CStr::to_bytes)
}

pub fn set_personality(domain: u64) -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_personality, domain) })
}

/// struct sched_attr of sched_setattr(2), all of its first version.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedAttr {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

pub fn set_scheduler(attr: &SchedAttr) -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, ptr::from_ref(attr), 0) })
}

/// ioprio_set(2) of the calling process; class and level packed as the kernel wants them.
pub fn set_io_priority(value: i32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    check_unit(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) })
}

/// sched_setaffinity(2) of the calling thread: a bit a CPU.
pub fn set_affinity(mask: &[u64]) -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(mask), mask.as_ptr()) })
}

pub fn set_memory_policy(mode: i32, nodes: &[u64]) -> Result<()> {
    let (pointer, bits) =
        if nodes.is_empty() { (ptr::null(), 0) } else { (nodes.as_ptr(), nodes.len() * 64 + 1) };
    check_unit(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) })
}

/// One instruction of a classic BPF program, as seccomp(2) takes it.
pub use libc::sock_filter as BpfInstruction;

/// seccomp(2) SET_MODE_FILTER. Some(descriptor) when `flags` ask for a listener.
pub fn set_seccomp(flags: u64, program: &[BpfInstruction]) -> Result<Option<OwnedFd>> {
    const SET_MODE_FILTER: u32 = 1;
    const FLAG_NEW_LISTENER: u64 = 8;
    let fprog = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        filter: program.as_ptr().cast_mut(),
    };
    let ret = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const fprog) };
    if flags & FLAG_NEW_LISTENER != 0 { owned(ret).map(Some) } else { check(ret).map(|_| None) }
}

/// "6.1.0-18-amd64", as uname(2) tells it.
pub fn kernel_release() -> String {
    // SAFETY: all zeroes is a valid utsname, and the kernel fills it with NUL-terminated strings.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    unsafe { libc::uname(&raw mut name) };
    let release = unsafe { CStr::from_ptr(name.release.as_ptr()) };
    release.to_string_lossy().into_owned()
}

/// Fills a small buffer with random bytes (getrandom(2)).
pub fn random(buffer: &mut [u8]) -> Result<()> {
    check_unit(unsafe { libc::getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0) } as _)
}
