// SPDX-License-Identifier: Apache-2.0
//! The child: from its first instruction after clone to the container's program.
//!
//! It performs the plan's steps in their order and reports the first that fails. It never allocates,
//! locks, prints or formats: it is a copy of the parent taken at an arbitrary moment, it may run
//! under a memory limit of its own container, and soon its /proc and filesystem are not to be
//! trusted. May name: step, channel, sys.

mod copy_up;
mod devices;
mod finish;
mod home;
mod identity;
mod labels;
mod membership;
mod mounts;
mod old_mount;
mod paths;
mod procfs;
mod resolve;
mod root;
mod terminal;

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::channel::{Failure, InitEnd, Note, Report};
use crate::step::{Planned, Slot, Step};
use crate::sys::close::Brief;
use crate::sys::process::ExecArgs;
use crate::sys::{self, Errno};

/// Everything init works with, made by the parent before clone.
#[derive(Debug)]
pub struct Work<'p> {
    pub steps: &'p [Planned],
    /// What the plan's requests were answered with; `Slot` is an index.
    pub fds: &'p [OwnedFd],
    /// cgroup v1: a `tasks` file of each hierarchy.
    pub tasks: &'p [OwnedFd],
    pub channel: InitEnd,
    /// Instead of the standard streams of the parent.
    pub streams: Option<&'p [OwnedFd; 3]>,
    pub args: ExecArgs,
    pub env: ExecArgs,
    /// Which entry of `env` is HOME's, and room for "HOME=" and a path.
    pub home: Option<(usize, &'static mut [u8])>,
    /// Signals that the caller of the runtime had ignored, by number from bit 0 as signal 1.
    pub ignored: u64,
    /// How many descriptors from 3 on are the container's.
    pub preserved: u32,
    /// The parent is an ordinary user: it may write our id maps only while we are dumpable.
    pub dumpable_for_maps: bool,
}

/// Why a step failed.
#[derive(Clone, Copy, Debug)]
struct Fault {
    errno: Errno,
    note: Note,
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Fault {
        Fault { errno, note: Note::None }
    }
}

/// A change that was made without an error and is not there.
const NOT_IN_FORCE: Fault = Fault { errno: Errno::EPERM, note: Note::NotInForce };

type Done<T = ()> = std::result::Result<T, Fault>;

/// What one step leaves to later ones.
struct Init<'p> {
    work: Work<'p>,
    /// The container's root, from `OpenRoot` on.
    root: Option<OwnedFd>,
    /// A /proc of our own, that no mount of the container's can reach.
    proc: Option<OwnedFd>,
    /// The host's /dev/null and an empty read-only directory, to mask with.
    null: Option<OwnedFd>,
    empty: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    program: Option<&'p CStr>,
    in_working_directory: bool,
    /// "/" is the container's, and the working directory is there.
    switched: bool,
    /// The `/dev` that we have filled, and what is mounted in it next.
    dev: Option<OwnedFd>,
    /// The start fifo, once the channel is closed: where a failed exec is told.
    start: Option<Slot>,
    /// Above every descriptor that the parent has given us.
    first_brief: i32,
    start_fifo: Option<Slot>,
}

/// Performs the plan. Returns to nobody.
pub fn run(work: Work<'_>) -> ! {
    let given = work.fds.iter().chain(work.tasks).map(AsRawFd::as_raw_fd);
    let first_brief = given.chain([2, work.channel.number()]).max().unwrap_or(2) + 1;
    let start_fifo = work.steps.iter().find_map(|planned| match planned.step {
        Step::AwaitStart(fifo) => Some(fifo),
        _ => None,
    });
    let mut init = Init {
        work,
        start_fifo,
        first_brief,
        root: None,
        proc: None,
        null: None,
        empty: None,
        terminal: None,
        program: None,
        in_working_directory: false,
        switched: false,
        dev: None,
        start: None,
    };
    let steps = init.work.steps;
    if let Err(fault) = init.begin() {
        init.fail(0, fault);
    }
    for (number, planned) in steps.iter().enumerate() {
        if let Err(fault) = init.perform(&planned.step) {
            init.fail(number, fault);
        }
        init.sweep();
    }
    sys::process::exit_now(1)
}

