// SPDX-License-Identifier: Apache-2.0
//! What `tare features` promises, a profile may say.

use std::process::Command;

use oci_spec::runtime::Arch;
use serde_json::{Value, json};
use tare::plan::seccomp::{self, Instruction};

use super::{
    interpreter::{self, Data},
    libseccomp, model, profiles,
};

const KILL: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const LOG: u32 = 0x7ffc_0000;

/// One of the lists of linux.seccomp.
#[expect(clippy::disallowed_methods, reason = "a test may run what it tests")]
fn promised(list: &str) -> Vec<Value> {
    let out = Command::new(env!("CARGO_BIN_EXE_tare")).arg("features").output().unwrap();
    let features: Value = serde_json::from_slice(&out.stdout).unwrap();
    let promised = features["linux"]["seccomp"][list].as_array().unwrap().clone();
    assert!(promised.len() > 3, "{list}: {promised:?}");
    promised
}

fn verdict(program: &[Instruction], arch: Arch, number: u32) -> u32 {
    interpreter::run(program, &Data { number, arch: model::audit(arch), args: [0; 6] }).0
}

fn getpid(archs: &[&Value]) -> oci_spec::runtime::LinuxSeccomp {
    let syscalls = json!([{ "names": ["getpid"], "action": "SCMP_ACT_LOG" }]);
    profiles::parse(json!({ "defaultAction": "SCMP_ACT_TRAP", "architectures": archs, "syscalls": syscalls }))
}

/// As the machine's own, and listed beside another; libseccomp tells the number where it has the architecture.
#[test]
fn every_architecture() {
    let all = promised("archs");
    let archs: Vec<Arch> = all.iter().map(|name| serde_json::from_value(name.clone()).unwrap()).collect();
    let little = |arch: Arch| arch as u32 & 0x4000_0000 != 0 || arch == Arch::ScmpArchX32;
    for (name, &arch) in all.iter().zip(&archs) {
        let beside = archs.iter().copied().find(|other| little(*other) == little(arch) && *other != arch);
        for (profile, native) in [(getpid(&[]), arch), (getpid(&[name]), beside.unwrap())] {
            let program = seccomp::compile(&profile, native).unwrap().program;
            interpreter::check(&program).unwrap();
            let low = if arch == Arch::ScmpArchX32 { 0x4000_0000 } else { 0 };
            assert_eq!(verdict(&program, arch, low + 1), TRAP, "{name} on {native:?}");
            if libseccomp::has(arch) {
                let number = libseccomp::table(arch)["getpid"];
                assert_eq!(verdict(&program, arch, number), LOG, "{name} on {native:?}");
            }
            let stranger = Data { number: 1, arch: 0, args: [0; 6] };
            assert_eq!(interpreter::run(&program, &stranger).0, KILL, "{name} on {native:?}");
        }
    }
}

#[test]
fn every_action_and_operator() {
    for action in promised("actions") {
        for op in promised("operators") {
            let args = json!([{ "index": 0, "value": 1, "valueTwo": 1, "op": op }]);
            let syscalls = json!([{ "names": ["getpid"], "action": action, "args": args }]);
            let profile =
                json!({ "defaultAction": "SCMP_ACT_LOG", "syscalls": syscalls, "listenerPath": "/agent" });
            let program = seccomp::compile(&profiles::parse(profile), Arch::ScmpArchX86_64).unwrap().program;
            interpreter::check(&program).unwrap();
        }
    }
}

#[test]
fn every_flag() {
    for flag in promised("knownFlags") {
        let syscalls = json!([{ "names": ["getpid"], "action": "SCMP_ACT_NOTIFY" }]);
        let profile = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls, "listenerPath": "/agent", "flags": [flag],
        });
        let compiled = seccomp::compile(&profiles::parse(profile), Arch::ScmpArchX86_64).unwrap();
        assert!(compiled.warnings.is_empty(), "{flag}: {:?}", compiled.warnings);
    }
}
