// SPDX-License-Identifier: Apache-2.0
//! What clients' profiles cost, beside libseccomp: `hack/bench --seccomp`.

use std::{
    ffi::{c_long, c_ulong},
    time::{Duration, Instant},
};

use oci_spec::runtime::{Arch, LinuxSeccomp};
use tare::plan::seccomp::{self, Instruction};

use super::{
    interpreter::{self, Data},
    libseccomp::{self, Optimize},
    profiles,
};

const ARCHS: [Arch; 3] = [Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];
const SYSCALLS: [&str; 6] = ["read", "write", "futex", "openat", "clock_gettime", "bpf"];
const ROUNDS: usize = 100;

#[test]
#[ignore = "a measurement: run by hack/bench --seccomp"]
fn costs() {
    for (client, profile) in profiles::clients() {
        println!("\n{client}'s profile, libseccomp {:?}", libseccomp::version());
        println!(
            "{:28} {:>6} {:>24} {:>24}  executed: {}",
            "",
            "length",
            "build µs",
            "attach µs",
            SYSCALLS.join(" ")
        );
        type Build = fn(&LinuxSeccomp) -> Vec<Instruction>;
        let builders: [(&str, Build); 3] = [
            ("tare", |profile| seccomp::compile(profile, ARCHS[0]).unwrap().program),
            ("libseccomp", |profile| libseccomp::compile(profile, &ARCHS, Optimize::Priority).unwrap()),
            ("libseccomp, binary tree", |profile| {
                libseccomp::compile(profile, &ARCHS, Optimize::Tree).unwrap()
            }),
        ];
        let programs = builders.map(|(_, build)| build(&profile));
        let mut builds: [Vec<Duration>; 3] = Default::default();
        let mut attaches: [Vec<Duration>; 3] = Default::default();
        // By turns, so that all have the same neighbours on the machine.
        for _ in 0..ROUNDS {
            for (index, (_, build)) in builders.iter().enumerate() {
                let start = Instant::now();
                std::hint::black_box(build(&profile));
                builds[index].push(start.elapsed());
                attaches[index].push(attach(&programs[index]));
            }
        }
        for (index, (builder, _)) in builders.iter().enumerate() {
            let executed = SYSCALLS.map(|name| {
                let number = libseccomp::table(ARCHS[0])[name];
                let data = Data { number, arch: ARCHS[0] as u32, args: [0; 6] };
                interpreter::run(&programs[index], &data).1.to_string()
            });
            let (build, attach) = (spread(&mut builds[index]), spread(&mut attaches[index]));
            println!(
                "{builder:28} {:>6} {build:>24} {attach:>24}  {}",
                programs[index].len(),
                executed.join(" ")
            );
        }
    }
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let micros = |at: usize| times[at].as_nanos() as f64 / 1000.0;
    format!("median {:.0} least {:.0}", micros(times.len() / 2), micros(0))
}

/// How long seccomp(2) takes, in a child that the filter is then on.
fn attach(program: &[Instruction]) -> Duration {
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Instruction,
    }
    const SECCOMP_SET_MODE_FILTER: c_ulong = 1;
    let fprog = Program { len: u16::try_from(program.len()).unwrap(), filter: program.as_ptr() };
    let mut pipe = [0; 2];
    let mut nanos = 0u64;
    // SAFETY: the child calls only what is async-signal-safe; the program outlives the call, and the kernel checks it.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let start = Instant::now();
            let result: c_long =
                libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &raw const fprog);
            let nanos = start.elapsed().as_nanos() as u64;
            if result == 0 {
                libc::write(pipe[1], (&raw const nanos).cast(), 8);
            }
            libc::_exit(0);
        }
        libc::close(pipe[1]);
        assert_eq!(libc::read(pipe[0], (&raw mut nanos).cast(), 8), 8, "seccomp(2) failed");
        libc::close(pipe[0]);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    Duration::from_nanos(nanos)
}
