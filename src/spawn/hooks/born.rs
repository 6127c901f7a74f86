// SPDX-License-Identifier: Apache-2.0
//! A hook's process is made: here, or in the container's pid namespace. None is returned in the process itself.

use std::os::fd::{AsFd, BorrowedFd};

use super::{Born, Place};
use crate::error::{Error, Result, While};
use crate::sys::process::{self, Cloned, Exit, Kin, NEWPID, NEWUSER};
use crate::sys::{self, Errno};

/// What the process is born into. A user has rights over the container's other namespaces in its user namespace alone,
/// whence nobody comes back.
pub(super) fn entered(place: Place<'_>) -> u64 {
    match place {
        Place::Container { namespaces, .. } if sys::cred::effective_uid() != 0 => {
            namespaces & (NEWUSER | NEWPID)
        }
        Place::Container { namespaces, .. } => namespaces & NEWPID,
        Place::Runtime(_) => 0,
    }
}

pub(super) fn born(place: Place<'_>, cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Born>> {
    match (place, entered(place)) {
        (Place::Container { init, .. }, all) if all & NEWUSER != 0 => by_way(init, all, cgroup),
        (Place::Container { init, .. }, NEWPID) => inside(init, cgroup),
        _ => cloned(Kin::Child, cgroup).or_unable(unable),
    }
}

fn unable() -> String {
    "make a process for a hook".into()
}

fn cloned(kin: Kin, cgroup: Option<BorrowedFd<'_>>) -> sys::Result<Option<Born>> {
    Ok(match process::clone_into(kin, 0, cgroup)? {
        Cloned::Parent { pid, pidfd } => Some(Born { pid, pidfd }),
        Cloned::Child => None,
    })
}

fn inside(init: BorrowedFd<'_>, cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Born>> {
    let home = sys::fs::open(c"/proc/self/ns/pid", sys::fs::O_RDONLY)
        .or_unable(|| "hold our own pid namespace".into())?;
    process::setns(init, NEWPID).or_unable(|| "join the container's pid namespace".into())?;
    let born = cloned(Kin::Child, cgroup);
    if !matches!(born, Ok(None)) {
        process::setns(home.as_fd(), NEWPID).or_unable(|| "come back to our pid namespace".into())?;
    }
    born.or_unable(unable)
}

/// A process goes in, makes the hook's, a child of ours, tells its pid, and ends.
fn by_way(init: BorrowedFd<'_>, namespaces: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Born>> {
    let (told, tell) = sys::fs::pipe().or_unable(unable)?;
    let Some(way) = cloned(Kin::Child, None).or_unable(unable)? else {
        let born = process::setns(init, namespaces).and_then(|()| cloned(Kin::Sibling, cgroup));
        let told = match born {
            Ok(None) => return Ok(None),
            Ok(Some(born)) => sys::fs::write(tell.as_fd(), &born.pid.to_ne_bytes()),
            Err(errno) => Err(errno),
        };
        process::exit_now(told.map_or_else(|errno| errno as i32, |_| 0));
    };
    let mut pid = [0; 4];
    match process::wait(way.pid).or_unable(unable)? {
        Exit::Code(0) => sys::fs::read(told.as_fd(), &mut pid).or_unable(unable)?,
        Exit::Code(errno) => {
            return Err(Error::sys("unable to join the container's namespaces", Errno::from_raw(errno)));
        }
        Exit::Signal(_) => return Err(Error::sys(format!("unable to {}", unable()), Errno::ECHILD)),
    };
    let pid = i32::from_ne_bytes(pid);
    Ok(Some(Born { pid, pidfd: process::pidfd_open(pid).or_unable(unable)? }))
}
