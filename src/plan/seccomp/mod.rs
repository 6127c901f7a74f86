// SPDX-License-Identifier: Apache-2.0
//! Compiles `linux.seccomp` to a filter for seccomp(2), with the meaning that libseccomp, driven by runc, would give
//! it. Runs in the parent, before the clone; pure: it reads the profile and its own tables, nothing else.
//!
//! A *condition* compares one argument, a *rule* is conditions that must all hold and a *verdict*, a syscall has any
//! number of rules. `profile` reads them, `rules` orders those of one syscall and makes their tests, `dispatch` finds
//! the syscall, `decision` is the graph that all of these build, `bpf` writes it down.
//!
//! To load a filter: once, in the single thread of init, `seccomp(SECCOMP_SET_MODE_FILTER, compiled.flags, &fprog)`
//! with `fprog` pointing at `compiled.program`; the result is the notification fd if `compiled.notify`. Before the
//! capabilities are dropped if noNewPrivileges is false (it takes CAP_SYS_ADMIN), last before execve if it is true.
//! `Instruction` has the layout of `struct sock_filter`. An empty profile is a program too and must be loaded.
//!
//! The crate seccompiler is not used: a filter of its has one action for all rules and one for the rest, knows three
//! 64-bit architectures, and makes a chain that grows with the profile. Its compiler of conditions is not to be had
//! without that, and needs the profile's order where libseccomp has its own.

mod abi;
mod bpf;
mod decision;
mod dispatch;
mod profile;
mod rules;
mod tables;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompFilterFlag as Flag};

pub use self::bpf::Instruction;
use self::{
    abi::Abi,
    dispatch::{Filter, Lookup},
    profile::Profile,
};

const SECCOMP_FILTER_FLAG_LOG: u32 = 1 << 1;
const SECCOMP_FILTER_FLAG_SPEC_ALLOW: u32 = 1 << 2;
const SECCOMP_FILTER_FLAG_NEW_LISTENER: u32 = 1 << 3;
const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

#[derive(Debug)]
pub struct Compiled {
    pub program: Vec<Instruction>,
    /// SECCOMP_FILTER_FLAG_*. SPEC_ALLOW is unknown to kernels before 4.17, which refuse it with EINVAL.
    pub flags: u32,
    /// Whether loading yields a notification fd, for the agent at `listenerPath`.
    pub notify: bool,
    pub warnings: Vec<String>,
}

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    #[error(
        "unable to build the seccomp filter (config.json: /linux/seccomp/architectures): {0} is of the other byte order"
    )]
    ForeignArchitecture(Arch),
    #[error(
        "unable to build the seccomp filter (config.json: /linux/seccomp/defaultAction): SCMP_ACT_NOTIFY cannot be used as default action"
    )]
    NotifyByDefault,
    #[error(
        "unable to build the seccomp filter (config.json: /linux/seccomp/syscalls/{entry}): SCMP_ACT_NOTIFY cannot be used for the write syscall"
    )]
    NotifyOnWrite { entry: usize },
    #[error(
        "unable to build the seccomp filter (config.json: /linux/seccomp/listenerPath): seccomp listenerPath is not set, yet SCMP_ACT_NOTIFY is used"
    )]
    NoListener,
    #[error(
        "unable to build the seccomp filter (config.json: /linux/seccomp/syscalls/{entry}/names): empty string is not a valid syscall"
    )]
    EmptyName { entry: usize },
    #[error(
        "unable to build the seccomp filter (config.json: /linux/seccomp/syscalls/{entry}/args/{arg}/index): syscalls only have up to 6 arguments"
    )]
    ArgumentIndex { entry: usize, arg: usize },
    #[error("unable to build the seccomp filter (config.json: /linux/seccomp): more than 4096 instructions")]
    TooLong,
}

/// Compiles the profile for a machine of the `native` architecture.
pub fn compile(seccomp: &LinuxSeccomp, native: Arch) -> Result<Compiled, Error> {
    let notify = notify(seccomp)?;
    let abis = abis(seccomp, native)?;
    let profile = Profile::read(seccomp)?;
    let build = |lookup| {
        let mut filter = Filter::new(&profile, lookup);
        let root = filter.build(&abis);
        let program = bpf::program(&filter.graph, root).map_err(|_| Error::TooLong)?;
        Ok((program, filter.contradictions))
    };
    let (program, contradictions) = build(Lookup::Search).or_else(|_| build(Lookup::Chain))?;
    let mut warnings = Vec::new();
    if !profile.unknown.is_empty() {
        warnings
            .push(format!("unknown syscalls in the seccomp profile ignored: {}", profile.unknown.join(", ")));
    }
    for name in contradictions {
        warnings.push(format!(
            "seccomp rules for {name} contradict each other: the more general one counts, or the first"
        ));
    }
    let flags = flags(seccomp, notify, &mut warnings);
    if seccomp.listener_path().is_some() && !notify {
        warnings.push("seccomp listenerPath is set, yet no rule uses SCMP_ACT_NOTIFY".to_owned());
    }
    Ok(Compiled { program, flags, notify, warnings })
}

