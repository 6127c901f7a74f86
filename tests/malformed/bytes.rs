// SPDX-License-Identifier: Apache-2.0
//! Configs cut off, with bytes exchanged, and very long.

use serde_json::{Value, json};
use tare::spec;

use crate::decide::{decide, full};

/// Cut off at every byte: no JSON, and said so.
#[test]
fn every_beginning_of_a_config() {
    let text = full().to_string();
    for end in 0..text.len() {
        let error = decide(&text.as_bytes()[..end]).unwrap_err();
        assert!(error.starts_with("unable to parse config.json"), "{end}: {error}");
    }
}

/// Every byte in turn is no UTF-8.
#[test]
fn every_byte_wrong() {
    let text = full().to_string();
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = 0xff;
        assert!(decide(&bytes).is_err(), "byte {at}");
    }
}

/// Many of each list: no time beyond the linear, and no stack.
#[test]
fn ten_thousand_of_each() {
    let config = full();
    let many = |place: &str, count: usize, one: &dyn Fn(usize) -> Value| {
        let mut config = config.clone();
        *config.pointer_mut(place).unwrap() = (0..count).map(one).collect();
        decide(config.to_string().as_bytes())
    };
    many("/process/env", 100_000, &|n| json!(format!("K{n}=v"))).unwrap();
    many("/process/args", 100_000, &|_| json!("x")).unwrap();
    many("/process/user/additionalGids", 65_536, &|n| json!(n)).unwrap();
    many("/linux/maskedPaths", 10_000, &|n| json!(format!("/proc/{n}"))).unwrap();
    many("/hooks/prestart", 1000, &|_| json!({ "path": "/bin/true" })).unwrap();
    let mount = |n| json!({ "destination": format!("/m/{n}"), "type": "tmpfs", "source": "t" });
    many("/mounts", 10_000, &mount).unwrap();
    let device = |n| json!({ "allow": true, "type": "c", "major": n, "minor": n, "access": "rwm" });
    many("/linux/resources/devices", 5000, &device).unwrap();
    let rlimit = |_| json!({ "type": "RLIMIT_NOFILE", "soft": 1, "hard": 1 });
    assert!(many("/process/rlimits", 1000, &rlimit).unwrap_err().contains("/process/rlimits"));
}

/// xorshift: the same numbers every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// Bytes that parsers and paths care about, put in, taken out and doubled: whatever comes, it is decided, and what is
/// decided stays in the root. MUTATIONS=n for more of them.
#[test]
fn bytes_at_random() {
    let text = full().to_string().into_bytes();
    let count = std::env::var("MUTATIONS").map_or(3000, |n| n.parse().unwrap());
    let bytes = b"\0/.\"\\{}[],:-+e0189 \n\x7f\xffatrue";
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for _ in 0..count {
        let mut config = text.clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(config.len());
            match numbers.below(4) {
                0 => config[at] = bytes[numbers.below(bytes.len())],
                1 => config.insert(at, bytes[numbers.below(bytes.len())]),
                2 => drop(config.remove(at)),
                _ => {
                    let end = (at + numbers.below(40)).min(config.len());
                    let part = config[at..end].to_vec();
                    let to = numbers.below(config.len());
                    config.splice(to..to, part);
                }
            }
        }
        accepted += u32::from(decide(&config).is_ok());
        let _ = spec::process(&config);
    }
    eprintln!("{accepted} of {count} accepted");
}
