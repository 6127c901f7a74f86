// SPDX-License-Identifier: Apache-2.0
//! Answers init's reports until it is ready.

use std::os::fd::{AsFd, OwnedFd};

use super::{Child, Host, maps, verify, words};
use crate::channel::Report;
use crate::error::{Error, Result, While};
use crate::plan::Plan;
use crate::step::{BindMount, Planned, Source, Step};
use crate::sys::process::{self, Exit, Limit};
use crate::sys::{self, Errno};

pub(super) fn until_ready(plan: &Plan, fds: &[OwnedFd], child: &Child, host: &mut impl Host) -> Result<()> {
    if let Some(score) = plan.oom_score_adj {
        write_oom_score(child.pid, score)?;
    }
    let mut in_place = false;
    loop {
        match child.hear(|| host.is_paused())? {
            Some(Report::Cgroup) => host.cgroup(child)?,
            Some(Report::Maps) => {
                maps::write(child.pid, plan.id_maps.as_ref())?;
                raise_limits(plan, child.pid, |limit| limit.resource != libc::RLIMIT_NOFILE)?;
            }
            Some(Report::Hooks(point)) => host.hooks(point, child)?,
            Some(Report::SeccompFd(number)) => {
                let listener = process::pidfd_getfd(child.pidfd.as_fd(), number)
                    .or_unable(|| "take the seccomp listener".into())?;
                host.seccomp_listener(listener, child)?;
            }
            Some(Report::Mount { fd, step }) => map_ids(plan, fds, child, fd, step)?,
            Some(Report::InPlace { absent }) => {
                verify::surroundings(plan, fds, child.pid, absent, host)
                    .and_then(|()| host.in_place())
                    .map_err(|error| said_by_init(error, plan, child))?;
                in_place = true;
                continue;
            }
            Some(Report::Ready) if in_place => {
                // Not before init has opened its last: it holds a descriptor for each mount of the config.
                raise_limits(plan, child.pid, |limit| limit.resource == libc::RLIMIT_NOFILE)?;
                return verify::process(plan, child.pid);
            }
            // Told and answered before init could report anything.
            Some(Report::Born(_) | Report::Ready) => return Err(Error::new("init broke the protocol")),
            Some(Report::Failed(failure)) => return Err(words::failed(plan, &failure)),
            None => return Err(ended(plan, child)),
        }
        child.go()?;
    }
}

/// Of an init that has failed and ended while it was looked at nothing can be seen: what it has said of that counts.
fn said_by_init(error: Error, plan: &Plan, child: &Child) -> Error {
    match child
        .channel
        .has_come()
        .and_then(|has| if has { child.channel.receive() } else { Err(Errno::EAGAIN) })
    {
        Ok(Some(Report::Failed(failure))) => words::failed(plan, &failure),
        Ok(None) => ended(plan, child),
        _ => error,
    }
}

/// Of a mount that only init can open, as earlier mounts have put it into the root: to map ids is a right
/// over the filesystem, which init has lost in a user namespace. It is attached nowhere yet.
fn map_ids(plan: &Plan, fds: &[OwnedFd], child: &Child, number: i32, step: usize) -> Result<()> {
    let Some(Planned { step: Step::Bind(bind), place }) = plan.steps.get(step) else {
        return Err(Error::new("init broke the protocol"));
    };
    let BindMount { source: Source::InRoot(source), idmap: Some(idmap), .. } = bind else {
        return Err(Error::new("init broke the protocol"));
    };
    let mount = process::pidfd_getfd(child.pidfd.as_fd(), number)
        .or_unable(|| "take a mount from init".into())
        .map_err(|error| error.at(place))?;
    sys::mount::map_ids(mount.as_fd(), idmap.depth, fds[idmap.slot.0].as_fd())
        .map_err(|errno| words::idmap_failed(&source.0, errno).at(place))
}

/// Before `Ready`, and without a word: somebody killed it.
fn ended(plan: &Plan, child: &Child) -> Error {
    match child.wait_for_end() {
        Ok(Exit::Signal(libc::SIGKILL)) => {
            Error::new("container init was killed").hint("the memory limit may be too low for it to start")
        }
        Ok(Exit::Signal(signal)) => {
            let error = Error::new(format!("container init died of signal {signal}"));
            let filtered = plan.steps.iter().any(|planned| matches!(planned.step, Step::Seccomp { .. }));
            if filtered {
                error.hint("linux.seccomp must let init read, write, execute and end")
            } else {
                error
            }
        }
        Ok(Exit::Code(code)) => Error::new(format!("container init ended with code {code}")),
        Err(errno) => Error::sys("unable to wait for container init", errno),
    }
}

/// In the host's procfs, before init is somebody else: lowering it is a right of root's.
fn write_oom_score(pid: i32, score: i32) -> Result<()> {
    let write = || {
        let path = std::ffi::CString::new(format!("/proc/{pid}/oom_score_adj")).unwrap_or_default();
        let file = sys::fs::open(&path, sys::fs::O_WRONLY)?;
        sys::fs::write_all(file.as_fd(), score.to_string().as_bytes())
    };
    match write() {
        // As runc: a runtime without the right to lower it keeps what it has, in a user namespace.
        Err(Errno::EACCES | Errno::EPERM) if sys::cred::effective_uid() != 0 => Ok(()),
        result => result
            .or_unable(|| format!("set oom_score_adj to {score}"))
            .map_err(|error| error.at("/process/oomScoreAdj")),
    }
}

fn raise_limits(plan: &Plan, pid: i32, which: fn(&Limit) -> bool) -> Result<()> {
    for (i, limit) in plan.limits.iter().enumerate().filter(|(_, limit)| which(limit)) {
        process::set_limit(pid, limit)
            .or_unable(|| format!("set resource limit {}", limit.resource))
            .map_err(|error| error.at(format!("/process/rlimits/{i}")))?;
        if process::limit(pid, limit.resource) != Ok(*limit) {
            let what = format!("set resource limit {}", limit.resource);
            return Err(Error::not_in_force(what).at(format!("/process/rlimits/{i}")));
        }
    }
    Ok(())
}
