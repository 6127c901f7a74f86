// SPDX-License-Identifier: Apache-2.0
//! Hooks: programs that are told of a container by its state on their standard input; of the host, but for
//! `startContainer`, whose are the image's and run with what its process may (`plan::hook`).
//!
//! They get their own environment and no other (CVE-2025-23266), no descriptor but the three
//! streams, and their time; a hook need not read what it is told.

mod born;
mod running;

use std::ffi::CStr;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci_spec::runtime::Hook;

use self::running::Running;
use crate::cgroup::{Cgroup, Join};
use crate::error::{Result, While};
use crate::plan::HookProgram;
use crate::sys;
use crate::sys::process::{self, ExecArgs};
use crate::sys::signal;

/// The property of `hooks` that a hook is listed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Prestart => "prestart",
            Kind::CreateRuntime => "createRuntime",
            Kind::CreateContainer => "createContainer",
            Kind::StartContainer => "startContainer",
            Kind::Poststart => "poststart",
            Kind::Poststop => "poststop",
        })
    }
}

/// Where hooks run.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The runtime's own namespaces, in this directory.
    Runtime(&'a CStr),
    /// In the namespaces of init while its root is still the host's, its pid namespace included, in its cgroups,
    /// and in this directory there.
    ///
    /// `root` is init's own, where it can be had: over that of its mount namespace, by which a newcomer comes in, the
    /// container's root may be mounted already, and a hook is the host's program.
    Container {
        init: BorrowedFd<'a>,
        root: Option<BorrowedFd<'a>>,
        namespaces: u64,
        cgroup: Entry<'a>,
        dir: &'a CStr,
    },
}

/// How a hook gets into the container's cgroups.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    Join(&'a Join),
    /// It waits until it has been moved there.
    Moved(&'a Cgroup),
}

/// A hook's process, just made.
#[derive(Debug)]
pub struct Born {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// All of one kind, in their order, until one fails.
///
/// # Errors
/// In runc's words: "error running createRuntime hook #0: exit status 1, stdout: , stderr: ".
pub fn run(hooks: &[Hook], kind: Kind, state: &[u8], place: Place<'_>) -> Result<()> {
    run_with(hooks, kind, state, &mut |program, streams| start(program, place, &streams))
}

/// As `run`, each made a process by `start`, which is given its streams.
///
/// # Errors
/// As `run`.
pub fn run_with(
    hooks: &[Hook],
    kind: Kind,
    state: &[u8],
    start: &mut dyn FnMut(&HookProgram, [OwnedFd; 3]) -> Result<Born>,
) -> Result<()> {
    for (i, hook) in hooks.iter().enumerate() {
        let mut run_one = || {
            let program = HookProgram::new(hook, format!("/hooks/{kind}/{i}"))?;
            let (theirs, ends) = running::streams()?;
            let Born { pid, pidfd } = start(&program, theirs)?;
            Running { pid, pidfd, ends }.talk(state, program.timeout)
        };
        run_one().map_err(|error| error.context(format!("error running {kind} hook #{i}")))?;
    }
    Ok(())
}

fn start(program: &HookProgram, place: Place<'_>, streams: &[OwnedFd; 3]) -> Result<Born> {
    let (args, env) = (ExecArgs::new(program.args.clone()), ExecArgs::new(program.env.clone()));
    let (mut cgroup, mut moved) = (None, None);
    match place {
        Place::Container { cgroup: Entry::Join(join), .. } => cgroup = join.into_cgroup(),
        Place::Container { cgroup: Entry::Moved(to), .. } => {
            moved = Some((to, sys::fs::pipe().or_unable(|| "make a pipe for a hook".into())?));
        }
        Place::Runtime(_) => {}
    }
    let entered = born::entered(place);
    let Some(born) = born::born(place, cgroup)? else {
        let gate = moved.map(|(_, (gate, _))| gate);
        become_hook(&program.path, &args, &env, (place, entered, gate), streams);
    };
    if let Some((cgroup, (_, gate))) = moved {
        let opened = cgroup.admit(born.pid).and_then(|()| {
            sys::fs::write(gate.as_fd(), b"0").map(drop).or_unable(|| "let a hook go on".into())
        });
        if let Err(error) = opened {
            let _ = process::pidfd_send_signal(born.pidfd.as_fd(), libc::SIGKILL);
            let _ = process::wait(born.pid);
            return Err(error);
        }
    }
    Ok(born)
}

/// In the child: no allocation from here to exec.
fn become_hook(
    path: &CStr,
    args: &ExecArgs,
    env: &ExecArgs,
    (place, entered, gate): (Place<'_>, u64, Option<OwnedFd>),
    streams: &[OwnedFd; 3],
) -> ! {
    let prepare = || -> sys::Result<()> {
        process::set_parent_death_signal(libc::SIGKILL)?;
        process::setsid()?;
        if let Some(gate) = gate {
            // Its other end is open in the parent alone: one that has died is an end, not a wait.
            if sys::fs::read(gate.as_fd(), &mut [0])? == 0 {
                return Err(sys::Errno::ECANCELED);
            }
        }
        if let Place::Container { cgroup: Entry::Join(join), .. } = place {
            for tasks in join.tasks() {
                sys::fs::write(tasks.as_fd(), b"0")?;
            }
        }
        for (number, stream) in (0..).zip(streams) {
            sys::fs::dup_to(stream.as_fd(), number)?;
        }
        sys::close::cloexec_from(3)?;
        match place {
            // A bundle that is gone by now is no reason not to run.
            Place::Runtime(dir) => drop(sys::fs::chdir(dir)),
            Place::Container { init, root, namespaces, dir, .. } => {
                let rest = namespaces & !entered;
                if rest != 0 {
                    process::setns(init, rest)?;
                }
                if namespaces & process::NEWUSER != 0 {
                    sys::cred::setresgid(0)?;
                    sys::cred::setresuid(0)?;
                }
                if let Some(root) = root {
                    sys::fs::fchdir(root)?;
                    sys::mount::chroot_cwd()?;
                }
                sys::fs::chdir(dir)?;
            }
        }
        signal::default_disposition(libc::SIGPIPE)?;
        signal::unblock_all()
    };
    let errno = match prepare() {
        Ok(()) => process::exec(path, args, env),
        Err(errno) => errno,
    };
    if let Ok(stderr) = sys::fs::inherited(2) {
        for text in
            [b"unable to execute ".as_slice(), path.to_bytes(), b": ", sys::words(errno).as_bytes(), b"\n"]
        {
            let _ = sys::fs::write(stderr, text);
        }
    }
    process::exit_now(127)
}
