// SPDX-License-Identifier: Apache-2.0
//! What a profile means, written down a second time: no graph, no order, no program.

use std::collections::HashMap;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompOperator as Operator,
    LinuxSyscall,
};

use super::{interpreter::Data, libseccomp};

const KILL_THREAD: u32 = 0;
const ENOSYS: u32 = 0x0005_0026;
const X32_BIT: u32 = 0x4000_0000;

pub(crate) struct Model<'a> {
    default: u32,
    abis: Vec<Abi<'a>>,
}

struct Abi<'a> {
    arch: Arch,
    /// The highest number named, if higher ones are absent.
    newest: Option<u32>,
    said: HashMap<u32, Vec<Said<'a>>>,
}

/// What one entry says of one number; of one callee only, if the number is a multiplexer's.
struct Said<'a> {
    syscall: &'a LinuxSyscall,
    verdict: u32,
    callee: Option<u32>,
}

/// What the profile says of one call.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Meaning {
    /// Decided before any rule is asked: libseccomp's verdict on another architecture, runc's on a newer syscall.
    Fixed(u32),
    /// The verdicts of the rules that match. If they differ, their order decides, of which the model knows nothing.
    Rules(Vec<u32>),
}

pub(crate) fn audit(arch: Arch) -> u32 {
    if arch == Arch::ScmpArchX32 { Arch::ScmpArchX86_64 as u32 } else { arch as u32 }
}

fn wide(arch: Arch) -> bool {
    let n32 = matches!(arch, Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32);
    arch as u32 & 0x8000_0000 != 0 && !n32
}

impl<'a> Model<'a> {
    /// `archs` are the native architecture and those the profile lists.
    pub(crate) fn new(seccomp: &'a LinuxSeccomp, archs: &[Arch]) -> Self {
        let default = verdict(seccomp.default_action(), seccomp.default_errno_ret());
        let permissive = [Action::ScmpActAllow, Action::ScmpActLog, Action::ScmpActTrace];
        let permissive = permissive.contains(&seccomp.default_action());
        let abis = archs.iter().map(|&arch| Abi::new(arch, seccomp, default, permissive)).collect();
        Self { default, abis }
    }

    fn abi(&self, arch: Arch) -> Option<&Abi<'a>> {
        self.abis.iter().find(|abi| abi.arch == arch)
    }

    /// Whether more than its number decides over the call.
    pub(crate) fn is_conditional(&self, call: &Data) -> bool {
        let abis = self.abis.iter().filter(|abi| audit(abi.arch) == call.arch);
        let mut said = abis.filter_map(|abi| abi.said.get(&call.number)).flatten();
        said.any(|one| one.callee.is_some() || !one.args().is_empty())
    }

    /// The numbers that a rule tells from others by more than the number.
    pub(crate) fn conditional(&self) -> Vec<(Arch, u32, Vec<&'a LinuxSyscall>)> {
        let all = self
            .abis
            .iter()
            .flat_map(|abi| abi.said.iter().map(move |(number, said)| (abi.arch, number, said)));
        let conditional = |said: &&Said<'_>| said.callee.is_some() || said.syscall.args().is_some();
        all.filter(|(.., said)| said.iter().any(|one| conditional(&one)))
            .map(|(arch, number, said)| (arch, *number, said.iter().map(|one| one.syscall).collect()))
            .collect()
    }

    /// Whether arguments have 64 bits on any of the architectures.
    pub(crate) fn wide(&self) -> bool {
        self.abis.iter().any(|abi| wide(abi.arch))
    }

    /// The entries that speak of the call's number.
    pub(crate) fn rules_of(&self, call: &Data) -> Vec<&'a LinuxSyscall> {
        let abis = self.abis.iter().filter(|abi| audit(abi.arch) == call.arch);
        let said = abis.filter_map(|abi| abi.said.get(&call.number)).flatten();
        said.map(|one| one.syscall).collect()
    }

    pub(crate) fn meaning(&self, data: &Data) -> Meaning {
        let default = self.default;
        let Some(mut abi) = self.abis.iter().find(|abi| audit(abi.arch) == data.arch) else {
            return Meaning::Fixed(KILL_THREAD);
        };
        if data.arch == Arch::ScmpArchX86_64 as u32 {
            let of = |x32| self.abi(if x32 { Arch::ScmpArchX32 } else { Arch::ScmpArchX86_64 });
            if of(data.number & X32_BIT != 0)
                .and_then(|abi| abi.newest)
                .is_some_and(|newest| data.number > newest)
            {
                return Meaning::Fixed(ENOSYS);
            }
            match of(data.number >= X32_BIT) {
                Some(right) => abi = right,
                None if data.number == u32::MAX => return Meaning::Fixed(default),
                None => return Meaning::Fixed(KILL_THREAD),
            }
        } else if let Some(newest) = abi.newest {
            let multiplexer =
                matches!(abi.arch, Arch::ScmpArchS390 | Arch::ScmpArchS390x) && data.number == 0;
            let private = abi.arch == Arch::ScmpArchArm && data.number >= 0x0f_0000;
            if multiplexer || (data.number > newest && !private) {
                return Meaning::Fixed(ENOSYS);
            }
        }
        Meaning::Rules(abi.rules(data, default))
    }
}

