// SPDX-License-Identifier: Apache-2.0
//! The child: from the first instruction of its own program (`init/`) to the container's.
//!
//! It performs the plan's steps in their order and reports the first that fails. Once it has its plan it
//! never allocates, locks, prints or formats: it may run under a memory limit of its own container, and
//! soon its /proc and filesystem are not to be trusted. May name: work, step, channel, sys.

mod birth;
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

#[cfg(fuzzing)]
pub use home::fuzz;

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::channel::{Failure, InitEnd, Note, Report};
use crate::step::{Slot, Step};
use crate::sys::close::Brief;
use crate::sys::{self, Errno};
use crate::work::{Birth, Exec, Given, Work};
use membership::{hide, set_domainname, set_hostname};

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

fn in_force(is: bool) -> Done {
    if is { Ok(()) } else { Err(NOT_IN_FORCE) }
}

/// What one step leaves to later ones.
struct Init<'p> {
    work: &'p Work,
    given: &'p Given,
    channel: InitEnd,
    exec: Exec,
    /// The container's root, from `OpenRoot` on.
    root: Option<OwnedFd>,
    /// Without a view of the host's mounts: its cgroups.
    cgroups: Option<OwnedFd>,
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
    times: Option<&'p OwnedFd>,
    /// Paths to mask or protect that are not there.
    absent: usize,
}

/// Performs the plan. Returns to nobody.
pub fn run(mut work: Work, given: Given, channel: InitEnd) -> ! {
    if let Some(birth) = &work.birth {
        birth::come_into_being(birth, work.dumpable_for_parent, &given, &channel);
    }
    let exec = work.exec();
    let fds = given.requests.iter().chain(&given.times).map(AsRawFd::as_raw_fd);
    let first_brief = fds.chain([2, channel.number()]).max().unwrap_or(2) + 1;
    let start_fifo = work.steps.iter().find_map(|planned| match planned.step {
        Step::AwaitStart(fifo) => Some(fifo),
        _ => None,
    });
    let mut init = Init {
        work: &work,
        given: &given,
        channel,
        exec,
        start_fifo,
        times: given.times.as_ref(),
        first_brief,
        root: None,
        cgroups: None,
        proc: None,
        null: None,
        empty: None,
        terminal: None,
        program: None,
        in_working_directory: false,
        switched: false,
        dev: None,
        start: None,
        absent: 0,
    };
    if let Err(fault) = init.begin() {
        init.fail(Failure::BIRTH, fault);
    }
    init.note_time();
    for (number, planned) in work.steps.iter().enumerate() {
        if let Err(fault) = init.perform(&planned.step) {
            init.fail(number, fault);
        }
        init.note(&planned.step);
        init.sweep();
    }
    sys::process::exit_now(1)
}

impl<'p> Init<'p> {
    /// Init dies with the parent until all is ready. A parent that was gone before we asked for the
    /// signal has closed its end of the channel.
    fn begin(&mut self) -> Done {
        sys::process::set_parent_death_signal(libc::SIGKILL)?;
        for (number, stream) in (0..).zip(&self.given.streams) {
            sys::fs::dup_to(stream.as_fd(), number)?;
        }
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
        if self.channel.parent_is_gone()? {
            sys::process::exit_now(1);
        }
        // The container's root may trace this process from the moment it shares a pid namespace
        // (CVE-2016-9962); exec of the program makes it dumpable again. Who was born once more has been hidden since
        // before, unless it has entered a user namespace, which makes it what fs.suid_dumpable says.
        let user = |birth: &Birth| birth.joins.iter().any(|(joined, _)| joined & sys::process::NEWUSER != 0);
        let hidden = self.work.birth.as_ref().is_some_and(|birth| !user(birth));
        if hidden || self.work.dumpable_for_parent { Ok(()) } else { hide() }
    }

    fn perform(&mut self, step: &'p Step) -> Done {
        match step {
            Step::JoinCgroups => self.join_cgroups(),
            Step::AwaitCgroup => self.await_cgroup(),
            Step::JoinNamespace { namespace, slot } => self.join_namespace(*namespace, *slot),
            Step::JoinContainer { namespaces, slot } => self.join_namespace(*namespaces, *slot),
            Step::NewNamespace(namespace) => self.new_namespace(*namespace),
            Step::LoopbackUp => Ok(sys::net::loopback_up()?),
            Step::AwaitIdMaps => self.await_id_maps(),
            Step::BecomeNamespaceRoot => self.become_namespace_root(),
            // No session has the number 0.
            Step::NewSession => in_force(sys::process::setsid()? > 0),
            Step::JoinKeyring(name) => self.join_keyring(name),
            Step::TimeOffsets(lines) => self.set_time_offsets(lines),

            Step::SetPropagation { propagation, depth } => self.set_propagation(*propagation, *depth),
            Step::PrivateRootParent { path } => self.private_root_parent(path),
            Step::KernelsMounts { slot, cgroups } => self.copy_kernels_mounts(*slot, *cgroups),
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

            Step::Hostname(name) => set_hostname(name.to_bytes()),
            Step::Domainname(name) => set_domainname(name.to_bytes()),
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
            Step::InPlace => Ok(self.channel.send(&Report::InPlace { absent: self.absent })?),
            Step::Ready => Ok(self.channel.send(&Report::Ready)?),
            Step::AwaitOrder => self.await_order(),
            Step::AwaitStart(fifo) => self.await_start(*fifo),
            Step::Execute => self.execute(),
        }
    }

    /// The channel, the fifo to wait at, and where times are noted.
    fn close_given(&self) {
        let start = self.start_fifo.map_or(-1, |fifo| self.fd(fifo).as_raw_fd());
        let times = self.times.map_or(-1, AsRawFd::as_raw_fd);
        sys::close::close_all_but(self.work.preserved, &mut [self.channel.number(), start, times]);
    }

    /// For who has asked (`--timings`). A filter may forbid it from here on.
    fn note(&mut self, step: &Step) {
        self.note_time();
        if matches!(step, Step::Seccomp { .. } | Step::AwaitOrder) {
            self.times = None;
        }
    }

    fn note_time(&self) {
        if let Some(times) = self.times {
            // A time that is missing is left out.
            let _ = sys::fs::write(times.as_fd(), &sys::process::now().to_ne_bytes());
        }
    }

    /// Ten thousand mounts must not run into the limit of open files.
    fn sweep(&self) {
        const MANY: i32 = 64;
        let own = [&self.root, &self.cgroups, &self.proc, &self.null, &self.empty, &self.terminal, &self.dev];
        let mut kept = own.map(|fd| fd.as_ref().map_or(-1, AsRawFd::as_raw_fd));
        Brief::sweep(self.first_brief, MANY, &mut kept);
    }

    fn fd(&self, slot: Slot) -> BorrowedFd<'p> {
        self.given.requests[slot.0].as_fd()
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
                let _ = self.channel.send(&Report::Failed(failure));
            }
        }
        sys::process::exit_now(1)
    }
}