/// The architecture tare is built for; `SCMP_ARCH_NATIVE` where no table has it.
pub fn native() -> Arch {
    let big_endian = cfg!(target_endian = "big");
    let narrow = cfg!(target_pointer_width = "32");
    match std::env::consts::ARCH {
        "x86_64" if narrow => Arch::ScmpArchX32,
        "x86_64" => Arch::ScmpArchX86_64,
        "x86" => Arch::ScmpArchX86,
        "aarch64" => Arch::ScmpArchAarch64,
        "arm" => Arch::ScmpArchArm,
        "riscv64" => Arch::ScmpArchRiscv64,
        "loongarch64" => Arch::ScmpArchLoongarch64,
        "powerpc64" if big_endian => Arch::ScmpArchPpc64,
        "powerpc64" => Arch::ScmpArchPpc64le,
        "powerpc" => Arch::ScmpArchPpc,
        "s390x" => Arch::ScmpArchS390x,
        "mips" if big_endian => Arch::ScmpArchMips,
        "mips" => Arch::ScmpArchMipsel,
        "mips64" if big_endian => Arch::ScmpArchMips64,
        "mips64" => Arch::ScmpArchMipsel64,
        "m68k" => Arch::ScmpArchM68k,
        _ => Arch::ScmpArchNative,
    }
}

/// Whether a rule notifies. The rule on write(2) is runc's: its init, filtered already, must write to its parent.
fn notify(seccomp: &LinuxSeccomp) -> Result<bool, Error> {
    if seccomp.default_action() == Action::ScmpActNotify {
        return Err(Error::NotifyByDefault);
    }
    let mut notify = false;
    for (entry, syscall) in seccomp.syscalls().iter().flatten().enumerate() {
        if syscall.action() == Action::ScmpActNotify {
            notify |= !syscall.names().is_empty();
            if syscall.names().iter().any(|name| name == "write") {
                return Err(Error::NotifyOnWrite { entry });
            }
        }
    }
    if notify && seccomp.listener_path().as_ref().is_none_or(|path| path.as_os_str().is_empty()) {
        return Err(Error::NoListener);
    }
    Ok(notify)
}

/// The native architecture first, then those listed.
fn abis(seccomp: &LinuxSeccomp, native: Arch) -> Result<Vec<Abi>, Error> {
    let mut abis: Vec<Abi> = Abi::new(native).into_iter().collect();
    for &arch in seccomp.architectures().iter().flatten() {
        let Some(abi) = Abi::new(arch) else { continue };
        if abis.first().is_some_and(|native| native.little_endian() != abi.little_endian()) {
            return Err(Error::ForeignArchitecture(arch));
        }
        if abis.iter().all(|known| known.arch != arch) {
            abis.push(abi);
        }
    }
    Ok(abis)
}

fn flags(seccomp: &LinuxSeccomp, notify: bool, warnings: &mut Vec<String>) -> u32 {
    let mut flags = if notify { SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // Absent is not empty: without the field runc v1.1.0 and later do not have a filter mitigate Spectre v4.
    let Some(listed) = seccomp.flags() else { return flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW };
    for flag in listed {
        flags |= match flag {
            Flag::SeccompFilterFlagLog => SECCOMP_FILTER_FLAG_LOG,
            Flag::SeccompFilterFlagSpecAllow => SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            // init has one thread, and the kernel will not have TSYNC with a listener.
            Flag::SeccompFilterFlagTsync => 0,
            Flag::SeccompFilterFlagWaitKillableRecv if notify => SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
            Flag::SeccompFilterFlagWaitKillableRecv => {
                // The kernel answers EINVAL to it without a listener.
                warnings.push(
                    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV ignored: no rule uses SCMP_ACT_NOTIFY".to_owned(),
                );
                0
            }
        };
    }
    flags
}
