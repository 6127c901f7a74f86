// SPDX-License-Identifier: Apache-2.0
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, only_tare};

fn with(limits: Value) -> Container {
    Container::new().set("/process/rlimits", limits)
}

/// Soft and hard limit by the name of /proc/PID/limits.
fn limits(c: Container, names: &[&str]) -> Vec<(String, String)> {
    pairs(&c.args(&["cat", "/proc/self/limits"]).says(), names)
}

fn pairs(table: &str, names: &[&str]) -> Vec<(String, String)> {
    let line = |name: &&str| table.lines().find_map(|l| l.strip_prefix(name)).unwrap();
    let pair = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    };
    names.iter().map(line).map(pair).collect()
}

#[test]
fn every_type_is_known() {
    let kinds = [
        ("AS", "Max address space"),
        ("CORE", "Max core file size"),
        ("CPU", "Max cpu time"),
        ("DATA", "Max data size"),
        ("FSIZE", "Max file size"),
        ("LOCKS", "Max file locks"),
        ("MEMLOCK", "Max locked memory"),
        ("MSGQUEUE", "Max msgqueue size"),
        ("NICE", "Max nice priority"),
        ("NOFILE", "Max open files"),
        ("NPROC", "Max processes"),
        ("RSS", "Max resident set"),
        ("RTPRIO", "Max realtime priority"),
        ("RTTIME", "Max realtime timeout"),
        ("SIGPENDING", "Max pending signals"),
        ("STACK", "Max stack size"),
    ];
    // All below our own: not every machine that runs this has CAP_SYS_RESOURCE.
    let ours = fs::read_to_string("/proc/self/limits").unwrap();
    let value = |n: usize| {
        let hard = &pairs(&ours, &[kinds[n].1])[0].1;
        hard.parse().unwrap_or(u64::MAX).min(1_000_000_000 + u64::try_from(n).unwrap() * 4096)
    };
    let limit =
        |n: usize| json!({ "type": format!("RLIMIT_{}", kinds[n].0), "soft": value(n), "hard": value(n) });
    let all: Vec<_> = (0..kinds.len()).map(limit).collect();
    let got = limits(with(json!(all)), &kinds.map(|k| k.1));
    let want: Vec<_> = (0..kinds.len()).map(|n| (value(n).to_string(), value(n).to_string())).collect();
    assert_eq!(got, want);
}

#[test]
fn soft_and_hard_differ() {
    let got =
        limits(with(json!([{ "type": "RLIMIT_CORE", "soft": 4096, "hard": 8192 }])), &["Max core file size"]);
    assert_eq!(got, [("4096".into(), "8192".into())]);
}

#[test]
fn all_ones_is_unlimited() {
    let max = u64::MAX;
    let got = limits(with(json!([{ "type": "RLIMIT_CPU", "soft": max, "hard": max }])), &["Max cpu time"]);
    assert_eq!(got, [("unlimited".into(), "unlimited".into())]);
}

/// CAP_SYS_RESOURCE is the runtime's, not the container's.
#[test]
fn may_be_above_those_of_the_caller() {
    let caps = fs::read_to_string("/proc/self/status").unwrap();
    let caps = caps.lines().find_map(|l| l.strip_prefix("CapEff:\t")).unwrap();
    if u64::from_str_radix(caps, 16).unwrap() & (1 << 24) == 0 {
        return eprintln!("skipped: no CAP_SYS_RESOURCE");
    }
    let c = with(json!([{ "type": "RLIMIT_NOFILE", "soft": 5000, "hard": 5000 }]));
    let run = c.on("run", &[]);
    let c = c.args(&["sh", "-c", "ulimit -n"]);
    let out = crate::harness::finish(crate::harness::after("ulimit -n 256", &run)).ok().stdout();
    assert_eq!(out, "5000\n", "{}", c.id);
}

#[test]
fn unknown_type_is_refused() {
    with(json!([{ "type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1 }])).create(&[]).fails(1, "RLIMIT_NOSUCH");
}

#[test]
fn soft_above_hard_is_refused() {
    with(json!([{ "type": "RLIMIT_CORE", "soft": 2, "hard": 1 }])).create(&[]).code(1);
}

#[test]
fn same_type_twice_is_refused() {
    only_tare!("runc takes the last, against the specification");
    let limit = json!({ "type": "RLIMIT_CORE", "soft": 1, "hard": 1 });
    with(json!([limit, limit])).create(&[]).fails(1, "RLIMIT_CORE");
}
