// SPDX-License-Identifier: Apache-2.0
//! The descriptors that a plan asks for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{maps, words};
use crate::error::{Error, Result, While};
use crate::plan::{Foreign, Plan, Request};
use crate::spec::c_string;
use crate::step::IdMapped;
use crate::sys;
use crate::sys::process::{self, NEWCGROUP, NEWIPC, NEWNET, NEWPID, NEWTIME, NEWUTS};

pub(super) fn answer(
    plan: &Plan,
    mut console: Option<OwnedFd>,
    mut fifo: Option<OwnedFd>,
    init: Option<BorrowedFd<'_>>,
) -> Result<Vec<OwnedFd>> {
    let missing = |what: &str| Error::new(format!("no {what} to give to init"));
    let mut fds: Vec<OwnedFd> = Vec::with_capacity(plan.requests.len());
    for request in &plan.requests {
        fds.push(match request {
            Request::Namespace { namespace, path, place, foreign } => {
                let fd = namespace_at(*namespace, path, place)?;
                if let Some(Foreign { what, place }) = foreign
                    && is_ours(*namespace, &fd).or_unable(|| "look at our own namespace".into())?
                {
                    return Err(Error::new(what).at(place));
                }
                fd
            }
            Request::IdMaps { maps, place } => maps::carrier(maps).map_err(|error| error.at(place))?,
            Request::Tree { path, depth, idmap, place } => {
                let tree = sys::mount::clone_tree(sys::fs::CWD, path, *depth)
                    .or_unable(|| format!("open the mount source {}", path.to_string_lossy()))
                    .map_err(|error| error.at(place))?;
                if let Some(IdMapped { slot, depth }) = idmap {
                    sys::mount::map_ids(tree.as_fd(), *depth, fds[slot.0].as_fd())
                        .map_err(|errno| words::idmap_failed(path, errno).at(place))?;
                }
                tree
            }
            Request::Console => console.take().ok_or_else(|| missing("console"))?,
            Request::Fifo => fifo.take().ok_or_else(|| missing("start fifo"))?,
            Request::Init => {
                let init = init.ok_or_else(|| missing("container"))?;
                sys::fs::duplicate(init).or_unable(|| "hold the container's init".into())?
            }
        });
    }
    Ok(fds)
}

/// A file that is no namespace, or one of another kind, must not be "joined".
fn namespace_at(namespace: u64, path: &std::path::Path, place: &str) -> Result<OwnedFd> {
    let name = c_string(path, || place.to_owned())?;
    let fd = sys::fs::open(&name, sys::fs::O_RDONLY | sys::fs::O_NONBLOCK)
        .or_unable(|| format!("open namespace {}", path.display()))
        .map_err(|error| error.at(place))?;
    match process::namespace_type(fd.as_fd()) {
        Ok(kind) if kind == namespace => Ok(fd),
        Ok(_) => Err(Error::new(format!("{} is a namespace of another type", path.display())).at(place)),
        Err(errno) => Err(Error::sys(format!("{} is no namespace", path.display()), errno).at(place)),
    }
}

fn is_ours(namespace: u64, fd: &OwnedFd) -> sys::Result<bool> {
    let (own, it) = (sys::fs::statat(sys::fs::CWD, own_path(namespace))?, sys::fs::fstat(fd.as_fd())?);
    Ok((own.device, own.inode) == (it.device, it.inode))
}

fn own_path(namespace: u64) -> &'static std::ffi::CStr {
    match namespace {
        NEWPID => c"/proc/self/ns/pid",
        NEWNET => c"/proc/self/ns/net",
        NEWIPC => c"/proc/self/ns/ipc",
        NEWUTS => c"/proc/self/ns/uts",
        NEWCGROUP => c"/proc/self/ns/cgroup",
        NEWTIME => c"/proc/self/ns/time",
        process::NEWUSER => c"/proc/self/ns/user",
        _ => c"/proc/self/ns/mnt",
    }
}
