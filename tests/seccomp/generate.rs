// SPDX-License-Identifier: Apache-2.0
//! Profiles and calls from a seeded generator.

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSyscall};
use serde_json::{Value, json};

use super::{interpreter::Data, libseccomp, model, profiles};

/// xorshift64*; a seed from SECCOMP_SEED, else always the same, so that a failure is there to be repeated.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub(crate) fn seed() -> u64 {
        std::env::var("SECCOMP_SEED")
            .ok()
            .map_or(0x7a7e, |seed| seed.parse().expect("SECCOMP_SEED is a number"))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn choose<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A native architecture and what runs beside it, as clients list them.
const MACHINES: [&[Arch]; 24] = {
    use Arch as A;
    [
        &[A::ScmpArchX86_64],
        &[A::ScmpArchX86_64, A::ScmpArchX86],
        &[A::ScmpArchX86_64, A::ScmpArchX86, A::ScmpArchX32],
        &[A::ScmpArchX86_64, A::ScmpArchX32],
        &[A::ScmpArchX86],
        &[A::ScmpArchAarch64],
        &[A::ScmpArchAarch64, A::ScmpArchArm],
        &[A::ScmpArchArm],
        &[A::ScmpArchRiscv64],
        &[A::ScmpArchLoongarch64],
        &[A::ScmpArchPpc64le],
        &[A::ScmpArchPpc64, A::ScmpArchPpc],
        &[A::ScmpArchPpc],
        &[A::ScmpArchS390x, A::ScmpArchS390],
        &[A::ScmpArchS390x],
        &[A::ScmpArchMips64, A::ScmpArchMips, A::ScmpArchMips64n32],
        &[A::ScmpArchMipsel64, A::ScmpArchMipsel, A::ScmpArchMipsel64n32],
        &[A::ScmpArchMips],
        &[A::ScmpArchMipsel],
        &[A::ScmpArchParisc64, A::ScmpArchParisc],
        &[A::ScmpArchParisc],
        &[A::ScmpArchM68k],
        &[A::ScmpArchSh],
        &[A::ScmpArchSheb],
    ]
};

/// The machines this version of the library knows.
pub(crate) fn machines() -> Vec<&'static [Arch]> {
    MACHINES.into_iter().filter(|archs| archs.iter().all(|arch| libseccomp::has(*arch))).collect()
}

/// Names on whose number libseccomp and the kernel's headers do not agree everywhere.
pub(crate) const DISPUTED: [&str; 13] = [
    // Another name of arm_sync_file_range(2) in the kernel's headers.
    "sync_file_range2",
    // 2.5.4 gives it to 64-bit PA-RISC, which has no need of it.
    "_llseek",
    // 2.5.4 as Debian 12 patched it does not have it on x32.
    "map_shadow_stack",
    // libseccomp has one number for both where neither exists, and so takes one for the other on PowerPC.
    "switch_endian",
    "sys_debug_setcontext",
    // Newer than the last 31-bit s390 headers of Debian.
    "setxattrat",
    "getxattrat",
    "listxattrat",
    "removexattrat",
    "open_tree_attr",
    "file_getattr",
    "file_setattr",
    // libseccomp 2.6 does not have it on LoongArch.
    "memfd_secret",
];

/// The names that profiles for the architecture are made of.
pub(crate) fn names(arch: Arch) -> Vec<&'static str> {
    let names = libseccomp::table(arch).keys().map(String::as_str);
    let mut names: Vec<&str> = names.filter(|name| !DISPUTED.contains(name)).collect();
    names.sort_unstable();
    names
}

const ACTIONS: [(&str, Option<u32>); 11] = [
    ("SCMP_ACT_ALLOW", None),
    ("SCMP_ACT_ERRNO", None),
    ("SCMP_ACT_ERRNO", Some(38)),
    ("SCMP_ACT_ERRNO", Some(4094)),
    ("SCMP_ACT_KILL", None),
    ("SCMP_ACT_KILL_PROCESS", None),
    ("SCMP_ACT_TRAP", None),
    ("SCMP_ACT_TRACE", Some(7)),
    ("SCMP_ACT_LOG", None),
    ("SCMP_ACT_NOTIFY", None),
    ("SCMP_ACT_KILL_THREAD", None),
];

const OPERATORS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

const VALUES: [u64; 14] = [
    0,
    1,
    2,
    5,
    0x7f,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0005,
    0x2_0000_0001,
    0x7e02_0000,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    u64::MAX,
];

