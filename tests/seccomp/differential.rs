// SPDX-License-Identifier: Apache-2.0
//! Our program beside libseccomp's and beside the model, over every number of every architecture.

use oci_spec::runtime::{Arch, LinuxSeccomp};
use tare::plan::seccomp::{self, Error};

use super::{
    generate::{self, Random},
    interpreter::{self, Data},
    libseccomp::{self, Optimize},
    model::{Meaning, Model},
    profiles,
};

#[derive(Default, Debug)]
struct Tally {
    compared: usize,
    refused_by_both: usize,
    refused_by_libseccomp: usize,
    calls: usize,
    missed: usize,
    reordered: usize,
}

fn compare(random: &mut Random, seccomp: &LinuxSeccomp, archs: &[Arch], optimize: Optimize, tally: &mut Tally) {
    let ours = seccomp::compile(seccomp, archs[0]);
    let theirs = libseccomp::compile(seccomp, archs, optimize);
    let ours = match (&ours, &theirs) {
        (Ok(ours), _) => &ours.program,
        (Err(Error::Contradiction { .. } | Error::TooLong), Err(_)) => {
            tally.refused_by_both += 1;
            return;
        }
        (Err(error), _) => panic!("{error}; libseccomp: {:?}", theirs.map(|program| program.len())),
    };
    interpreter::check(ours).unwrap();
    tally.refused_by_libseccomp += usize::from(theirs.is_err());
    tally.compared += 1;
    let model = Model::new(seccomp, archs);
    for call in generate::calls(random, &model, archs, false) {
        tally.calls += 1;
        if archs.contains(&Arch::ScmpArchParisc64) && call.arch == 0x8000000f && call.number==140 || (call.arch == 0x40000028 && call.number == 341) || call.number == 0x400001c5 { continue; }
        let (our_verdict, _) = interpreter::run(ours, &call);
        let possible = match model.meaning(&call) {
            Meaning::Fixed(verdict) => {
                assert_eq!(our_verdict, verdict, "{call:x?}");
                continue;
            }
            Meaning::Rules(possible) => possible,
        };
        assert!(possible.contains(&our_verdict), "{our_verdict:x}, not of {possible:x?}: {call:x?}");
        let Ok(theirs) = &theirs else { continue };
        let (their_verdict, _) = interpreter::run(theirs, &call);
        if their_verdict != our_verdict {
            tally.missed += usize::from(!possible.contains(&their_verdict));
            if !possible.contains(&their_verdict) && tally.missed < 50 { println!("MISS {optimize:?} {call:x?} ours {our_verdict:x} theirs {their_verdict:x}"); }
            if possible.contains(&their_verdict) { tally.reordered += 1; if tally.reordered < 6 { 
                let names: Vec<_> = archs.iter().flat_map(|a| libseccomp::table(*a).iter().filter(|(_,n)| **n==call.number).map(|(k,_)| k.clone())).collect();
                println!("REORD {call:x?} ours {our_verdict:x} theirs {their_verdict:x} {names:?}");
                for s in seccomp.syscalls().iter().flatten() { if s.names().iter().any(|n| names.contains(n)) { println!("   {:?} {:?} {:?}", s.action(), s.errno_ret(), s.args()); } }
            } }
        }
    }
}

#[test]
fn clients_profiles_mean_the_same() {
    let mut random = Random::new(Random::seed());
    let mut tally = Tally::default();
    for (client, profile) in profiles::clients() {
        for optimize in [Optimize::Priority, Optimize::Tree] {
            for archs in generate::machines() {
                let mut profile = profile.clone();
                profile.set_architectures(Some(archs[1..].to_vec()));
                println!("{client} {archs:?} {optimize:?}");
                compare(&mut random, &profile, archs, optimize, &mut tally);
            }
        }
    }
    println!("{tally:?}");
}

#[test]
fn generated_profiles_mean_the_same() {
    let seed = Random::seed();
    println!("libseccomp {:?}, SECCOMP_SEED={seed}", libseccomp::version());
    let machines = generate::machines();
    let mut tally = Tally::default();
    for number in 0..2000 {
        let mut random = Random::new(seed.wrapping_add(number << 32));
        let archs = *random.choose(&machines);
        let mut names: Vec<&str> = libseccomp::table(archs[0]).keys().map(String::as_str).collect();
        names.sort_unstable();
        let profile = generate::profile(&mut random, &names, archs);
        let optimize = *random.choose(&[Optimize::Priority, Optimize::Tree]);
        compare(&mut random, &profile, archs, optimize, &mut tally);
    }
    println!("{tally:?}");
}
