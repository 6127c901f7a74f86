// SPDX-License-Identifier: Apache-2.0
//! Whatever the profile, the compiler refuses it or makes a program that the kernel takes and that ends.
#![no_main]

#[path = "../../tests/seccomp/interpreter.rs"]
mod interpreter;

use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArgBuilder,
    LinuxSeccompOperator as Operator, LinuxSyscall,
};
use tare::plan::seccomp;

const ARCHS: [Arch; 20] = [
    Arch::ScmpArchX86_64,
    Arch::ScmpArchX86,
    Arch::ScmpArchX32,
    Arch::ScmpArchAarch64,
    Arch::ScmpArchArm,
    Arch::ScmpArchRiscv64,
    Arch::ScmpArchLoongarch64,
    Arch::ScmpArchPpc64le,
    Arch::ScmpArchMipsel64,
    Arch::ScmpArchMipsel64n32,
    Arch::ScmpArchS390x,
    Arch::ScmpArchS390,
    Arch::ScmpArchPpc64,
    Arch::ScmpArchPpc,
    Arch::ScmpArchMips,
    Arch::ScmpArchMips64n32,
    Arch::ScmpArchParisc64,
    Arch::ScmpArchM68k,
    Arch::ScmpArchSheb,
    Arch::ScmpArchNative,
];

const NAMES: [&str; 16] = [
    "read",
    "write",
    "socket",
    "accept4",
    "semop",
    "shmctl",
    "clone",
    "personality",
    "statx",
    "set_tls",
    "futex",
    "openat",
    "uselib",
    "riscv_flush_icache",
    "no such syscall",
    "",
];

const ACTIONS: [Action; 9] = [
    Action::ScmpActAllow,
    Action::ScmpActErrno,
    Action::ScmpActKill,
    Action::ScmpActKillThread,
    Action::ScmpActKillProcess,
    Action::ScmpActLog,
    Action::ScmpActNotify,
    Action::ScmpActTrace,
    Action::ScmpActTrap,
];

const OPERATORS: [Operator; 7] = [
    Operator::ScmpCmpEq,
    Operator::ScmpCmpGe,
    Operator::ScmpCmpGt,
    Operator::ScmpCmpLe,
    Operator::ScmpCmpLt,
    Operator::ScmpCmpMaskedEq,
    Operator::ScmpCmpNe,
];

#[derive(Arbitrary, Debug)]
struct Input {
    native: u8,
    archs: Vec<u8>,
    default: u8,
    rules: Vec<Rule>,
    calls: Vec<(u8, u32, [u64; 6])>,
}

#[derive(Arbitrary, Debug)]
struct Rule {
    names: Vec<u8>,
    action: u8,
    errno: Option<u32>,
    args: Vec<(u8, u8, u64, Option<u64>)>,
}

fn of<T: Copy>(choices: &[T], index: u8) -> T {
    choices[usize::from(index) % choices.len()]
}

fn syscall(rule: &Rule) -> LinuxSyscall {
    let mut syscall = LinuxSyscall::default();
    syscall.set_names(rule.names.iter().map(|name| of(&NAMES, *name).to_owned()).collect());
    syscall.set_action(of(&ACTIONS, rule.action));
    syscall.set_errno_ret(rule.errno);
    let arg = |&(index, op, value, value_two): &(u8, u8, u64, Option<u64>)| {
        let arg = LinuxSeccompArgBuilder::default()
            .index(usize::from(index % 7))
            .value(value)
            .op(of(&OPERATORS, op));
        let arg = if let Some(value_two) = value_two { arg.value_two(value_two) } else { arg };
        arg.build().expect("all fields are there")
    };
    syscall.set_args(Some(rule.args.iter().map(arg).collect()));
    syscall
}

fuzz_target!(|input: Input| {
    let mut profile = LinuxSeccomp::default();
    profile.set_default_action(of(&ACTIONS, input.default));
    profile.set_architectures(Some(input.archs.iter().map(|arch| of(&ARCHS, *arch)).collect()));
    profile.set_syscalls(Some(input.rules.iter().map(syscall).collect()));
    profile.set_listener_path(Some("/run/agent.sock".into()));
    let Ok(compiled) = seccomp::compile(&profile, of(&ARCHS, input.native)) else { return };
    interpreter::check(&compiled.program).expect("a program the kernel takes");
    for (arch, number, args) in input.calls {
        let arch = of(&ARCHS, arch) as u32;
        interpreter::run(&compiled.program, &interpreter::Data { number, arch, args });
    }
});
