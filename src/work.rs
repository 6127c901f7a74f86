// SPDX-License-Identifier: Apache-2.0
//! What init works with, on its way from the parent: the plan as bytes in a file of its own, and descriptors.
//!
//! Init is another program than its parent (`init/`), so nothing of the parent's memory is in it but this.
//! May name: step, channel, sys.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::vec;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::channel::{InitEnd, ParentEnd};
use crate::step::{Planned, Slot};
use crate::sys::process::ExecArgs;
use crate::sys::{self, Errno, Result};

/// As the parent has it, which lends, or as init has it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Work<Steps = Vec<Planned>, Strings = Vec<CString>> {
    pub steps: Steps,
    pub args: Strings,
    pub env: Strings,
    /// Which entry of `env` is HOME's, to be filled in.
    pub home: Option<usize>,
    /// Signals that the caller of the runtime had ignored, by number from bit 0 as signal 1.
    pub ignored: u64,
    /// How many descriptors from 3 on are the container's.
    pub preserved: u32,
    /// The parent is an ordinary user: it may write our id maps, and enter our namespaces, only while we are dumpable.
    pub dumpable_for_parent: bool,
    /// cgroup v1: where init joins cgroups, the parent lends it the files to do so.
    pub joins: bool,
    pub birth: Option<Birth>,
}

/// Init is born once more, where clone and exec alone do not get it: what is new belongs to namespaces that are
/// joined first, a pid namespace is entered by birth alone, and exec takes the rights in a new user namespace.
#[derive(Debug, Serialize, Deserialize)]
pub struct Birth {
    pub joins: Vec<(u64, Slot)>,
    pub namespaces: u64,
}

/// The descriptors that come with it.
#[derive(Debug)]
pub struct Given {
    /// What the plan's requests were answered with; `Slot` is an index.
    pub requests: Vec<OwnedFd>,
    /// Instead of the standard streams of the parent; or none.
    pub streams: Vec<OwnedFd>,
    /// cgroup v2: the directory to be born in.
    pub cgroup: Option<OwnedFd>,
    /// To note the ends of the steps in.
    pub times: Option<OwnedFd>,
}

/// The same on the parent's side.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'a> {
    pub requests: &'a [OwnedFd],
    pub streams: &'a [OwnedFd],
    pub cgroup: Option<BorrowedFd<'a>>,
    pub times: Option<BorrowedFd<'a>>,
}

/// A packet says how long the plan is, and how many descriptors there are of each kind. The plan's own is the first.
const NUMBERS: usize = 5;
const HEAD: usize = NUMBERS * 8;

/// Puts it where init will find it, before there is one.
///
/// # Errors
/// Those of an anonymous file, and of a packet with descriptors.
pub fn hand_over(
    channel: &ParentEnd,
    work: &Work<&[Planned], &[CString]>,
    Lent { requests, streams, cgroup, times }: Lent<'_>,
) -> Result<()> {
    let plan = postcard::to_allocvec(work).map_err(|_| Errno::EINVAL)?;
    let file = sys::fs::memfd(c"plan")?;
    sys::fs::write_all(file.as_fd(), &plan)?;
    let owned = [requests, streams].into_iter().flatten().map(AsRawFd::as_raw_fd);
    let single = [cgroup, times].into_iter().flatten().map(|fd| fd.as_raw_fd());
    let fds: Vec<i32> = [file.as_raw_fd()].into_iter().chain(owned).chain(single).collect();
    let single = [cgroup.iter().len(), times.iter().len()];
    let counts = [plan.len(), requests.len(), streams.len()].into_iter().chain(single);
    let mut head = [0; HEAD];
    for (place, number) in head.chunks_exact_mut(8).zip(counts) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    // A plan of a thousand mounts may have more than fit into one packet.
    for some in fds.chunks(sys::packet::MOST) {
        sys::packet::send_fds(channel.fd(), &head, some)?;
    }
    Ok(())
}

/// Takes it, in the program that becomes init: here memory may still be asked for.
///
/// # Errors
/// What comes is not what `hand_over` sends.
pub fn receive(channel: &InitEnd) -> Result<(Work, Given)> {
    let (mut head, mut numbers) = ([0; HEAD], [0; NUMBERS]);
    let mut fds = Vec::new();
    loop {
        if sys::packet::receive_fds(channel.fd(), &mut head, |fd| fds.push(fd))? != HEAD {
            return Err(Errno::EPROTO);
        }
        for (number, place) in numbers.iter_mut().zip(head.chunks_exact(8)) {
            *number = usize::from_ne_bytes(place.try_into().map_err(|_| Errno::EPROTO)?);
        }
        if fds.len() > numbers[1..].iter().sum() {
            break;
        }
    }
    let mut fds = fds.into_iter();
    let mut plan = vec![0; numbers[0]];
    let file = fds.next().ok_or(Errno::EPROTO)?;
    if sys::fs::read_from_start(file.as_fd(), &mut plan)? != plan.len() {
        return Err(Errno::EPROTO);
    }
    let work = postcard::from_bytes(&plan).map_err(|_| Errno::EPROTO)?;
    let mut some = |count| fds.by_ref().take(count).collect::<Vec<_>>();
    let (requests, streams) = (some(numbers[1]), some(numbers[2]));
    let (mut cgroup, mut times) = (some(numbers[3]), some(numbers[4]));
    Ok((work, Given { requests, streams, cgroup: cgroup.pop(), times: times.pop() }))
}

/// What execve(2) takes, and room for HOME, which init fills in when it sees the image's passwd.
#[derive(Debug)]
pub struct Exec {
    pub args: ExecArgs,
    pub env: ExecArgs,
    /// The entry of `env`, and room for "HOME=" and a path.
    pub home: Option<(usize, &'static mut [u8])>,
}

impl Work {
    pub fn exec(&mut self) -> Exec {
        Exec {
            args: ExecArgs::new(std::mem::take(&mut self.args)),
            env: ExecArgs::new(std::mem::take(&mut self.env)),
            home: self.home.map(|index| (index, vec![0; 4096 + 8].leak())),
        }
    }
}
