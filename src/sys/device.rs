// SPDX-License-Identifier: Apache-2.0
//! The device filter of cgroup v2: an eBPF program attached to the cgroup.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{Result, check, owned};

const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;

/// bpf(2) commands that we use, and the union of their arguments as an array of the right size.
fn bpf(command: i32, attr: &mut [u8; 128]) -> Result<libc::c_long> {
    check(unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), attr.len()) })
}

fn put32(attr: &mut [u8; 128], at: usize, value: u32) {
    attr[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

fn put64(attr: &mut [u8; 128], at: usize, value: u64) {
    attr[at..at + 8].copy_from_slice(&value.to_ne_bytes());
}

/// Loads a program of 8-byte eBPF instructions; the kernel's verifier speaks through errno alone.
pub fn load(program: &[u64]) -> Result<OwnedFd> {
    const BPF_PROG_LOAD: i32 = 5;
    let mut attr = [0u8; 128];
    put32(&mut attr, 0, BPF_PROG_TYPE_CGROUP_DEVICE);
    put32(&mut attr, 4, program.len() as u32);
    put64(&mut attr, 8, program.as_ptr() as u64);
    put64(&mut attr, 16, c"Apache-2.0".as_ptr() as u64);
    owned(bpf(BPF_PROG_LOAD, &mut attr)?)
}

/// Attaches beside others, or in the place of `replace` in one step (Linux 5.5).
pub fn attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    replace: Option<BorrowedFd<'_>>,
) -> Result<()> {
    const BPF_PROG_ATTACH: i32 = 8;
    const ALLOW_MULTI: u32 = 2;
    const REPLACE: u32 = 4;
    let mut attr = [0u8; 128];
    put32(&mut attr, 0, cgroup.as_raw_fd() as u32);
    put32(&mut attr, 4, program.as_raw_fd() as u32);
    put32(&mut attr, 8, BPF_CGROUP_DEVICE);
    put32(&mut attr, 12, if replace.is_some() { ALLOW_MULTI | REPLACE } else { ALLOW_MULTI });
    if let Some(old) = replace {
        put32(&mut attr, 16, old.as_raw_fd() as u32);
    }
    bpf(BPF_PROG_ATTACH, &mut attr).map(drop)
}

pub fn detach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    const BPF_PROG_DETACH: i32 = 9;
    let mut attr = [0u8; 128];
    put32(&mut attr, 0, cgroup.as_raw_fd() as u32);
    put32(&mut attr, 4, program.as_raw_fd() as u32);
    put32(&mut attr, 8, BPF_CGROUP_DEVICE);
    bpf(BPF_PROG_DETACH, &mut attr).map(drop)
}

/// The device programs attached to this very cgroup; at most 64 ids are asked for.
pub fn attached(cgroup: BorrowedFd<'_>) -> Result<Vec<u32>> {
    const BPF_PROG_QUERY: i32 = 16;
    let mut ids = [0u32; 64];
    let mut attr = [0u8; 128];
    put32(&mut attr, 0, cgroup.as_raw_fd() as u32);
    put32(&mut attr, 4, BPF_CGROUP_DEVICE);
    put64(&mut attr, 16, ids.as_mut_ptr() as u64);
    put32(&mut attr, 24, ids.len() as u32);
    bpf(BPF_PROG_QUERY, &mut attr)?;
    let count = u32::from_ne_bytes([attr[24], attr[25], attr[26], attr[27]]) as usize;
    Ok(ids[..count.min(ids.len())].to_vec())
}

pub fn open_program(id: u32) -> Result<OwnedFd> {
    const BPF_PROG_GET_FD_BY_ID: i32 = 13;
    let mut attr = [0u8; 128];
    put32(&mut attr, 0, id);
    owned(bpf(BPF_PROG_GET_FD_BY_ID, &mut attr)?)
}
