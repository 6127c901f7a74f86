// SPDX-License-Identifier: Apache-2.0
//! The rules are judged by what they let through: a small machine runs the compiled program, and a model
//! of the kernel's v1 list (security/device_cgroup.c) is fed the lines for it. Both must agree.
#![allow(clippy::unwrap_used)]

use oci_spec::runtime::LinuxDeviceCgroup;
use serde_json::{Value, json};

use super::devices::{Access, Node, Which};
use super::*;

fn rules(rules: Value) -> Result<Devices> {
    Devices::plan(&serde_json::from_value::<Vec<LinuxDeviceCgroup>>(rules).unwrap())
}

/// The eBPF machine, as far as our programs go (kernel: Documentation/bpf/standardization).
fn run(program: &[u64], context: [u32; 3]) -> u64 {
    let mut registers = [0u64; 11];
    let mut at = 0;
    loop {
        let [code, pair, o0, o1, v0, v1, v2, v3] = program[at].to_le_bytes();
        let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
        let offset = i16::from_le_bytes([o0, o1]);
        let value = u32::from_le_bytes([v0, v1, v2, v3]);
        let jump = match code {
            0x61 => {
                assert_eq!(from, 1, "only the context may be read");
                registers[to] = u64::from(context[usize::try_from(offset).unwrap() / 4]);
                false
            }
            0xb4 => {
                registers[to] = u64::from(value);
                false
            }
            0xbc => {
                registers[to] = registers[from] & 0xffff_ffff;
                false
            }
            0x54 => {
                registers[to] &= u64::from(value);
                false
            }
            0x74 => {
                registers[to] >>= value;
                false
            }
            0x56 => registers[to] != u64::from(value),
            0x16 => registers[to] == u64::from(value),
            0x5e => registers[to] != registers[from],
            0x95 => return registers[0],
            other => panic!("instruction {other:#x} at {at}"),
        };
        at += 1;
        if jump {
            at = at.checked_add_signed(offset.into()).unwrap();
        }
    }
}

/// A v1 devices cgroup: a default and a list of exceptions, with the kernel's rules for a request.
struct List {
    allow: bool,
    exceptions: Vec<(char, Option<u32>, Option<u32>, Access)>,
}

impl List {
    fn write(&mut self, change: &Change) {
        if change.rule == "a" {
            *self = List { allow: change.allow, exceptions: Vec::new() };
            return;
        }
        let words: Vec<_> = change.rule.split([' ', ':']).collect();
        let number = |word: &str| (word != "*").then(|| word.parse().unwrap());
        let key = (words[0].chars().next().unwrap(), number(words[1]), number(words[2]));
        let access = Access::parse(words[3]).unwrap();
        let found = self.exceptions.iter_mut().find(|e| (e.0, e.1, e.2) == key);
        match (change.allow == self.allow, found) {
            (true, Some(exception)) => exception.3 = exception.3.without(access),
            (true, None) => {}
            (false, Some(exception)) => exception.3 = exception.3.union(access),
            (false, None) => self.exceptions.push((key.0, key.1, key.2, access)),
        }
        self.exceptions.retain(|exception| !exception.3.is_empty());
    }

    fn permits(&self, node: char, major: u32, minor: u32, access: Access) -> bool {
        let exempt = self.exceptions.iter().any(|(n, ma, mi, held)| {
            let same = *n == node && ma.is_none_or(|m| m == major) && mi.is_none_or(|m| m == minor);
            same && if self.allow { held.overlaps(access) } else { access.without(*held).is_empty() }
        });
        exempt != self.allow
    }
}

fn list(devices: &Devices) -> List {
    let mut list = List { allow: true, exceptions: vec![('c', Some(9), Some(9), Access::ALL)] };
    devices.changes(None).iter().for_each(|change| list.write(change));
    list
}

/// Asks the program and the list, which must agree.
fn permits(devices: &Devices, node: char, major: u32, minor: u32, access: &str) -> bool {
    let wanted = Access::parse(access).unwrap();
    let kind = if node == 'b' { 1 } else { 2 };
    let answer = run(&compile(devices), [u32::from(wanted.bits()) << 16 | kind, major, minor]) == 1;
    let v1 = list(devices).permits(node, major, minor, wanted);
    assert_eq!(answer, v1, "v1 says {v1} to {node} {major}:{minor} {access}");
    answer
}

const DENY_ALL: &str = r#"[{ "allow": false, "access": "rwm" }]"#;

#[test]
fn without_an_allowing_rule_only_the_usual_devices_are_open() {
    for config in ["[]", DENY_ALL, r#"[{ "allow": false, "type": "c", "major": 4, "access": "w" }]"#] {
        let devices = rules(serde_json::from_str(config).unwrap()).unwrap();
        let usual = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, 7), (10, 200)];
        for (major, minor) in usual {
            assert!(permits(&devices, 'c', major, minor, "rw"), "{config} {major}:{minor}");
        }
        for (node, major, minor) in [('c', 1, 1), ('b', 8, 0), ('b', 1, 3), ('c', 5, 1), ('c', 9, 9)] {
            assert!(!permits(&devices, node, major, minor, "r"), "{config} {node} {major}:{minor}");
            assert!(!permits(&devices, node, major, minor, "rw"), "{config} {node} {major}:{minor}");
            assert!(permits(&devices, node, major, minor, "m"), "{config} {node} {major}:{minor}");
        }
    }
}

