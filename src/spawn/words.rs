// SPDX-License-Identifier: Apache-2.0
//! Init's "step 17, EPERM" as a sentence. The parent holds the same plan, so it can name everything.
//!
//! The texts for a program that cannot be found, a mount and a working directory are runc's: Docker,
//! Podman and containerd look for their words.

use std::ffi::CStr;

use crate::channel::{Failure, Note};
use crate::error::{Error, Kind, strerror};
use crate::plan::{Plan, Request};
use crate::step::{BindMount, FsMount, Program, Source, Step};
use crate::sys::Errno;
use crate::sys::process::SchedAttr;

pub(super) fn failed(plan: &Plan, failure: &Failure) -> Error {
    if failure.step == Failure::BIRTH {
        return match failure.note {
            Note::NotInForce => Error::not_in_force("hide init from other processes"),
            _ => clone_failed(failure.errno),
        };
    }
    let Some(planned) = plan.steps.get(failure.step) else {
        return Error::sys("init failed at a step that nobody knows", failure.errno);
    };
    let error = in_words(plan, &planned.step, failure);
    let placed = !planned.place.is_empty() && !matches!(planned.step, Step::Execute);
    let error = if placed { error.at(planned.place.clone()) } else { error };
    match hint(&planned.step, failure.errno) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn in_words(plan: &Plan, step: &Step, failure: &Failure) -> Error {
    let errno = failure.errno;
    match (step, failure.note) {
        (_, Note::NotInForce) => Error::not_in_force(step),
        (Step::Mount(FsMount { target, .. }) | Step::Bind(BindMount { target, .. }), Note::InsideProc) => {
            Error::new(format!("error mounting to rootfs at {:?}", target.to_string()))
                .because(format!("{target} cannot be mounted because it is inside /proc"))
        }
        (Step::Bind(BindMount { target, .. }), Note::NotProc) => {
            Error::new(format!("error mounting to rootfs at {:?}", target.to_string()))
                .because(format!("{target} cannot be mounted because it is not of type proc"))
        }
        (Step::FindProgram(program), _) => no_program(plan, program, errno),
        (Step::Execute, _) => {
            let program = plan.args.first().map(|arg| arg.to_string_lossy()).unwrap_or_default();
            exec_failed(&program, errno)
        }
        (Step::WorkingDirectory { path, .. }, _) => Error::sys(
            format!("chdir to cwd ({:?}) set in config.json failed", path.to_string_lossy()),
            errno,
        ),
        (Step::Mount(fs), note) => no_mount(fs, note, errno),
        (Step::Bind(bind), _) => Error::sys(
            format!("error mounting {:?} to rootfs at {:?}", source_of(plan, bind), bind.target.to_string()),
            errno,
        ),
        // Podman looks for the path; the kernel's EINVAL says that there is no AppArmor, or no such profile.
        (Step::AppArmorProfile(_), _) => Error::sys("unable to apply apparmor profile", errno)
            .because("apparmor failed to apply profile: write /proc/thread-self/attr/exec"),
        (Step::SelinuxLabel(_), _) => {
            Error::sys("can't set process label", errno).because("write /proc/thread-self/attr/exec")
        }
        (Step::KeyLabel(_), _) => Error::sys("can't set the label of the session keyring", errno)
            .because("write /proc/thread-self/attr/keycreate"),
        (Step::Limits(limits), Note::Item(i)) => {
            let kind = limits.get(i).map_or(0, |limit| limit.resource);
            Error::sys(format!("error setting rlimit type {kind}"), errno)
        }
        _ => Error::sys(format!("unable to {step}"), errno),
    }
}

fn no_mount(fs: &FsMount, note: Note, errno: Errno) -> Error {
    let source = fs.source.to_string_lossy();
    let error =
        Error::sys(format!("error mounting {source:?} to rootfs at {:?}", fs.target.to_string()), errno);
    match note {
        Note::Kernel(text) => {
            let text = String::from_utf8_lossy(&text);
            error.because(text.trim_end_matches('\0').to_owned())
        }
        Note::Item(i) => match fs.nodes.get(i) {
            Some((name, _)) => error.because(format!("unable to make the device {}", name.to_string_lossy())),
            None => error,
        },
        Note::None if fs.strict_target && errno == Errno::ENOTDIR => {
            error.because(format!("filesystem {source:?} must be mounted on ordinary directory"))
        }
        Note::None | Note::NotInForce | Note::InsideProc | Note::NotProc => error,
    }
}

/// The words that people look for when a container does not start, without a place to break them: the
/// program is there, or it would not have come to this.
pub fn exec_failed(program: &str, errno: Errno) -> Error {
    let error = Error::sys(format!("exec {program}"), errno).of_kind(Kind::NotExecuted);
    match errno {
        Errno::ENOENT => {
            error.hint("the interpreter that it names after #!, or as an ELF file, is not there")
        }
        Errno::ENOEXEC => error.hint("it is made for another architecture, or a script without #!"),
        _ => error,
    }
}

fn source_of(plan: &Plan, bind: &BindMount) -> String {
    let path = match &bind.source {
        Source::Path(path) => path,
        Source::InRoot(path) => return path.to_string(),
        Source::Opened(slot) => match plan.requests.get(slot.0) {
            Some(Request::Tree { path, .. }) => path,
            _ => return String::new(),
        },
    };
    path.to_string_lossy().into_owned()
}

/// exec.LookPath's words, as Docker's exit codes 126 and 127 hang on them.
fn no_program(plan: &Plan, program: &Program, errno: Errno) -> Error {
    let name = if program.searched { plan.args.first() } else { program.candidates.first() };
    let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if program.searched {
        return Error::new(format!("exec: {name:?}: executable file not found in $PATH"));
    }
    match errno {
        Errno::EISDIR | Errno::EACCES => Error::new(format!("exec: {name:?}: {}", strerror(errno))),
        _ => Error::new(format!("exec: {name:?}: stat {name}: {}", strerror(errno))),
    }
}

fn hint(step: &Step, errno: Errno) -> Option<&'static str> {
    match (step, errno) {
        (Step::JoinKeyring(_), Errno::EDQUOT) => {
            Some("the user has as many keys as kernel.keys.maxkeys allows; --no-new-keyring does without one")
        }
        (Step::PivotRoot { .. }, Errno::EINVAL) => {
            Some("the root of the host may be a ramfs, where only --no-pivot works")
        }
        (Step::AppArmorProfile(_), Errno::EINVAL | Errno::ENOENT) => {
            Some("the host may have no AppArmor, or the profile may not be loaded (aa-status tells)")
        }
        (Step::SelinuxLabel(_) | Step::KeyLabel(_), Errno::EINVAL) => {
            Some("selinux may be disabled or not supported, or the policy may not know the label")
        }
        (Step::Scheduler(SchedAttr { policy: 6, .. }), Errno::EPERM) => Some(
            "as SCHED_DEADLINE the process scheduler can't be used together with AllowedCPUs (linux.resources.cpu.cpus)",
        ),
        (Step::Scheduler(_), Errno::EPERM) => {
            Some("realtime policies may need a share of the cpu cgroup: linux.resources.cpu.realtimeRuntime")
        }
        _ => None,
    }
}

