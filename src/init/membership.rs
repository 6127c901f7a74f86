// SPDX-License-Identifier: Apache-2.0
//! Where init belongs: cgroups, namespaces, session, keyring.

use std::ffi::CStr;
use std::os::fd::AsFd;

use super::{Done, Fault, Init, in_force};
use crate::channel::{Note, Order, Report};
use crate::step::{HookPoint, Slot};
use crate::sys::close::Brief;
use crate::sys::fs::CWD;
use crate::sys::process::{NEWNET, NEWPID};
use crate::sys::{self, Errno};

impl Init<'_> {
    /// A process of one thread that writes 0 to a v1 `tasks` file moves itself without the lock that
    /// `cgroup.procs` takes, and without its 10 ms wait for an RCU grace period
    /// (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
    ///
    /// The parent has made them meanwhile.
    pub(super) fn join_cgroups(&mut self) -> Done {
        if !self.work.joins {
            return Ok(());
        }
        let (mut number, mut joined) = (0, Ok(()));
        let order = self.channel.borrow(|tasks| {
            let tasks = Brief::from(tasks);
            if joined.is_ok() {
                joined = sys::fs::write_all(tasks.as_fd(), b"0")
                    .map_err(|errno| Fault { errno, note: Note::Item(number) });
            }
            number += 1;
        })?;
        obey(order)?;
        joined
    }

    /// The network namespace is what takes longest in a clone, and the parent has something else to do meanwhile. What comes
    /// next changes it, and must not change the caller's.
    pub(super) fn new_namespace(&mut self, namespace: u64) -> Done {
        let own = || sys::fs::statat(CWD, c"/proc/self/ns/net").map(|stat| stat.inode);
        if namespace != NEWNET {
            return Ok(sys::process::unshare(namespace)?);
        }
        let before = own()?;
        sys::process::unshare(namespace)?;
        in_force(own()? != before)
    }

    pub(super) fn join_namespace(&mut self, namespace: u64, slot: Slot) -> Done {
        Ok(sys::process::setns(self.fd(slot), namespace)?)
    }

    pub(super) fn await_cgroup(&mut self) -> Done {
        self.channel.send(&Report::Cgroup)?;
        self.await_go()
    }

    pub(super) fn await_id_maps(&mut self) -> Done {
        self.channel.send(&Report::Maps)?;
        self.await_go()
    }

    /// An ordinary user's get into our namespaces only while we are dumpable. Nobody else is in a pid namespace that is
    /// new.
    pub(super) fn await_hooks(&mut self, point: HookPoint) -> Done {
        let new = self.work.birth.as_ref().is_some_and(|birth| birth.namespaces & NEWPID != 0);
        let opened = point == HookPoint::CreateContainer && self.work.dumpable_for_parent && new;
        if opened {
            sys::process::set_dumpable(true)?;
        }
        self.channel.send(&Report::Hooks(point))?;
        self.await_go()?;
        if opened { hide() } else { Ok(()) }
    }

    pub(super) fn await_go(&self) -> Done {
        obey(self.channel.receive()?)
    }

    /// Until the maps were there we were nobody. What the kernel then calls 0 is the map's business.
    pub(super) fn become_namespace_root(&mut self) -> Done {
        sys::cred::setresgid(0)?;
        sys::cred::setresuid(0)?;
        // The groups of the caller are not mapped; where setgroups is denied they stay.
        match sys::cred::setgroups(&[]) {
            Ok(()) | Err(Errno::EPERM) => {}
            Err(e) => return Err(e.into()),
        }
        // A change of ids clears the parent-death signal and sets dumpable as it was.
        sys::process::set_parent_death_signal(libc::SIGKILL)?;
        hide()?;
        in_force(sys::cred::ids_are(0, 0)?)
    }

    /// A kernel without keyrings is as good as one where everybody has their own.
    pub(super) fn join_keyring(&mut self, name: &CStr) -> Done {
        match sys::keyring::join_session(name) {
            Ok(keyring) => {
                // No key has the number 0.
                in_force(keyring > 0)?;
                Ok(sys::keyring::allow_search(keyring)?)
            }
            Err(Errno::ENOSYS) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// The clocks of the new time namespace, before anybody is in it.
    pub(super) fn set_time_offsets(&mut self, lines: &CStr) -> Done {
        let open = || sys::fs::open(c"/proc/self/timens_offsets", sys::fs::O_WRONLY);
        let file = match open() {
            // What is not dumpable belongs to the host's root, and the root of a user namespace is not that.
            Err(Errno::EACCES) => {
                sys::process::set_dumpable(true)?;
                let file = open();
                hide()?;
                file?
            }
            file => file?,
        };
        Ok(sys::fs::write_all(file.as_fd(), lines.to_bytes())?)
    }
}

/// An `Abort` has its reason on the parent's side, which prints it.
fn obey(order: Order) -> Done {
    match order {
        Order::Go => Ok(()),
        Order::Abort => sys::process::exit_now(1),
    }
}

/// Nobody else may trace this process.
pub(super) fn hide() -> Done {
    sys::process::set_dumpable(false)?;
    in_force(!sys::process::is_dumpable()?)
}

pub(super) fn set_hostname(name: &[u8]) -> Done {
    sys::process::set_hostname(name)?;
    in_force(sys::process::names()?.host() == name)
}

pub(super) fn set_domainname(name: &[u8]) -> Done {
    sys::process::set_domainname(name)?;
    in_force(sys::process::names()?.domain() == name)
}