impl<'p> Init<'p> {
    /// Init dies with the parent until all is ready. A parent that was gone before we asked for the
    /// signal has closed its end of the channel.
    fn begin(&mut self) -> Done {
        sys::process::set_parent_death_signal(libc::SIGKILL)?;
        for (number, stream) in (0..).zip(self.work.streams.into_iter().flatten()) {
            sys::fs::dup_to(stream.as_fd(), number)?;
        }
        // Of what the parent had open most is not init's: the container's lock, which it would hold on to,
        // the parent's end of the channel, whose end it could then never see, directories of the host.
        self.close_all_but(true);
        // What init makes has the modes that are asked for, whatever the caller's umask is.
        sys::fs::umask(0);
        // And it runs where its cpuset lets it, wherever the caller was pinned to: since Linux 6.2 that would
        // outlast the move into another cpuset (8f9ea86fdf99). Nobody has asked for it by name, so a filter
        // around the runtime that forbids it is no reason to fail.
        let _ = sys::process::set_affinity(&[u64::MAX; 128]);
        // Who gives up a container before its start need not know that TERM would be lost on it; runc's init
        // ends of these. Now, as no filter forbids it yet.
        if self.start_fifo.is_some() {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                sys::signal::end_of(signal)?;
            }
        }
        if self.work.channel.parent_is_gone()? {
            sys::process::exit_now(1);
        }
        // The container's root may trace this process from the moment it shares a pid namespace
        // (CVE-2016-9962); exec of the program makes it dumpable again.
        if !self.work.dumpable_for_maps {
            sys::process::set_dumpable(false)?;
        }
        Ok(())
    }

    fn perform(&mut self, step: &'p Step) -> Done {
        match step {
            Step::JoinCgroups => self.join_cgroups(),
            Step::AwaitCgroup => self.await_cgroup(),
            Step::JoinNamespace { namespace, slot } => self.join_namespace(*namespace, *slot),
            Step::JoinContainer { namespaces, slot } => self.join_namespace(*namespaces, *slot),
            Step::NewNamespace(namespace) => Ok(sys::process::unshare(*namespace)?),
            Step::LoopbackUp => Ok(sys::net::loopback_up()?),
            Step::AwaitIdMaps => self.await_id_maps(),
            Step::BecomeNamespaceRoot => self.become_namespace_root(),
            Step::NewSession => Ok(sys::process::setsid()?),
            Step::JoinKeyring(name) => self.join_keyring(name),
            Step::TimeOffsets(lines) => self.set_time_offsets(lines),

            Step::SetPropagation { propagation, depth } => self.set_propagation(*propagation, *depth),
            Step::PrivateRootParent { path } => self.private_root_parent(path),
            Step::OpenRoot { path, from } => self.open_root(path, *from),
            Step::Mount(mount) => self.mount(mount),
            Step::Bind(bind) => self.bind(bind),
            Step::CgroupTree(tree) => self.cgroup_tree(tree),
            Step::Node { path, node } => self.make_node(path, node),
            Step::BindDevice { source, path } => self.bind_device(source, path),
            Step::Link { target, path } => self.make_link(target, path),
            Step::Terminal { console, size, uid } => self.allocate_terminal(*console, *size, *uid),
            Step::Hooks(point) => self.await_hooks(*point),
            Step::MakeDirectory(path) => self.make_directory(path),
            Step::Sysctl { file, value } => self.write_sysctl(file, value),
            Step::Mask { path, label } => self.mask(path, label.as_deref()),
            Step::MakeReadonly(path) => self.make_readonly(path),
            Step::Remount { path, attr } => self.remount(path, attr),
            Step::HideHostMount(path) => self.hide_host_mount(path),
            Step::PivotRoot { shared } => self.pivot_root(*shared),
            Step::MoveRoot => self.move_root(),

            Step::Hostname(name) => Ok(sys::process::set_hostname(name.to_bytes())?),
            Step::Domainname(name) => Ok(sys::process::set_domainname(name.to_bytes())?),
            Step::ReopenNull => self.reopen_null(),
            Step::TakeTerminal => self.take_terminal(),
            Step::Affinity(mask) => Ok(sys::process::set_affinity(mask)?),
            Step::Scheduler(attr) => Ok(sys::process::set_scheduler(attr)?),
            Step::IoPriority(value) => Ok(sys::process::set_io_priority(*value)?),
            Step::MemoryPolicy { mode, nodes } => Ok(sys::process::set_memory_policy(*mode, nodes)?),
            Step::Personality(domain) => Ok(sys::process::set_personality(*domain)?),
            Step::AppArmorProfile(text) => self.set_apparmor_profile(text),
            Step::SelinuxLabel(label) => self.set_selinux_label(label),
            Step::KeyLabel(label) => self.set_key_label(label),
            Step::Limits(limits) => self.set_limits(limits),
            Step::NoNewPrivileges => self.set_no_new_privileges(),
            Step::Seccomp { flags, program, listener } => self.load_seccomp(*flags, program, *listener),
            Step::Identity(identity) => self.become_identity(identity),
            Step::WorkingDirectory { path, last } => self.enter_working_directory(path, *last),
            Step::FindHome { uid } => self.find_home(*uid),
            Step::FindProgram(program) => self.find_program(program),

            Step::Settle => self.settle(),
            Step::Ready => Ok(self.work.channel.send(&Report::Ready)?),
            Step::AwaitOrder => self.await_order(),
            Step::AwaitStart(fifo) => self.await_start(*fifo),
            Step::Execute => self.execute(),
        }
    }

    /// The channel, and what the plan has asked for.
    fn close_all_but(&self, given: bool) {
        const MOST: usize = 256;
        let mut kept = [-1; MOST];
        let given = self.work.fds.iter().chain(self.work.tasks).filter(|_| given);
        let start = self.start_fifo.map(|fifo| self.fd(fifo).as_raw_fd());
        let needed = given.map(AsRawFd::as_raw_fd).chain(start).chain([self.work.channel.number()]);
        let mut count = 0;
        for (place, number) in kept.iter_mut().zip(needed) {
            *place = number;
            count += 1;
        }
        // A plan with more requests than that keeps what it has: all of it is close-on-exec.
        if count < MOST {
            sys::close::close_all_but(self.work.preserved, &mut kept[..count]);
        }
    }

    /// Ten thousand mounts must not run into the limit of open files.
    fn sweep(&self) {
        const MANY: i32 = 64;
        let own = [&self.root, &self.proc, &self.null, &self.empty, &self.terminal, &self.dev];
        let mut kept = own.map(|fd| fd.as_ref().map_or(-1, AsRawFd::as_raw_fd));
        Brief::sweep(self.first_brief, MANY, &mut kept);
    }

    fn fd(&self, slot: Slot) -> BorrowedFd<'p> {
        self.work.fds[slot.0].as_fd()
    }

    fn root(&self) -> Done<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Errno::EBADF.into())
    }

    /// Tells whoever listens, and ends.
    fn fail(&mut self, step: usize, fault: Fault) -> ! {
        match self.start {
            Some(fifo) => finish::tell_start(self.fd(fifo), step, fault.errno, self.program),
            None => {
                let failure = Failure { step, errno: fault.errno, note: fault.note };
                // With the parent gone too there is nobody left to tell.
                let _ = self.work.channel.send(&Report::Failed(failure));
            }
        }
        sys::process::exit_now(1)
    }
}
