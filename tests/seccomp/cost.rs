// SPDX-License-Identifier: Apache-2.0
//! What a filter costs each syscall, in instructions: those are the same on every machine.

use oci_spec::runtime::{Arch, LinuxSeccomp};
use tare::plan::seccomp;

use super::{
    generate::{self, Random},
    interpreter, libseccomp,
    model::Model,
    profiles,
};

/// The architecture, the number by a binary search, the verdict.
const MOST: usize = 12;

/// The most that any call takes which is decided by its number alone, and how many such calls were made.
fn most(profile: &LinuxSeccomp, archs: &[Arch]) -> (usize, usize) {
    let program = seccomp::compile(profile, archs[0]).unwrap().program;
    let model = Model::new(profile, archs);
    let calls = generate::calls(&mut Random::new(1), &model, archs);
    let executed = calls
        .iter()
        .filter(|call| !model.is_conditional(call))
        .map(|call| interpreter::run(&program, call).1);
    executed.fold((0, 0), |(most, count), executed| (most.max(executed), count + 1))
}

/// The architectures as Docker's archMap lists them for each machine, and as libseccomp knows them.
#[test]
fn clients_profiles_take_few_instructions() {
    for (client, profile) in profiles::clients() {
        for archs in generate::machines() {
            let mut profile = profile.clone();
            profile.set_architectures(Some(archs[1..].to_vec()));
            let (most, calls) = most(&profile, archs);
            println!("{client} {archs:?}: at most {most} instructions in {calls} calls");
            // MIPS alone has three, and the third is asked for last.
            let third = usize::from(archs.len() == 3 && !archs.contains(&Arch::ScmpArchX32));
            assert!(calls > 1000 && most <= MOST + third, "{client} {archs:?}: {most} in {calls} calls");
        }
    }
}

/// As they were captured: x86_64 with what the client listed.
#[test]
fn common_syscalls_take_few_instructions() {
    for (client, profile) in profiles::clients() {
        let listed = profile.architectures().clone().unwrap_or_default();
        let mut archs = vec![Arch::ScmpArchX86_64];
        archs.extend(listed.into_iter().filter(|arch| *arch != Arch::ScmpArchX86_64));
        let program = seccomp::compile(&profile, archs[0]).unwrap().program;
        for arch in archs {
            for name in ["read", "write", "futex", "openat", "clock_gettime"] {
                let number = libseccomp::table(arch)[name];
                let data = interpreter::Data { number, arch: super::model::audit(arch), args: [0; 6] };
                let (verdict, executed) = interpreter::run(&program, &data);
                assert_eq!(verdict, 0x7fff_0000, "{client} {arch:?} {name}");
                assert!(executed <= MOST, "{client} {arch:?} {name}: {executed}");
            }
        }
    }
}
