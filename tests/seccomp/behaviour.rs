// SPDX-License-Identifier: Apache-2.0
//! What runc makes of a profile beyond libseccomp, case by case.

use oci_spec::runtime::{Arch, LinuxSeccomp};
use serde_json::{Value, json};
use tare::plan::seccomp::{self, Error};

use super::{
    interpreter::{self, Data},
    model::audit,
    profiles,
};

const KILL: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

fn profile(default: &str, syscalls: Value) -> LinuxSeccomp {
    profiles::parse(json!({ "defaultAction": default, "syscalls": syscalls }))
}

fn verdict(profile: &LinuxSeccomp, native: Arch, arch: Arch, number: u32, args: [u64; 6]) -> u32 {
    let program = seccomp::compile(profile, native).unwrap().program;
    interpreter::check(&program).unwrap();
    interpreter::run(&program, &Data { number, arch: audit(arch), args }).0
}

/// On x86_64, number by number.
fn on_x86_64(profile: &LinuxSeccomp, number: u32) -> u32 {
    verdict(profile, Arch::ScmpArchX86_64, Arch::ScmpArchX86_64, number, [0; 6])
}

#[test]
fn actions() {
    let cases = [
        ("SCMP_ACT_KILL", None, KILL),
        ("SCMP_ACT_KILL_THREAD", Some(5), KILL),
        ("SCMP_ACT_KILL_PROCESS", None, 0x8000_0000),
        ("SCMP_ACT_TRAP", Some(5), TRAP),
        ("SCMP_ACT_ERRNO", None, EPERM),
        ("SCMP_ACT_ERRNO", Some(0), 0x0005_0000),
        ("SCMP_ACT_ERRNO", Some(4096), 0x0005_0fff),
        ("SCMP_ACT_ERRNO", Some(65536), 0x0005_0fff),
        ("SCMP_ACT_TRACE", None, 0x7ff0_0001),
        ("SCMP_ACT_TRACE", Some(0xffff), 0x7ff0_ffff),
        ("SCMP_ACT_LOG", None, LOG),
        ("SCMP_ACT_NOTIFY", None, 0x7fc0_0000),
    ];
    for (action, errno, expected) in cases {
        let mut syscall = json!({ "names": ["getpid"], "action": action });
        let mut by_default = json!({ "defaultAction": action, "syscalls": [] });
        if let Some(errno) = errno {
            syscall["errnoRet"] = json!(errno);
            by_default["defaultErrnoRet"] = json!(errno);
        }
        let named =
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [syscall], "listenerPath": "/agent" });
        assert_eq!(on_x86_64(&profiles::parse(named), 39), expected, "{action} {errno:?}");
        if action != "SCMP_ACT_NOTIFY" {
            assert_eq!(
                on_x86_64(&profiles::parse(by_default), 39),
                expected,
                "{action} {errno:?} by default"
            );
        }
    }
}

#[test]
fn what_equals_the_default_is_left_out() {
    let arg = json!([{ "index": 0, "op": "SCMP_CMP_EQ", "value": 7 }]);
    let syscalls = json!([
        { "names": ["getpid"], "action": "SCMP_ACT_ERRNO" },
        { "names": ["getpid"], "action": "SCMP_ACT_ALLOW", "args": arg },
    ]);
    let call = |value| {
        let profile = profile("SCMP_ACT_ERRNO", syscalls.clone());
        verdict(&profile, Arch::ScmpArchX86_64, Arch::ScmpArchX86_64, 39, [value, 0, 0, 0, 0, 0])
    };
    assert_eq!((call(7), call(8)), (ALLOW, EPERM));
}

#[test]
fn an_unconditional_rule_outdoes_conditional_ones_and_later_ones() {
    let arg = json!([{ "index": 0, "op": "SCMP_CMP_EQ", "value": 0 }]);
    let syscalls = json!([
        { "names": ["getpid"], "action": "SCMP_ACT_ALLOW", "args": arg },
        { "names": ["getpid"], "action": "SCMP_ACT_TRAP" },
        { "names": ["getpid"], "action": "SCMP_ACT_LOG" },
    ]);
    assert_eq!(on_x86_64(&profile("SCMP_ACT_ERRNO", syscalls), 39), TRAP);
}