#[test]
fn rules_apply_in_order() {
    let allow = |major, minor, access| json!({ "allow": true, "type": "b", "major": major, "minor": minor, "access": access });
    let deny = |access| json!({ "allow": false, "type": "b", "major": 8, "minor": 1, "access": access });
    let cases = [
        (json!([allow(8, 1, "rw")]), "r w rw", ""),
        (json!([allow(8, 1, "rw"), deny("w")]), "r", "w rw"),
        (json!([deny("w"), allow(8, 1, "rw")]), "r w rw", ""),
        (json!([allow(8, 1, "r"), allow(8, 1, "w")]), "r w rw", ""),
        // One exception must hold the whole request, in the kernel too.
        (json!([allow(8, 1, "r"), allow(8, -1, "w")]), "r w", "rw"),
        (json!([allow(-1, 1, "r")]), "r", "w"),
        (json!([allow(-1, -1, "r")]), "r", "w"),
        (json!([allow(8, 1, "rw"), { "allow": false, "access": "rwm" }]), "", "r w"),
        (json!([{ "allow": true, "access": "rwm" }, deny("w")]), "r", "w rw"),
        (json!([{ "allow": true, "access": "r" }]), "r w rw", ""),
        (json!([{ "allow": true, "access": "rwm" }, deny("w"), allow(8, 1, "w")]), "r w rw", ""),
    ];
    for (config, open, shut) in cases {
        let devices = rules(config.clone()).unwrap();
        for access in open.split(' ').filter(|access| !access.is_empty()) {
            assert!(permits(&devices, 'b', 8, 1, access), "{config} {access}");
        }
        for access in shut.split(' ').filter(|access| !access.is_empty()) {
            assert!(!permits(&devices, 'b', 8, 1, access), "{config} {access}");
        }
    }
}

/// A letter more that names nothing, as runc's clients write it.
#[test]
fn an_a_among_the_letters_adds_nothing() {
    let open = |access: &str| {
        let rule = json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": access });
        rules(json!([{ "allow": false, "access": "rwm" }, rule])).unwrap()
    };
    assert_eq!(open("rwa"), open("rw"));
    assert!(permits(&open("ra"), 'c', 1, 11, "r"));
    assert!(!permits(&open("ra"), 'c', 1, 11, "w"));
}

#[test]
fn numbers_beyond_the_sign_bit_are_told_apart() {
    let config = json!([{ "allow": true, "type": "c", "major": 4_294_967_295u32, "minor": 2_147_483_648u32, "access": "r" }]);
    let devices = rules(config).unwrap();
    assert!(permits(&devices, 'c', u32::MAX, 1 << 31, "r"));
    assert!(!permits(&devices, 'c', u32::MAX, (1 << 31) + 1, "r"));
}

#[test]
fn a_rule_that_the_v1_kernel_would_pass_over_is_refused() {
    let config = json!([
        { "allow": true, "type": "c", "major": 4, "access": "rw" },
        { "allow": false, "type": "c", "major": 4, "minor": 64, "access": "w" },
    ]);
    let error = rules(config).unwrap_err().to_string();
    let expected = "unable to apply the device rule \"c 4:64 w\" (config.json: /linux/resources/devices/1): \
                    it would cut a hole into the rule \"c 4:* rw\"";
    assert_eq!(error, expected);
}

#[test]
fn a_change_of_a_running_container_shuts_nothing_that_stays_open() {
    let open = |minor| json!({ "allow": true, "type": "b", "major": 8, "minor": minor, "access": "rw" });
    let (old, new) = (rules(json!([open(1), open(2)])).unwrap(), rules(json!([open(2), open(3)])).unwrap());
    let change = |allow, rule: &str| Change { allow, rule: rule.to_owned() };
    assert_eq!(new.changes(Some(&old)), [change(false, "b 8:1 rw"), change(true, "b 8:3 rw")]);
    assert_eq!(new.changes(Some(&new)), []);
    let everything = rules(json!([{ "allow": true, "access": "rwm" }])).unwrap();
    assert_eq!(new.changes(Some(&everything))[0], change(false, "a"));
    assert_eq!(everything.changes(Some(&new))[0], change(true, "a"));
}

#[test]
fn the_list_of_the_kernel_is_read_back() {
    let devices = rules(json!([{ "allow": true, "type": "b", "major": 8, "access": "r" }])).unwrap();
    let text: String =
        devices.exceptions.iter().map(|(which, access)| format!("{which} {access}\n")).collect();
    assert_eq!(Devices::parse_list(&text), Some(devices.clone()));
    let which = Which { major: Some(8), minor: None, node: Node::Block };
    assert_eq!(devices.exceptions[&which], Access::READ);
    assert_eq!(Devices::parse_list("a *:* rwm\n").map(|d| d.allowed), Some(true));
    assert_eq!(Devices::parse_list("x 1:3 rwm\n"), None);
    assert_eq!(Devices::parse_list("c 1 rwm\n"), None);
}
