// SPDX-License-Identifier: Apache-2.0
//! Our program beside libseccomp's, over every number of every architecture; the model says who is right.
//!
//! Where they differ, libseccomp is wrong (checked with 2.5.4, 2.6.0 and 2.6.1):
//! - **A stale word.** Where rules compare more words than one (two arguments, or the halves of a 64-bit one), a rule
//!   may take the word that another has compared last for its own: `_gen_bpf_build_bpf` looks at the accumulator on the
//!   first way into a block only, and blocks of different ABIs or rules that expect different words pass for one. A rule
//!   then matches what it must not, or does not match what it must.
//! - **A lost branch.** On 64-bit ABIs a second GT or GE with the same upper word and a further condition loses its
//!   comparison of the lower word: `_db_tree_add` returns once it finds the branch for greater upper words taken.
//! - **Another order for the upper half.** On 64-bit ABIs two rules (NE, LT, LE, GT, GE) with the same upper word have
//!   one action where that word decides: not that of the rule which is asked first where the lower word decides.
//! - **Swapped twice.** For a machine of the other byte order than its own (libseccomp.rs).
//! - Its tables, in what DISPUTED lists.
//!
//! It refuses some profiles that we do not: most in which a rule has the conditions of an earlier one, or fewer, and
//! another action; and an errnoRet from 4095 on, which the kernel cuts to 4095.

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompOperator as Operator, LinuxSyscall};
use serde_json::json;
use tare::plan::seccomp::{self, Error, Instruction};

use super::{
    generate::{self, DISPUTED, Random},
    interpreter::{self, Data},
    libseccomp::{self, Optimize},
    model::{self, Meaning, Model},
    profiles,
};

#[derive(Debug, Default)]
struct Tally {
    compared: usize,
    calls: usize,
    refused: usize,
    refused_by_libseccomp: usize,
    libseccomp_wrong: usize,
    longest: usize,
}

/// Whether one of several rules goes from word to word in a way that leaves libseccomp with a stale one, or loses it a
/// branch, so that another of the matching rules may decide; `wide` if any ABI of the profile is.
fn misread(wide: bool, rules: &[&LinuxSyscall]) -> bool {
    let ops = |rule: &&LinuxSyscall| rule.args().iter().flatten().map(|arg| arg.op()).collect::<Vec<_>>();
    let other = |op: &Operator| !matches!(op, Operator::ScmpCmpEq | Operator::ScmpCmpMaskedEq);
    rules.iter().map(ops).any(|ops| ops.len() > 1 || (wide && ops.iter().any(other)))
}

fn compare(
    random: &mut Random,
    seccomp: &LinuxSeccomp,
    archs: &[Arch],
    optimize: Optimize,
    tally: &mut Tally,
) {
    let theirs = libseccomp::compile(seccomp, archs, optimize);
    let ours = match seccomp::compile(seccomp, archs[0]) {
        Ok(ours) => ours.program,
        Err(Error::TooLong) if theirs.is_err() => {
            tally.refused += 1;
            return;
        }
        Err(error) => panic!("{error}; libseccomp: {:?} instructions", theirs.map(|program| program.len())),
    };
    interpreter::check(&ours).unwrap();
    tally.compared += 1;
    tally.longest = tally.longest.max(ours.len());
    tally.refused_by_libseccomp += usize::from(theirs.is_err());
    let model = Model::new(seccomp, archs);
    for call in generate::calls(random, &model, archs) {
        tally.calls += 1;
        judge(&model, &ours, theirs.as_deref().ok(), &call, tally);
    }
}