#[test]
fn conditions_on_one_argument_are_alternatives() {
    let args = json!([
        { "index": 0, "op": "SCMP_CMP_EQ", "value": 1 },
        { "index": 0, "op": "SCMP_CMP_EQ", "value": 2 },
        { "index": 1, "op": "SCMP_CMP_EQ", "value": 3 },
    ]);
    let profile =
        profile("SCMP_ACT_ERRNO", json!([{ "names": ["getpid"], "action": "SCMP_ACT_ALLOW", "args": args }]));
    let call = |args| verdict(&profile, Arch::ScmpArchX86_64, Arch::ScmpArchX86_64, 39, args);
    assert_eq!(call([1, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(call([9, 3, 0, 0, 0, 0]), ALLOW);
    assert_eq!(call([9, 9, 0, 0, 0, 0]), EPERM);
}

#[test]
fn syscalls_newer_than_the_profile_are_absent() {
    use Arch as A;
    let statx = json!([{ "names": ["statx", "read"], "action": "SCMP_ACT_ALLOW" }]);
    let with = |default: &str, archs: &[Arch]| {
        profiles::parse(json!({ "defaultAction": default, "syscalls": statx, "architectures": archs }))
    };
    let strict = with("SCMP_ACT_KILL", &[A::ScmpArchX86, A::ScmpArchX32]);
    // statx(2): 332 on x86_64 and x32, 383 on x86.
    let cases = [
        (A::ScmpArchX86_64, 332, ALLOW),
        (A::ScmpArchX86_64, 331, KILL),
        (A::ScmpArchX86_64, 333, ENOSYS),
        (A::ScmpArchX86_64, 0x4000_0000 + 332, ALLOW),
        (A::ScmpArchX86_64, 0x4000_0000 + 333, ENOSYS),
        (A::ScmpArchX86_64, u32::MAX, ENOSYS),
        (A::ScmpArchX86, 383, ALLOW),
        (A::ScmpArchX86, 384, ENOSYS),
        (A::ScmpArchAarch64, 1, KILL),
    ];
    for (arch, number, expected) in cases {
        assert_eq!(verdict(&strict, A::ScmpArchX86_64, arch, number, [0; 6]), expected, "{arch:?} {number}");
    }
    for permissive in ["SCMP_ACT_LOG", "SCMP_ACT_TRACE"] {
        assert_ne!(on_x86_64(&with(permissive, &[]), 333), ENOSYS, "{permissive}");
    }
    // x32 numbers where x32 is not listed; -1 is a tracer's.
    let plain = with("SCMP_ACT_ERRNO", &[]);
    let numbers = [0x4000_0000 + 332, 0x7fff_ffff, 0x8000_0000, 0xc000_0000, u32::MAX - 1, u32::MAX];
    assert_eq!(numbers.map(|number| on_x86_64(&plain, number)), [KILL, KILL, ENOSYS, KILL, KILL, EPERM]);
    // setup(2), to which s390 resets the numbers it does not know.
    assert_eq!(verdict(&plain, A::ScmpArchS390x, A::ScmpArchS390x, 0, [0; 6]), ENOSYS);
    // set_tls(2) is numbered above all that will come.
    let arm =
        profile("SCMP_ACT_ERRNO", json!([{ "names": ["statx", "set_tls"], "action": "SCMP_ACT_ALLOW" }]));
    let numbers = [397, 398, 0x0f_0005, 0x0f_0006]
        .map(|number| verdict(&arm, A::ScmpArchArm, A::ScmpArchArm, number, [0; 6]));
    assert_eq!(numbers, [ALLOW, ENOSYS, ALLOW, EPERM]);
}

/// runc 1.5.0 overlooks names that socketcall(2) carries too, and so makes an allowed socket(2) absent.
#[test]
fn a_named_syscall_is_never_absent() {
    let named =
        profile("SCMP_ACT_ERRNO", json!([{ "names": ["read", "socket"], "action": "SCMP_ACT_ALLOW" }]));
    for (arch, socket) in [(Arch::ScmpArchPpc64le, 326), (Arch::ScmpArchS390x, 359), (Arch::ScmpArchX86, 359)]
    {
        assert_eq!(verdict(&named, arch, arch, socket, [0; 6]), ALLOW, "{arch:?}");
        assert_eq!(verdict(&named, arch, arch, 102, [1, 0, 0, 0, 0, 0]), ALLOW, "socketcall {arch:?}");
        assert_eq!(verdict(&named, arch, arch, 102, [2, 0, 0, 0, 0, 0]), EPERM, "socketcall {arch:?}");
    }
}

#[test]
fn flags() {
    const LOG: u32 = 2;
    const SPEC_ALLOW: u32 = 4;
    const NEW_LISTENER: u32 = 8;
    const WAIT_KILLABLE_RECV: u32 = 32;
    let notify = json!([{ "names": ["getpid"], "action": "SCMP_ACT_NOTIFY" }]);
    let cases = [
        (json!([]), None, SPEC_ALLOW, 0),
        (json!([]), Some(json!([])), 0, 0),
        (json!([]), Some(json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"])), LOG, 0),
        (json!([]), Some(json!(["SECCOMP_FILTER_FLAG_SPEC_ALLOW"])), SPEC_ALLOW, 0),
        (json!([]), Some(json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])), 0, 1),
        (notify.clone(), None, SPEC_ALLOW | NEW_LISTENER, 0),
        (
            notify,
            Some(json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])),
            NEW_LISTENER | WAIT_KILLABLE_RECV,
            0,
        ),
    ];
    for (syscalls, flags, expected, warnings) in cases {
        let notifies = !syscalls.as_array().unwrap().is_empty();
        let mut json = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls });
        if notifies {
            json["listenerPath"] = json!("/run/agent.sock");
        }
        if let Some(flags) = flags {
            json["flags"] = flags;
        }
        let compiled = seccomp::compile(&profiles::parse(json.clone()), Arch::ScmpArchX86_64).unwrap();
        assert_eq!(
            (compiled.flags, compiled.notify, compiled.warnings.len()),
            (expected, notifies, warnings),
            "{json}"
        );
    }
}

