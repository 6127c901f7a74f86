// SPDX-License-Identifier: Apache-2.0
//! The container's hooks, at the moments of its life.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use oci_spec::runtime::{Hook, Spec};

use super::agent;
use super::document::document;
use crate::cgroup::{Cgroup, Join, Made, resctrl};
use crate::container::{Locked, Pending, ProcessRef, State, Status};
use crate::error::{Error, Result};
use crate::log;
use crate::plan::resctrl::Group;
use crate::plan::{Agent, Plan};
use crate::spawn::hooks::{self, Entry, Kind, Place};
use crate::spawn::{self, Child};
use crate::spec::list;
use crate::step::HookPoint;
use crate::sys;
use crate::sys::fs::{O_DIRECTORY, O_PATH};
use crate::timings;

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

/// Those that are made while init comes into being.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cgroups {
    Awaited,
    /// What another has in their place is not ours to remove.
    Failed,
    Made,
}

/// The parent's side of a start.
pub(super) struct Hooks<'a, 'p> {
    spec: &'a Spec,
    /// As it is to be recorded once init is ready.
    state: State,
    made: Made<'p>,
    cgroups: Cgroups,
    resctrl: Option<&'a Group>,
    agent: Option<&'a Agent>,
    new_pid_namespace: bool,
    restricted: bool,
    limited: bool,
    container: &'a Locked,
    record: Option<Pending>,
}

impl<'a, 'p> Hooks<'a, 'p> {
    pub(super) fn new(
        spec: &'a Spec,
        state: State,
        (made, resctrl): (Made<'p>, Option<&'a Group>),
        plan: &'a Plan,
        container: &'a Locked,
    ) -> Hooks<'a, 'p> {
        let new_pid_namespace = plan.clone & libc::CLONE_NEWPID as u64 != 0;
        let cgroups = if made.plan().has_v1() { Cgroups::Awaited } else { Cgroups::Made };
        Hooks {
            spec,
            state,
            made,
            cgroups,
            resctrl,
            agent: plan.seccomp_agent.as_ref(),
            new_pid_namespace,
            restricted: false,
            limited: false,
            container,
            record: None,
        }
    }

    pub(super) fn cgroups(&self) -> Cgroups {
        self.cgroups
    }

    /// Init is ready. From here on `state` and `delete` know it. The state as it is recorded.
    pub(super) fn commit(&mut self, child: &Child) -> Result<State> {
        self.limit(child)?;
        let pending = self.record.take().ok_or_else(|| Error::new("init broke the protocol"))?;
        self.container.publish(pending)?;
        Ok(std::mem::take(&mut self.state))
    }

    pub(super) fn into_made(self) -> Made<'p> {
        self.made
    }

    fn restrict_devices(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.restricted, true) { Ok(()) } else { self.made.restrict_devices() }
    }

    /// Last of all, so that a tight limit need not hold what init needs, and while it stands still, as what it charges
    /// meanwhile is in the way of a lower limit (EBUSY); but hooks of the runtime may count on the limits.
    fn limit(&mut self, child: &Child) -> Result<()> {
        self.restrict_devices()?;
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

impl spawn::Host for Hooks<'_, '_> {
    fn has_v1(&self) -> bool {
        self.made.plan().has_v1()
    }

    fn tasks(&mut self) -> Result<Vec<OwnedFd>> {
        let tasks = self.made.add_v1().inspect_err(|_| self.cgroups = Cgroups::Failed)?;
        self.cgroups = Cgroups::Made;
        timings::mark("make the cgroups of v1");
        Ok(tasks)
    }

    fn born(&mut self, child: &Child) -> Result<()> {
        self.state.init = Some(ProcessRef::of(child.pid)?);
        if self.made.plan().optional
            && let Some(record) = &mut self.state.cgroup
        {
            record.paths = self.made.cgroup().paths();
        }
        self.record = Some(self.container.prepare(&self.state)?);
        timings::mark("prepare the record of init");
        Ok(())
    }

    fn cgroup(&mut self, child: &Child) -> Result<()> {
        self.made.adopt(child.pid)
    }

    fn hooks(&mut self, point: HookPoint, child: &Child) -> Result<()> {
        self.limit(child)?;
        match point {
            HookPoint::CreateRuntime => {
                run(self.spec, Kind::Prestart, &self.state, Status::Creating, child.pid)?;
                run(self.spec, Kind::CreateRuntime, &self.state, Status::Creating, child.pid)
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
                let document = document(&self.state, Status::Creating, pid);
                hooks::run(of(self.spec, Kind::CreateContainer), Kind::CreateContainer, &document, place)
            }
        }
    }

    fn in_place(&mut self) -> Result<()> {
        timings::mark("answer init until all is in place");
        self.restrict_devices()?;
        timings::mark("restrict devices");
        Ok(())
    }

    fn cgroups(&self) -> Option<&Cgroup> {
        Some(self.made.cgroup())
    }

    fn seccomp_listener(&mut self, listener: OwnedFd, child: &Child) -> Result<()> {
        agent::tell(self.agent, &self.state, Status::Creating, child.pid, &listener)
    }
}