/// mount_setattr with MOUNT_ATTR_IDMAP was refused.
pub(super) fn idmap_failed(source: &CStr, errno: Errno) -> Error {
    let error = Error::sys(format!("failed to set MOUNT_ATTR_IDMAP on {}", source.to_string_lossy()), errno);
    match errno {
        Errno::EINVAL => error.hint("the filesystem may not support id-mapped mounts on this kernel"),
        Errno::EPERM => {
            error.hint("neither a mount that is id-mapped already can be mapped, nor all filesystems")
        }
        Errno::ENOSYS => error.hint("id-mapped mounts need Linux 5.12 or later"),
        _ => error,
    }
}

/// clone3 itself was refused.
pub(super) fn clone_failed(errno: Errno) -> Error {
    if matches!(errno, Errno::EBUSY | Errno::EOPNOTSUPP) {
        return Error::sys("error adding pid of the new process to cgroups", errno)
            .hint("a v2 cgroup whose children have controllers takes no process itself");
    }
    let error = Error::sys("unable to make the container's first process", errno);
    match errno {
        Errno::ENOSPC => error.hint("a limit in /proc/sys/user/max_*_namespaces may be reached, or be 0"),
        Errno::EAGAIN => {
            error.hint("a limit on processes is reached: pids.max, RLIMIT_NPROC or kernel.pid_max")
        }
        Errno::EPERM => {
            error.hint("making namespaces is a right of root, or of who makes a user namespace too")
        }
        Errno::EINVAL => error.hint("the kernel may lack one of the namespaces in linux.namespaces"),
        _ => error,
    }
}
