// SPDX-License-Identifier: Apache-2.0
//! An older kernel, for what a program can tell: a filter of ours answers chosen syscalls with ENOSYS, as a kernel
//! without them does and as Docker's profile does for those it does not know.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter, sock_fprog};

/// The command, and all that it starts, has none of these syscalls. Nobody here makes any of another ABI.
pub(crate) fn without(syscalls: &[c_long], cmd: Command) -> Command {
    refused(Errno::ENOSYS, syscalls, cmd)
}

/// As `without`, with another answer: older profiles, which know no ENOSYS, forbid what they do not know.
pub(crate) fn refused(errno: Errno, syscalls: &[c_long], mut cmd: Command) -> Command {
    let filter = filter(syscalls, errno);
    let install = move || {
        let len = u16::try_from(filter.len()).unwrap();
        let program = sock_fprog { len, filter: filter.as_ptr().cast_mut() };
        // SAFETY: the kernel reads `len` instructions from `filter`, which lives in this closure.
        match unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: one syscall, and no allocation between fork and exec.
    unsafe { cmd.pre_exec(install) };
    cmd
}

fn filter(syscalls: &[c_long], errno: Errno) -> Vec<sock_filter> {
    let op = |code, jt, k| sock_filter { code: u16::try_from(code).unwrap(), jt, jf: 0, k };
    let mut filter = vec![op(BPF_LD | BPF_W | BPF_ABS, 0, 0)];
    for (n, &nr) in syscalls.iter().enumerate() {
        let to_the_end = u8::try_from(syscalls.len() - n).unwrap();
        filter.push(op(BPF_JMP | BPF_JEQ | BPF_K, to_the_end, u32::try_from(nr).unwrap()));
    }
    filter.push(op(BPF_RET | BPF_K, 0, libc::SECCOMP_RET_ALLOW));
    filter.push(op(BPF_RET | BPF_K, 0, libc::SECCOMP_RET_ERRNO | (errno as i32).cast_unsigned()));
    filter
}
