// SPDX-License-Identifier: Apache-2.0
//! Fences the calling thread in before it parses bytes nobody has verified: landlock lets it change nothing but one
//! directory and execute nothing; seccomp takes away exec, sockets, mounts and ptrace. Threads of one process share
//! memory, so this bounds what a mistake of the parser can do by system calls, not what memory corruption could.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::check;

const EXECUTE: u64 = 1 << 0;
/// From WRITE_FILE to MAKE_SYM, without READ_FILE and READ_DIR (linux/landlock.h).
const CHANGE_ABI1: u64 = (1 << 13) - 1 - EXECUTE - (1 << 2) - (1 << 3);
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const NET_BIND_CONNECT: u64 = 3;

#[repr(C)]
struct Ruleset {
    fs: u64,
    net: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// What the kernel granted; both are true on any kernel since 5.19 that has them built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced {
    pub landlock: bool,
    pub seccomp: bool,
}

/// Irrevocably restricts this thread to changes beneath `dir`.
pub fn restrict_to(dir: impl AsFd) -> io::Result<Fenced> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes integers only.
    check(i64::from(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }))?;
    Ok(Fenced { landlock: landlock(dir)?, seccomp: seccomp()? })
}

fn landlock(dir: impl AsFd) -> io::Result<bool> {
    // SAFETY: with LANDLOCK_CREATE_RULESET_VERSION (1) the call takes no attribute and only answers.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, 1) };
    // ABI 1 cannot allow a hard link between two directories; layers are full of them.
    if abi < 2 {
        return Ok(false);
    }
    let change = CHANGE_ABI1 | REFER | if abi >= 3 { TRUNCATE } else { 0 };
    let attr = Ruleset { fs: change | EXECUTE, net: if abi >= 4 { NET_BIND_CONNECT } else { 0 } };
    let size = if abi >= 4 { size_of::<Ruleset>() } else { size_of::<u64>() };
    // SAFETY: attr is a repr(C) prefix of landlock_ruleset_attr of `size` bytes; the kernel only reads it.
    let fd = check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size, 0) })?;
    // SAFETY: the call returned a descriptor that nobody else owns.
    let ruleset = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) };
    let rule = PathBeneath { allowed: change, parent: dir.as_fd().as_raw_fd() };
    // SAFETY: rule is a landlock_path_beneath_attr (type 1), read by the kernel only.
    check(unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), 1, &raw const rule, 0) })?;
    // SAFETY: restricts this thread; takes integers only.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) })?;
    Ok(true)
}

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const AUDIT_ARCH: Option<u32> = None;

const DENIED: [i64; 22] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_kexec_load,
];

/// The bit that marks an x32 call, which would pass by under another number.
const X32: u32 = 0x4000_0000;

fn seccomp() -> io::Result<bool> {
    let Some(arch) = AUDIT_ARCH else { return Ok(false) };
    let load =
        |k| libc::sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k };
    let jump =
        |op, k, jt, jf| libc::sock_filter { code: (libc::BPF_JMP | op | libc::BPF_K) as u16, jt, jf, k };
    let ret = |k| libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k };
    let deny = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut program = vec![
        load(4), // seccomp_data.arch
        jump(libc::BPF_JEQ, arch, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        load(0), // seccomp_data.nr
        jump(libc::BPF_JGE, X32, 0, 1),
        ret(deny),
    ];
    for nr in DENIED {
        program.push(jump(libc::BPF_JEQ, u32::try_from(nr).unwrap_or(u32::MAX), 0, 1));
        program.push(ret(deny));
    }
    program.push(ret(libc::SECCOMP_RET_ALLOW));
    let fprog =
        libc::sock_fprog { len: u16::try_from(program.len()).unwrap_or(0), filter: program.as_mut_ptr() };
    // SAFETY: the program is valid for its length and the kernel copies it.
    let ret = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const fprog) };
    match check(ret) {
        Ok(_) => Ok(true),
        // A kernel without seccomp, or an outer filter that refuses it.
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => Ok(false),
        Err(e) => Err(e),
    }
}