fn judge(
    model: &Model<'_>,
    ours: &[Instruction],
    theirs: Option<&[Instruction]>,
    call: &Data,
    tally: &mut Tally,
) {
    let (ours, _) = interpreter::run(ours, call);
    let possible = match model.meaning(call) {
        // runc puts a test before the program that libseccomp makes, so that one is not asked.
        Meaning::Fixed(verdict) => return assert_eq!(ours, verdict, "{call:x?}"),
        Meaning::Rules(possible) => possible,
    };
    assert!(possible.contains(&ours), "ours: {ours:#x}, not one of {possible:x?}: {call:x?}");
    let Some((theirs, _)) = theirs.map(|program| interpreter::run(program, call)) else { return };
    if ours == theirs {
        return;
    }
    tally.libseccomp_wrong += 1;
    let rules = model.rules_of(call);
    // Either no rule that matches says what libseccomp does, or one of the bugs may have made it pass over a rule.
    let convicted = !possible.contains(&theirs) && model.is_conditional(call);
    assert!(
        convicted || misread(model.wide(), &rules),
        "ours: {ours:#x}, libseccomp: {theirs:#x}: {call:x?} {rules:?}"
    );
}

#[test]
fn clients_profiles_mean_the_same() {
    let mut random = Random::new(Random::seed());
    let mut tally = Tally::default();
    for (client, profile) in profiles::clients_without(&DISPUTED) {
        for optimize in [Optimize::Priority, Optimize::Tree] {
            for archs in generate::machines() {
                println!("{client} {archs:?} {optimize:?}");
                let mut profile = profile.clone();
                profile.set_architectures(Some(archs[1..].to_vec()));
                compare(&mut random, &profile, archs, optimize, &mut tally);
            }
        }
    }
    println!("{tally:?}");
    assert_eq!((tally.refused_by_libseccomp, tally.libseccomp_wrong), (0, 0));
}

#[test]
fn generated_profiles_mean_the_same() {
    let seed = Random::seed();
    println!("libseccomp {:?}, SECCOMP_SEED={seed}", libseccomp::version());
    let machines = generate::machines();
    let mut tally = Tally::default();
    // Unoptimised, the interpreter would take minutes.
    let profiles = if cfg!(debug_assertions) { 200 } else { 2000 };
    for number in 0..profiles {
        let mut random = Random::new(seed.wrapping_add(number << 32));
        let archs = *random.choose(&machines);
        let profile = generate::profile(&mut random, &generate::names(archs[0]), archs);
        let optimize = *random.choose(&[Optimize::Priority, Optimize::Tree]);
        compare(&mut random, &profile, archs, optimize, &mut tally);
    }
    println!("{tally:?}");
    assert!(
        tally.refused_by_libseccomp < tally.compared / 5 && tally.libseccomp_wrong < tally.calls / 200,
        "{tally:?}"
    );
}

/// Rules of one condition each, all matching much the same, each with another action: which comes first? Without the
/// comparisons that libseccomp gets wrong, so that it must agree throughout.
#[test]
fn order_is_libseccomps() {
    const ACTIONS: [&str; 4] = ["SCMP_ACT_TRAP", "SCMP_ACT_LOG", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"];
    const EQUAL: [&str; 2] = ["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"];
    const OTHER: [&str; 5] = ["SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_GE", "SCMP_CMP_GT"];
    let seed = Random::seed();
    println!("SECCOMP_SEED={seed}");
    let mut compared = 0;
    for number in 0..4000 {
        let mut random = Random::new(seed.wrapping_add(number << 32));
        let arch = *random.choose(&[
            Arch::ScmpArchX86,
            Arch::ScmpArchArm,
            Arch::ScmpArchX86_64,
            Arch::ScmpArchS390x,
        ]);
        let narrow = matches!(arch, Arch::ScmpArchX86 | Arch::ScmpArchArm);
        let ops = if narrow { [&EQUAL[..], &OTHER[..]].concat() } else { EQUAL.to_vec() };
        let scale = if narrow { 1 } else { 1 << 31 };
        let syscalls = |random: &mut Random| {
            let value = random.below(6) as u64 * scale;
            let value_two = random.below(6) as u64 * scale;
            let arg = json!({ "index": random.below(2), "op": random.choose(&ops), "value": value, "valueTwo": value_two });
            json!({ "names": ["getpid"], "action": random.choose(&ACTIONS), "args": [arg] })
        };
        let syscalls: Vec<_> = (0..random.below(4) + 2).map(|_| syscalls(&mut random)).collect();
        let profile = profiles::parse(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls }));
        let Ok(theirs) = libseccomp::compile(&profile, &[arch], Optimize::Priority) else { continue };
        let ours = seccomp::compile(&profile, arch).unwrap().program;
        compared += 1;
        for args in (0..64).map(|pair| [pair % 8 * scale, pair / 8 * scale, 0, 0, 0, 0]) {
            let call = Data { number: libseccomp::table(arch)["getpid"], arch: model::audit(arch), args };
            let (ours, theirs) = (interpreter::run(&ours, &call).0, interpreter::run(&theirs, &call).0);
            assert_eq!(ours, theirs, "{arch:?} {args:x?} {syscalls:#?}");
        }
    }
    assert!(compared > 2000, "{compared}");
}