#[test]
fn refusals() {
    let sixth = json!([{ "index": 0, "op": "SCMP_CMP_EQ", "value": 1 }, { "index": 6, "op": "SCMP_CMP_EQ", "value": 1 }]);
    let cases = [
        (json!({ "defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/a" }), Error::NotifyByDefault),
        (
            json!({ "syscalls": [{ "names": ["read", "write"], "action": "SCMP_ACT_NOTIFY" }], "listenerPath": "/a" }),
            Error::NotifyOnWrite { entry: 0 },
        ),
        (json!({ "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_NOTIFY" }] }), Error::NoListener),
        (
            json!({ "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_NOTIFY" }], "listenerPath": "" }),
            Error::NoListener,
        ),
        (
            json!({ "syscalls": [{ "names": [""], "action": "SCMP_ACT_TRAP" }] }),
            Error::EmptyName { entry: 0 },
        ),
        (
            json!({ "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_TRAP", "args": sixth }] }),
            Error::ArgumentIndex { entry: 0, arg: 1 },
        ),
        (json!({ "architectures": ["SCMP_ARCH_S390X"] }), Error::ForeignArchitecture(Arch::ScmpArchS390x)),
    ];
    for (mut json, expected) in cases {
        if json.get("defaultAction").is_none() {
            json["defaultAction"] = json!("SCMP_ACT_ALLOW");
        }
        let error = seccomp::compile(&profiles::parse(json.clone()), Arch::ScmpArchX86_64).unwrap_err();
        assert_eq!(error, expected, "{json}");
        assert!(error.to_string().contains("(config.json: /linux/seccomp"), "{error}");
    }
}

#[test]
fn warnings() {
    let json = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent.sock", "architectures": ["SCMP_ARCH_NATIVE"],
        "syscalls": [{ "names": ["getpid", "frobnicate"], "action": "SCMP_ACT_TRAP" }],
    });
    let compiled = seccomp::compile(&profiles::parse(json), Arch::ScmpArchX86_64).unwrap();
    assert_eq!(compiled.warnings.len(), 2, "{:?}", compiled.warnings);
    assert!(compiled.warnings[0].contains("frobnicate"));
}

/// libseccomp refuses most such profiles, though not all, and always takes the first of two unconditional rules.
#[test]
fn contradictions() {
    let one = json!({ "index": 0, "op": "SCMP_CMP_EQ", "value": 1 });
    let two = json!({ "index": 1, "op": "SCMP_CMP_EQ", "value": 2 });
    let rule = |action: &str, args: &[&Value]| json!({ "names": ["getpid"], "action": action, "args": args });
    let cases = [
        (json!([rule("SCMP_ACT_TRAP", &[&one]), rule("SCMP_ACT_LOG", &[&one])]), TRAP, 1),
        (json!([rule("SCMP_ACT_TRAP", &[&one, &two]), rule("SCMP_ACT_LOG", &[&one])]), LOG, 1),
        (json!([rule("SCMP_ACT_LOG", &[&one]), rule("SCMP_ACT_TRAP", &[&one, &two])]), LOG, 1),
        (json!([rule("SCMP_ACT_LOG", &[&one]), rule("SCMP_ACT_LOG", &[&one, &two])]), LOG, 0),
        (json!([rule("SCMP_ACT_TRAP", &[&one]), rule("SCMP_ACT_LOG", &[&two])]), LOG, 0),
    ];
    for (syscalls, expected, warnings) in cases {
        let profile = profile("SCMP_ACT_ALLOW", syscalls.clone());
        let verdict = verdict(&profile, Arch::ScmpArchX86_64, Arch::ScmpArchX86_64, 39, [1, 2, 0, 0, 0, 0]);
        assert_eq!(verdict, expected, "{syscalls}");
        let compiled = seccomp::compile(&profile, Arch::ScmpArchX86_64).unwrap();
        assert_eq!(compiled.warnings.len(), warnings, "{:?}", compiled.warnings);
    }
}
