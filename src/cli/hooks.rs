// SPDX-License-Identifier: Apache-2.0
//! The container's hooks, at the moments of its life.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use oci_spec::runtime::{Hook, Spec};

use super::agent;
use super::document::document;
use crate::cgroup::{Cgroup, Join, Made, resctrl};
use crate::container::{State, Status};
use crate::error::Result;
use crate::log;
use crate::plan::resctrl::Group;
use crate::plan::{Agent, Plan};
use crate::spawn::hooks::{self, Entry, Kind, Place};
use crate::spawn::{self, Child};
use crate::spec::list;
use crate::step::HookPoint;
use crate::sys;
use crate::sys::fs::{O_DIRECTORY, O_PATH};

pub(super) fn of(spec: &Spec, kind: Kind) -> &[Hook] {
    let Some(hooks) = spec.hooks() else { return &[] };
    list(match kind {
        Kind::Prestart => hooks.prestart(),
        Kind::CreateRuntime => hooks.create_runtime(),
        Kind::CreateContainer => hooks.create_container(),
        Kind::StartContainer => hooks.start_container(),
        Kind::Poststart => hooks.poststart(),
        Kind::Poststop => hooks.poststop(),
    })
}

/// Runs one kind in the runtime's namespaces, in the bundle.
pub(super) fn run(spec: &Spec, kind: Kind, state: &State, status: Status, pid: i32) -> Result<()> {
    let hooks = of(spec, kind);
    if hooks.is_empty() {
        return Ok(());
    }
    let bundle = CString::new(state.bundle.as_os_str().as_bytes()).unwrap_or_default();
    hooks::run(hooks, kind, &document(state, status, pid), Place::Runtime(&bundle))
}

/// All of them, whatever the others do: the runtime specification wants a warning and no more.
pub(super) fn run_poststop(spec: &Spec, state: &State) {
    let bundle = CString::new(state.bundle.as_os_str().as_bytes()).unwrap_or_default();
    for hook in of(spec, Kind::Poststop) {
        let document = document(state, Status::Stopped, 0);
        let one = std::slice::from_ref(hook);
        if let Err(error) = hooks::run(one, Kind::Poststop, &document, Place::Runtime(&bundle)) {
            log::warn(&error.to_string());
        }
    }
}

/// The parent's side of a start.
pub(super) struct Hooks<'a> {
    spec: &'a Spec,
    state: &'a State,
    made: &'a Made<'a>,
    resctrl: Option<&'a Group>,
    agent: Option<&'a Agent>,
    new_pid_namespace: bool,
    limited: bool,
}

impl<'a> Hooks<'a> {
    pub(super) fn new(
        spec: &'a Spec,
        state: &'a State,
        (made, resctrl): (&'a Made<'a>, Option<&'a Group>),
        plan: &'a Plan,
    ) -> Hooks<'a> {
        let new_pid_namespace = plan.clone & libc::CLONE_NEWPID as u64 != 0;
        Hooks {
            spec,
            state,
            made,
            resctrl,
            agent: plan.seccomp_agent.as_ref(),
            new_pid_namespace,
            limited: false,
        }
    }

    /// Last of all, so that a tight limit need not hold what init needs; but hooks of the runtime may
    /// count on the limits.
    pub(super) fn limit(&mut self, child: &Child) -> Result<()> {
        if !self.limited {
            self.limited = true;
            self.made.limit()?;
            if let Some(group) = self.resctrl {
                resctrl::create(group, child.pid)?;
            }
        }
        Ok(())
    }
}

impl spawn::Host for Hooks<'_> {
    fn cgroup(&mut self, child: &Child) -> Result<()> {
        self.made.adopt(child.pid)
    }

    fn hooks(&mut self, point: HookPoint, child: &Child) -> Result<()> {
        self.limit(child)?;
        match point {
            HookPoint::CreateRuntime => {
                run(self.spec, Kind::Prestart, self.state, Status::Creating, child.pid)?;
                run(self.spec, Kind::CreateRuntime, self.state, Status::Creating, child.pid)
            }
            HookPoint::CreateContainer => {
                let pid = if self.new_pid_namespace { 1 } else { child.pid };
                let rootfs = CString::new(self.state.rootfs.as_os_str().as_bytes()).unwrap_or_default();
                let (init, namespaces) = (child.pidfd.as_fd(), self.state.namespaces);
                let cgroup = self.made.cgroup();
                let join = if cgroup.is_users() { Join::default() } else { cgroup.join()? };
                // Of a user's own container it may not be opened, nor need it be.
                let root = format!("/proc/{}/root", child.pid);
                let root =
                    CString::new(root).ok().and_then(|root| sys::fs::open(&root, O_PATH | O_DIRECTORY).ok());
                let root = root.as_ref().map(AsFd::as_fd);
                let cgroup = if cgroup.is_users() { Entry::Moved(cgroup) } else { Entry::Join(&join) };
                let place = Place::Container { init, root, namespaces, cgroup, dir: &rootfs };
                let document = document(self.state, Status::Creating, pid);
                hooks::run(of(self.spec, Kind::CreateContainer), Kind::CreateContainer, &document, place)
            }
        }
    }

    fn cgroups(&self) -> Option<&Cgroup> {
        Some(self.made.cgroup())
    }

    fn seccomp_listener(&mut self, listener: OwnedFd, child: &Child) -> Result<()> {
        agent::tell(self.agent, self.state, Status::Creating, child.pid, &listener)
    }
}
