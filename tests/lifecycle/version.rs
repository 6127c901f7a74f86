// SPDX-License-Identifier: Apache-2.0
use crate::harness::{Container, is_tare};

/// moby and go-runc read these lines by their first word.
#[test]
fn version() {
    for flag in ["--version", "-v"] {
        let out = Container::new().cmd(&[flag]).ok().stdout();
        let name = if is_tare() { "tare version " } else { "runc version " };
        assert!(out.starts_with(name), "{out}");
        assert!(out.lines().any(|l| l.starts_with("commit: ")), "{out}");
        assert!(out.lines().any(|l| l.starts_with("spec: 1.")), "{out}");
    }
}
