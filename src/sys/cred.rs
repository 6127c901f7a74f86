// SPDX-License-Identifier: Apache-2.0
//! Who a process is: ids, groups, capabilities; and what they are now, to verify a change.

use std::ptr;

use serde::{Deserialize, Serialize};

use super::{Result, check, check_unit};

pub fn setgroups(groups: &[u32]) -> Result<()> {
    // The raw call: glibc's would signal other threads, of which there are none.
    check_unit(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
}

/// How many supplementary groups there are, and whether they are just these.
pub fn groups_are(groups: &[u32]) -> Result<bool> {
    const NGROUPS: usize = 256;
    let mut now = [0u32; NGROUPS];
    let count = check(unsafe { libc::syscall(libc::SYS_getgroups, 0, ptr::null_mut::<u32>()) })? as usize;
    if count == 0 || count != groups.len() || count > NGROUPS {
        // The kernel sorts its list and keeps doubles: equal length and, up to 256, equal members.
        return Ok(count == groups.len());
    }
    check(unsafe { libc::syscall(libc::SYS_getgroups, NGROUPS, now.as_mut_ptr()) })?;
    let now = &now[..count];
    Ok(groups.iter().all(|g| now.contains(g)) && now.iter().all(|g| groups.contains(g)))
}

/// Real, effective and saved group id.
pub fn setresgid(gid: u32) -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })
}

/// Real, effective and saved user id.
pub fn setresuid(uid: u32) -> Result<()> {
    check_unit(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// Are all three user and all three group ids these?
pub fn ids_are(uid: u32, gid: u32) -> Result<bool> {
    let (mut u, mut g) = ([u32::MAX; 3], [u32::MAX; 3]);
    let ([r, e, s], [rg, eg, sg]) = (&mut u, &mut g);
    check(unsafe { libc::getresuid(r, e, s) }.into())?;
    check(unsafe { libc::getresgid(rg, eg, sg) }.into())?;
    Ok(u == [uid; 3] && g == [gid; 3])
}

pub fn effective_uid() -> u32 {
    unsafe { libc::geteuid() }
}

pub fn effective_gid() -> u32 {
    unsafe { libc::getegid() }
}

/// A set of capabilities: bit n is capability n of capability.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapSet(pub u64);

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The three sets of capset(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    pub effective: CapSet,
    pub permitted: CapSet,
    pub inheritable: CapSet,
}

const CAP_VERSION_3: u32 = 0x2008_0522;

pub fn capset(caps: &Caps) -> Result<()> {
    let header = CapHeader { version: CAP_VERSION_3, pid: 0 };
    let half = |shift: u32| CapData {
        effective: (caps.effective.0 >> shift) as u32,
        permitted: (caps.permitted.0 >> shift) as u32,
        inheritable: (caps.inheritable.0 >> shift) as u32,
    };
    let data = [half(0), half(32)];
    check_unit(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })
}

fn prctl(option: i32, a: u64, b: u64) -> Result<libc::c_long> {
    check(unsafe { libc::prctl(option, a, b, 0, 0) }.into())
}

/// Is the capability in the bounding set? EINVAL for one that this kernel does not know.
pub fn bounding_has(cap: u8) -> Result<bool> {
    Ok(prctl(libc::PR_CAPBSET_READ, cap.into(), 0)? == 1)
}

pub fn bounding_drop(cap: u8) -> Result<()> {
    prctl(libc::PR_CAPBSET_DROP, cap.into(), 0).map(drop)
}

/// Whether capabilities outlive a change of all user ids away from 0.
pub fn keep_caps(on: bool) -> Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, u64::from(on), 0).map(drop)
}

pub fn ambient_clear() -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64, 0).map(drop)
}

pub fn ambient_raise(cap: u8) -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64, cap.into()).map(drop)
}
