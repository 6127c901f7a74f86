// SPDX-License-Identifier: Apache-2.0
//! `linux.seccomp` as libseccomp would be told it by runc: verdicts, conditions, one rule per alternative.

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompOperator as Operator,
    LinuxSyscall,
};

use super::{Error, tables::Name};

/// The largest errno the kernel returns from a filter (MAX_ERRNO).
const MAX_ERRNO: u32 = 4095;

/// SECCOMP_RET_KILL_THREAD, also the verdict on a syscall of an architecture the profile does not list.
pub(super) const KILL_THREAD: u32 = 0;
pub(super) const ENOSYS: u32 = 0x0005_0000 | 38;

/// One comparison of one argument: `argument & mask OPERATOR value`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Condition {
    pub(super) argument: u8,
    pub(super) operator: Operator,
    pub(super) mask: u64,
    pub(super) value: u64,
}

impl Condition {
    /// The first argument of socketcall(2) or ipc(2).
    pub(super) fn callee(callee: u32) -> Self {
        Self { argument: 0, operator: Operator::ScmpCmpEq, mask: u64::MAX, value: callee.into() }
    }
}

/// One entry of `syscalls`.
pub(super) struct Entry<'a> {
    pub(super) verdict: u32,
    pub(super) names: Vec<(&'a str, Name)>,
    /// Alternatives of conditions that must hold together; a single empty one if there are no conditions.
    pub(super) alternatives: Vec<Vec<Condition>>,
}

pub(super) struct Profile<'a> {
    pub(super) default: u32,
    pub(super) entries: Vec<Entry<'a>>,
    /// Whether a syscall that the profile's author cannot have known of gets ENOSYS, so that libc falls back, and not
    /// the default verdict. A tracer or a log wants to see such syscalls: runc v1.0.0-rc93 patchbpf.
    pub(super) newer_is_absent: bool,
    pub(super) unknown: Vec<&'a str>,
}

impl<'a> Profile<'a> {
    pub(super) fn read(seccomp: &'a LinuxSeccomp) -> Result<Self, Error> {
        let default_action = seccomp.default_action();
        let mut profile = Self {
            default: verdict(default_action, seccomp.default_errno_ret()),
            entries: Vec::new(),
            newer_is_absent: !matches!(
                default_action,
                Action::ScmpActAllow | Action::ScmpActLog | Action::ScmpActTrace
            ),
            unknown: Vec::new(),
        };
        for (index, syscall) in seccomp.syscalls().iter().flatten().enumerate() {
            let mut names = Vec::with_capacity(syscall.names().len());
            for name in syscall.names() {
                match Name::find(name) {
                    Some(known) => names.push((name.as_str(), known)),
                    None if name.is_empty() => return Err(Error::EmptyName { entry: index }),
                    None => profile.unknown.push(name),
                }
            }
            profile.entries.push(Entry {
                verdict: verdict(syscall.action(), syscall.errno_ret()),
                names,
                alternatives: alternatives(index, syscall)?,
            });
        }
        Ok(profile)
    }
}

/// The value a filter returns. errnoRet defaults to EPERM and counts for ERRNO and TRACE only (runc's getAction).
fn verdict(action: Action, errno: Option<u32>) -> u32 {
    let errno = errno.unwrap_or(1);
    match action {
        Action::ScmpActKill | Action::ScmpActKillThread => KILL_THREAD,
        Action::ScmpActKillProcess => 0x8000_0000,
        Action::ScmpActTrap => 0x0003_0000,
        // The kernel clamps too, but only after the value has been cut to 16 bits: 65536 would mean success.
        Action::ScmpActErrno => 0x0005_0000 | errno.min(MAX_ERRNO),
        Action::ScmpActNotify => 0x7fc0_0000,
        Action::ScmpActTrace => 0x7ff0_0000 | (errno & 0xffff),
        Action::ScmpActLog => 0x7ffc_0000,
        Action::ScmpActAllow => 0x7fff_0000,
    }
}

fn alternatives(entry: usize, syscall: &LinuxSyscall) -> Result<Vec<Vec<Condition>>, Error> {
    let mut conditions = Vec::new();
    for (index, arg) in syscall.args().iter().flatten().enumerate() {
        conditions.push(condition(arg).ok_or(Error::ArgumentIndex { entry, arg: index })?);
    }
    conditions.sort_by_key(|condition: &Condition| condition.argument);
    // Two conditions on one argument are alternatives; so profiles have been read since Docker 1.10 (runc's matchCall).
    if conditions.windows(2).any(|pair| pair[0].argument == pair[1].argument) {
        return Ok(conditions.into_iter().map(|condition| vec![condition]).collect());
    }
    Ok(vec![conditions])
}

/// `None` if a syscall has no such argument.
fn condition(arg: &LinuxSeccompArg) -> Option<Condition> {
    let argument = u8::try_from(arg.index()).ok().filter(|index| *index < 6)?;
    let (mask, value) = match arg.op() {
        Operator::ScmpCmpMaskedEq => (arg.value(), arg.value() & arg.value_two().unwrap_or(0)),
        _ => (u64::MAX, arg.value()),
    };
    Some(Condition { argument, operator: arg.op(), mask, value })
}
