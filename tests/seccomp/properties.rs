// SPDX-License-Identifier: Apache-2.0
//! What holds of every program: the kernel takes it, it ends, and it is no longer than libseccomp's.

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};
use serde_json::{Value, json};
use tare::plan::seccomp::{self, Error};

use super::{
    generate::{self, Random},
    interpreter::{self, Data},
    libseccomp::{self, Optimize},
    model::{self, Model},
    profiles,
};

/// Many values of one argument; with few architectures the jumps are long, with many the program is.
fn values(count: u64, archs: &[Arch], op: &str) -> LinuxSeccomp {
    let arg = |value: u64| json!({ "index": 0, "op": op, "value": 3 * value });
    let rule = |value| json!({ "names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [arg(value)] });
    let names = ["read", "write", "futex", "openat", "clock_gettime", "exit_group"];
    let mut syscalls: Vec<Value> = (0..count).map(rule).collect();
    syscalls.push(json!({ "names": names, "action": "SCMP_ACT_ALLOW" }));
    profiles::parse(
        json!({ "defaultAction": "SCMP_ACT_ERRNO", "architectures": archs, "syscalls": syscalls }),
    )
}

/// What runc adds to libseccomp's program for newer syscalls is in ours from the beginning.
const STUB: usize = 12;

#[test]
fn no_longer_than_libseccomps() {
    const ALL: [Arch; 3] = [Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];
    for (count, op) in
        [(10, "SCMP_CMP_EQ"), (250, "SCMP_CMP_EQ"), (1000, "SCMP_CMP_EQ"), (400, "SCMP_CMP_MASKED_EQ")]
    {
        for archs in [&ALL[..1], &ALL] {
            let profile = values(count, archs, op);
            let ours = seccomp::compile(&profile, archs[0]).unwrap().program;
            interpreter::check(&ours).unwrap();
            let theirs = libseccomp::compile(&profile, archs, Optimize::Priority).unwrap();
            println!("{count} {op} {archs:?}: {} instructions, libseccomp {}", ours.len(), theirs.len());
            assert!(ours.len() <= theirs.len() + STUB);
        }
    }
    for (client, profile) in profiles::clients() {
        let ours = seccomp::compile(&profile, ALL[0]).unwrap().program;
        let theirs = libseccomp::compile(&profile, &ALL, Optimize::Tree).unwrap();
        println!("{client}: {} instructions, libseccomp {}", ours.len(), theirs.len());
        assert!(ours.len() <= theirs.len() + STUB);
    }
}

/// Where libseccomp comes to the kernel's limit: whatever it can still make, we can. Every second number is named, which
/// takes a search twice as many tests as a chain; without runc's rule on newer syscalls, which libseccomp does not have.
#[test]
fn libseccomps_longest_is_not_too_long() {
    const LIMIT: usize = 4096;
    const CASES: [(&[Arch], &str); 2] =
        [(&[Arch::ScmpArchX86], "SCMP_CMP_EQ"), (&[Arch::ScmpArchX86_64, Arch::ScmpArchX86], "SCMP_CMP_LT")];
    for (archs, op) in CASES {
        let table = libseccomp::table(archs[0]).iter();
        let sparse = table.filter(|(name, number)| *number % 2 == 0 && *name != "personality");
        let sparse: Vec<&String> = sparse.map(|(name, _)| name).collect();
        let allowed = json!([{ "names": sparse, "action": "SCMP_ACT_ALLOW" }]);
        let profile = |count| {
            let mut profile = values(count, archs, op);
            let allowed: Vec<LinuxSyscall> = serde_json::from_value(allowed.clone()).unwrap();
            let all = allowed.into_iter().chain(profile.syscalls().clone().unwrap()).collect();
            profile.set_syscalls(Some(all)).set_default_action(LinuxSeccompAction::ScmpActLog);
            profile
        };
        let theirs = |count| libseccomp::compile(&profile(count), archs, Optimize::Priority).unwrap();
        let [few, many] = [theirs(200).len(), theirs(400).len()];
        // About as many as fit, and back from there to some that do.
        let mut count = 408 + 200 * (LIMIT - many) as u64 / (many - few) as u64;
        while theirs(count).len() > LIMIT {
            count -= 4;
        }
        let (ours, theirs) = (seccomp::compile(&profile(count), archs[0]), theirs(count));
        let ours = ours.unwrap_or_else(|error| panic!("{count} {op} {archs:?}: {error}")).program;
        interpreter::check(&ours).unwrap();
        println!("{count} {op} {archs:?}: {} instructions, libseccomp {}", ours.len(), theirs.len());
        for (arch, number) in archs.iter().flat_map(|arch| (0..600).map(move |number| (arch, number))) {
            let data = Data { number, arch: model::audit(*arch), args: [u64::from(number); 6] };
            assert_eq!(interpreter::run(&ours, &data).0, interpreter::run(&theirs, &data).0, "{data:x?}");
        }
    }
}

#[test]
fn too_long_is_refused() {
    let profile = values(5000, &[Arch::ScmpArchX86_64], "SCMP_CMP_EQ");
    assert_eq!(seccomp::compile(&profile, Arch::ScmpArchX86_64).unwrap_err(), Error::TooLong);
}

/// Rules without end for few syscalls, on every architecture of one byte order at once.
#[test]
fn wild_profiles_are_sound() {
    let seed = Random::seed();
    println!("SECCOMP_SEED={seed}");
    let (little, big): (Vec<Arch>, Vec<Arch>) = generate::machines()
        .concat()
        .into_iter()
        .partition(|arch| *arch as u32 & 0x4000_0000 != 0 || *arch == Arch::ScmpArchX32);
    for number in 0..300 {
        let mut random = Random::new(seed.wrapping_add(number << 32) ^ 0x5eed);
        let mut archs = if random.one_in(2) { little.clone() } else { big.clone() };
        archs.sort_by_cached_key(|_| random.next());
        archs.dedup();
        let profile = generate::profile(&mut random, &generate::names(archs[0]), &archs);
        let program = match seccomp::compile(&profile, archs[0]) {
            Ok(compiled) => compiled.program,
            Err(Error::TooLong) => continue,
            Err(error) => panic!("{error}"),
        };
        interpreter::check(&program).unwrap();
        let model = Model::new(&profile, &archs);
        for call in generate::calls(&mut random, &model, &archs).iter().step_by(7) {
            let (_, executed) = interpreter::run(&program, call);
            assert!(executed <= program.len());
        }
    }
}
