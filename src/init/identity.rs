// SPDX-License-Identifier: Apache-2.0
//! Who the process becomes. Every change is read back: a call that an outer filter or a bug turned
//! into nothing must not start a container as root (runc, crun and youki all would). By the parent at a glance
//! (`spawn/verify`); here the ids, where the parent numbers them otherwise, and the limits.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use super::{Done, Fault, Init, in_force, membership};
use crate::channel::{Note, Report};
use crate::step::{CapPlan, Identity};
use crate::sys::cred::{self, CapSet};
use crate::sys::process::{self, BpfInstruction, Limit};
use crate::sys::{self, Errno};

/// The highest capability that a 64-bit set can hold; the kernel's own last one ends the loops.
const LAST: u8 = 63;

impl Init<'_> {
    pub(super) fn set_limits(&mut self, limits: &[Limit]) -> Done {
        for (i, limit) in limits.iter().enumerate() {
            process::set_limit(0, limit).map_err(|errno| Fault { errno, note: Note::Item(i) })?;
            in_force(process::limit(0, limit.resource)? == *limit)?;
        }
        Ok(())
    }

    pub(super) fn set_no_new_privileges(&mut self) -> Done {
        Ok(process::set_no_new_privs()?)
    }

    pub(super) fn load_seccomp(&mut self, flags: u64, program: &[BpfInstruction], listener: bool) -> Done {
        let fd = process::set_seccomp(flags, program)?;
        if listener && let Some(fd) = fd {
            // The parent takes it out of this process: under the filter we could not send it.
            self.channel.send(&Report::SeccompFd(fd.as_raw_fd()))?;
            self.await_go()?;
        }
        Ok(())
    }

    pub(super) fn become_identity(&mut self, identity: &Identity) -> Done {
        if let Some(umask) = identity.umask {
            sys::fs::umask(umask);
        }
        if let Some(caps) = &identity.caps {
            shrink_bounding(caps.bounding)?;
        }
        let leaves_root = identity.uid != 0 || identity.gid != 0;
        if leaves_root && identity.caps.is_some() {
            cred::keep_caps(true)?;
        }
        if let Some(groups) = &identity.groups {
            set_groups(groups, identity.read_back)?;
        }
        cred::setresgid(identity.gid)?;
        cred::setresuid(identity.uid)?;
        if identity.read_back {
            in_force(cred::ids_are(identity.uid, identity.gid)?)?;
        }
        if let Some(caps) = &identity.caps {
            if leaves_root {
                cred::keep_caps(false)?;
            }
            apply_capabilities(caps)?;
        }
        if leaves_root {
            // The kernel drops both when ids change.
            process::set_parent_death_signal(libc::SIGKILL)?;
            membership::hide()?;
        }
        Ok(())
    }

    pub(super) fn enter_working_directory(&mut self, path: &CStr, last: bool) -> Done {
        // Switching the root has left us in "/" already.
        if self.in_working_directory || (self.switched && path == c"/") {
            return Ok(());
        }
        match sys::fs::chdir(path) {
            Ok(()) => {}
            Err(Errno::EACCES) if !last => return Ok(()),
            Err(e) => return Err(e.into()),
        }
        self.in_working_directory = true;
        // CVE-2024-21626: a directory outside the root is told as "(unreachable)/...".
        let mut buffer = [0; 4096];
        in_force(sys::fs::getcwd(&mut buffer)?.starts_with(b"/"))
    }
}

fn set_groups(groups: &[u32], read_back: bool) -> Done {
    match cred::setgroups(groups) {
        Ok(()) => {}
        // A user namespace whose maps an ordinary user wrote has setgroups denied: with none asked
        // for, there is nothing to set.
        Err(Errno::EPERM) if groups.is_empty() => return Ok(()),
        Err(e) => return Err(e.into()),
    }
    if read_back { in_force(cred::groups_are(groups)?) } else { Ok(()) }
}

/// Only what is held can be dropped, and the kernel's last capability ends the walk with EINVAL.
fn shrink_bounding(keep: CapSet) -> Done {
    for cap in 0..=LAST {
        if keep.0 >> cap & 1 == 1 {
            continue;
        }
        match cred::bounding_drop(cap) {
            Ok(()) => {}
            Err(Errno::EINVAL) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Of the ambient set the plan has left out what could not be raised.
fn apply_capabilities(caps: &CapPlan) -> Done {
    cred::ambient_clear()?;
    cred::capset(&caps.sets)?;
    for cap in 0..=LAST {
        if caps.ambient.0 >> cap & 1 == 1 {
            cred::ambient_raise(cap)?;
        }
    }
    Ok(())
}