/// A profile for a machine. Some have a handful of syscalls with many rules, some have hundreds without any.
pub(crate) fn profile(random: &mut Random, names: &[&'static str], archs: &[Arch]) -> LinuxSeccomp {
    let action = |random: &mut Random| *random.choose(&ACTIONS);
    let default = loop {
        let default = action(random);
        if default.0 != "SCMP_ACT_NOTIFY" {
            break default;
        }
    };
    // Mostly one list of exceptions with one verdict, as people write them.
    let usual = action(random);
    let (entries, at_most) = *random.choose(&[(3, 4), (12, 3), (6, 100), (40, 12)]);
    let pool: Vec<&str> = (0..random.below(30) + 1).map(|_| *random.choose(names)).collect();
    let many_rules = random.one_in(3);
    let mut syscalls = Vec::new();
    for _ in 0..random.below(entries) + 1 {
        let (action, errno) = if random.one_in(4) { action(random) } else { usual };
        let pool = if many_rules { &pool[..] } else { names };
        let mut listed: Vec<&str> = (0..random.below(at_most) + 1).map(|_| *random.choose(pool)).collect();
        if action == "SCMP_ACT_NOTIFY" {
            listed.retain(|name| *name != "write");
        }
        let args = if random.one_in(if many_rules { 4 } else { 2 }) {
            0
        } else {
            *random.choose(&[1, 1, 1, 2, 2, 3, 6])
        };
        let args: Vec<Value> = (0..args).map(|_| arg(random)).collect();
        let mut syscall = json!({ "names": listed, "action": action, "args": args });
        if let Some(errno) = errno {
            syscall["errnoRet"] = errno.into();
        }
        syscalls.push(syscall);
    }
    let archs: Vec<Value> = archs[1..].iter().map(|arch| serde_json::to_value(arch).unwrap()).collect();
    let mut profile = json!({
        "defaultAction": default.0, "architectures": archs, "syscalls": syscalls, "listenerPath": "/run/agent.sock"
    });
    if let Some(errno) = default.1 {
        profile["defaultErrnoRet"] = errno.into();
    }
    profiles::parse(profile)
}

fn value(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.next() >> random.below(64),
        _ => *random.choose(&VALUES),
    }
}

fn arg(random: &mut Random) -> Value {
    let index = if random.one_in(3) { random.below(6) } else { random.below(3) };
    let op = *random.choose(&OPERATORS);
    let mut arg = json!({ "index": index, "op": op, "value": value(random) });
    if op == "SCMP_CMP_MASKED_EQ" || random.one_in(5) {
        arg["valueTwo"] = value(random).into();
    }
    arg
}

/// Calls that take every number of every architecture, and every argument to and around what rules compare it to.
pub(crate) fn calls(random: &mut Random, model: &model::Model<'_>, archs: &[Arch]) -> Vec<Data> {
    let mut calls = Vec::new();
    let mut audits: Vec<u32> = archs.iter().map(|arch| model::audit(*arch)).collect();
    audits.extend([0, 0xc000_003f, 0x4000_0003]);
    audits.sort_unstable();
    audits.dedup();
    for arch in audits {
        let bases: &[u32] = match arch {
            0xc000_003e => &[0, 0x4000_0000, 0x8000_0000, 0xc000_0000],
            0x0000_0008 | 0x4000_0008 => &[0, 4000],
            0x8000_0008 | 0xc000_0008 => &[0, 5000],
            0xa000_0008 | 0xe000_0008 => &[0, 6000],
            _ => &[0],
        };
        let usual = bases.iter().flat_map(|base| *base..base + 600);
        let odd =
            [0x0e_ffff, 0x0f_0000, 0x0f_0001, 0x0f_0002, 0x0f_0005, 0x0f_0006, 0x3fff_ffff, 0x7fff_ffff];
        let odd = odd.into_iter().chain([0x8000_0000, 0xbfff_ffff, 0xffff_fffe, u32::MAX]);
        let args = std::array::from_fn(|_| value(random));
        calls.extend(usual.chain(odd).map(|number| Data { number, arch, args }));
    }
    for (arch, number, syscalls) in model.conditional() {
        let around = around(&syscalls);
        let call = |args| Data { number, arch: model::audit(arch), args };
        for one in &syscalls {
            let met = met(one);
            calls.push(call(met));
            for (index, values) in around.iter().enumerate() {
                for value in values {
                    let mut args = met;
                    args[index] = *value;
                    calls.push(call(args));
                }
            }
        }
        for _ in 0..60 {
            calls.push(call(std::array::from_fn(|index| *random.choose(&around[index]))));
        }
    }
    calls
}

/// For each argument, the values at and around those any rule compares it to.
fn around(syscalls: &[&LinuxSyscall]) -> [Vec<u64>; 6] {
    let mut around: [Vec<u64>; 6] = std::array::from_fn(|_| vec![0, 1, u64::MAX, 0x1234_5678_9abc_def0]);
    // What socketcall(2) and ipc(2) tell their callees by.
    around[0].extend(0..25);
    for arg in syscalls.iter().flat_map(|syscall| syscall.args().iter().flatten()) {
        for value in [arg.value(), arg.value_two().unwrap_or(0)] {
            let near =
                [value, value.wrapping_add(1), value.wrapping_sub(1), value ^ 1 << 32, value & 0xffff_ffff];
            let far = [value.wrapping_add(1 << 32), value.wrapping_sub(1 << 32), value | 0xffff_ffff, !value];
            around[arg.index()].extend(near.into_iter().chain(far));
        }
        around[arg.index()].push(arg.value() & arg.value_two().unwrap_or(0));
        around[arg.index()].push(!arg.value() | (arg.value() & arg.value_two().unwrap_or(0)));
    }
    for values in &mut around {
        values.sort_unstable();
        values.dedup();
    }
    around
}

/// Arguments that meet an entry's conditions, if there are such.
fn met(syscall: &LinuxSyscall) -> [u64; 6] {
    use oci_spec::runtime::LinuxSeccompOperator as Operator;
    let mut args = [0; 6];
    for arg in syscall.args().iter().flatten() {
        args[arg.index()] = match arg.op() {
            Operator::ScmpCmpEq | Operator::ScmpCmpLe | Operator::ScmpCmpGe => arg.value(),
            Operator::ScmpCmpNe | Operator::ScmpCmpGt => arg.value().wrapping_add(1),
            Operator::ScmpCmpLt => arg.value().wrapping_sub(1),
            Operator::ScmpCmpMaskedEq => arg.value() & arg.value_two().unwrap_or(0),
        };
    }
    args
}