/// Once libseccomp gets one of these right, its entry above must go.
#[test]
fn libseccomp_is_still_wrong() {
    let arg = |index: u8, op: &str, value: u64| json!({ "index": index, "op": op, "value": value });
    let stale = json!([
        rule(&[arg(0, "SCMP_CMP_EQ", 3)]),
        rule(&[arg(0, "SCMP_CMP_NE", 6), arg(1, "SCMP_CMP_EQ", 0)]),
    ]);
    let stale_half = json!([rule(&[arg(0, "SCMP_CMP_LT", 9)]), rule(&[arg(0, "SCMP_CMP_LT", 1 << 32)])]);
    let lost = json!([
        rule(&[arg(0, "SCMP_CMP_GT", 10)]),
        rule(&[arg(0, "SCMP_CMP_GT", 5), arg(1, "SCMP_CMP_EQ", 1)]),
    ]);
    for (syscalls, args) in
        [(stale, [0, 3, 0, 0, 0, 0]), (stale_half, [10, 0, 0, 0, 0, 0]), (lost, [7, 1, 0, 0, 0, 0])]
    {
        let profile = profiles::parse(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls }));
        let archs = [Arch::ScmpArchX86_64];
        let number = libseccomp::table(archs[0])["getpid"];
        let call = Data { number, arch: model::audit(archs[0]), args };
        let ours = seccomp::compile(&profile, archs[0]).unwrap().program;
        let theirs = libseccomp::compile(&profile, &archs, Optimize::Priority).unwrap();
        let model = Model::new(&profile, &archs);
        let (ours, theirs) = (interpreter::run(&ours, &call).0, interpreter::run(&theirs, &call).0);
        assert_eq!(model.meaning(&call), Meaning::Rules(vec![ours]), "{call:x?}");
        assert_ne!(ours, theirs, "{call:x?}");
    }
}

fn rule(args: &[serde_json::Value]) -> serde_json::Value {
    json!({ "names": ["getpid"], "action": "SCMP_ACT_ERRNO", "args": args })
}

/// Ours are the kernel's numbers; the library's are by other hands.
#[test]
fn tables_agree() {
    for arch in generate::machines().concat() {
        let profile = |name: &str| {
            let syscalls = json!([{ "names": [name], "action": "SCMP_ACT_LOG" }]);
            profiles::parse(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls }))
        };
        for (name, &number) in libseccomp::table(arch) {
            let program = seccomp::compile(&profile(name), arch).unwrap().program;
            let (verdict, _) =
                interpreter::run(&program, &Data { number, arch: model::audit(arch), args: [0; 6] });
            let agree = verdict == 0x7ffc_0000;
            assert!(agree || DISPUTED.contains(&name.as_str()), "{name} is not {number} on {arch:?}");
        }
    }
}
