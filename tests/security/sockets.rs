// SPDX-License-Identifier: Apache-2.0
//! CVE-2020-15257: a socket that the container can reach, in the network namespace of the host at that.

use std::fs;
use std::process::Command;

use crate::harness::{Container, finish};

/// Through create, start and exec nothing is bound and nothing listens.
#[test]
fn nothing_listens() {
    let c = Container::new().namespace("network", None).args(&["sleep", "1000"]);
    let trace = c.path("trace");
    for args in [vec!["create", &c.id], vec!["start", &c.id], vec!["exec", &c.id, "true"]] {
        let runtime = c.runtime(args);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-A", "-e", "signal=none", "-e", "trace=bind,listen,accept,accept4"]);
        // In the background, or it would wait for the container.
        strace.arg("-D").arg("-o").arg(&trace).arg(runtime.get_program()).args(runtime.get_args());
        strace.current_dir(c.bundle());
        finish(strace).ok();
    }
    let seen = fs::read_to_string(trace).unwrap();
    let bound: Vec<_> =
        seen.lines().filter(|l| ["bind(", "listen(", "accept"].iter().any(|w| l.contains(w))).collect();
    assert!(bound.is_empty(), "{bound:#?}");
    let abstract_names = fs::read_to_string("/proc/net/unix").unwrap();
    assert!(!abstract_names.contains(&c.id));
}