impl<'a> Abi<'a> {
    fn new(arch: Arch, seccomp: &'a LinuxSeccomp, default: u32, permissive: bool) -> Self {
        let numbers = libseccomp::table(arch);
        let mut newest = 0;
        let mut said: HashMap<u32, Vec<Said<'a>>> = HashMap::new();
        for syscall in seccomp.syscalls().iter().flatten() {
            let verdict = verdict(syscall.action(), syscall.errno_ret());
            for name in syscall.names() {
                let number = numbers.get(name).copied();
                newest =
                    newest.max(number.filter(|n| arch != Arch::ScmpArchArm || *n < 0x0f_0000).unwrap_or(0));
                let callee = multiplexed(arch, name).map(|(number, callee)| (number, Some(callee)));
                for (number, callee) in callee.into_iter().chain(number.map(|number| (number, None))) {
                    if verdict != default {
                        said.entry(number).or_default().push(Said { syscall, verdict, callee });
                    }
                }
            }
        }
        Self { arch, newest: (newest != 0 && !permissive).then_some(newest), said }
    }

    fn rules(&self, data: &Data, default: u32) -> Vec<u32> {
        let said = self.said.get(&data.number).map(Vec::as_slice).unwrap_or_default();
        if let Some(always) = said.iter().find(|one| one.always(self.arch)) {
            return vec![always.verdict];
        }
        let matching: Vec<u32> =
            said.iter().filter(|one| one.matches(self.arch, data)).map(|one| one.verdict).collect();
        if matching.is_empty() { vec![default] } else { matching }
    }
}

impl Said<'_> {
    fn args(&self) -> Vec<&LinuxSeccompArg> {
        self.syscall.args().iter().flatten().collect()
    }

    /// Two conditions on one argument: each is a rule of its own.
    fn repeated(&self) -> bool {
        (0..6).any(|index| self.args().iter().filter(|arg| arg.index() == index).count() > 1)
    }

    fn always(&self, arch: Arch) -> bool {
        let idle = |arg: &&LinuxSeccompArg| idle(arg, wide(arch));
        let args = self.args();
        self.callee.is_none() && (args.iter().all(idle) || (self.repeated() && args.iter().any(idle)))
    }

    fn matches(&self, arch: Arch, data: &Data) -> bool {
        let cut = |value: u64| if wide(arch) { value } else { value & 0xffff_ffff };
        if self.callee.is_some_and(|callee| cut(data.args[0]) != u64::from(callee)) {
            return false;
        }
        // The callee's own first argument is out of sight.
        let met = |arg: &&LinuxSeccompArg| {
            (self.callee.is_some() && arg.index() == 0) || holds(arg, wide(arch), data)
        };
        let args = self.args();
        if self.repeated() { args.iter().any(met) } else { args.iter().all(met) }
    }
}

/// include/uapi/linux/net.h and ipc.h: what socketcall(2) and ipc(2) call their callees.
fn multiplexed(arch: Arch, name: &str) -> Option<(u32, u32)> {
    const SOCKETCALL: [&str; 20] = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    const IPC: [(&str, u32); 12] = [
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("semtimedop", 4),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ];
    let number = |multiplexer| libseccomp::table(arch).get(multiplexer).copied();
    if let Some(index) = SOCKETCALL.iter().position(|callee| *callee == name) {
        return Some((number("socketcall")?, index as u32 + 1));
    }
    let (_, callee) = IPC.iter().find(|(callee, _)| *callee == name)?;
    Some((number("ipc")?, *callee))
}

/// A mask of nothing compares nothing.
fn idle(arg: &&LinuxSeccompArg, wide: bool) -> bool {
    let mask = if wide { arg.value() } else { arg.value() & 0xffff_ffff };
    arg.op() == Operator::ScmpCmpMaskedEq && mask == 0
}

fn holds(arg: &LinuxSeccompArg, wide: bool, data: &Data) -> bool {
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let (actual, value) = (cut(data.args[arg.index()]), cut(arg.value()));
    match arg.op() {
        Operator::ScmpCmpNe => actual != value,
        Operator::ScmpCmpLt => actual < value,
        Operator::ScmpCmpLe => actual <= value,
        Operator::ScmpCmpEq => actual == value,
        Operator::ScmpCmpGe => actual >= value,
        Operator::ScmpCmpGt => actual > value,
        Operator::ScmpCmpMaskedEq => actual & value == arg.value_two().unwrap_or(0) & value,
    }
}

fn verdict(action: Action, errno: Option<u32>) -> u32 {
    let errno = errno.unwrap_or(1);
    match action {
        Action::ScmpActKill | Action::ScmpActKillThread => KILL_THREAD,
        Action::ScmpActKillProcess => 0x8000_0000,
        Action::ScmpActTrap => 0x0003_0000,
        Action::ScmpActErrno => 0x0005_0000 + errno.min(4095),
        Action::ScmpActNotify => 0x7fc0_0000,
        Action::ScmpActTrace => 0x7ff0_0000 + errno % 65536,
        Action::ScmpActLog => 0x7ffc_0000,
        Action::ScmpActAllow => 0x7fff_0000,
    }
}
