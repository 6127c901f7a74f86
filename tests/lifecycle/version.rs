// SPDX-License-Identifier: Apache-2.0
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{Container, finish, is_tare, only_tare, runtime};

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

/// Clients have tables of what a runtime of this name can do, and look for it where nothing else is named.
#[test]
fn by_the_name_of_runc() {
    only_tare!("it is about a link to tare");
    let c = Container::new().args(&["/no/such"]);
    let link = c.path("runc");
    symlink(runtime(), &link).unwrap();
    let named = |args: &[&str]| {
        let mut cmd = Command::new(&link);
        cmd.arg("--root").arg(c.state_root()).args(args).current_dir(c.bundle());
        finish(cmd)
    };
    let version = named(&["--version"]).ok().stdout();
    assert!(version.starts_with("runc version "), "{version}");
    let said = named(&["create", &c.id]).fails(1, "runc create failed: ").stderr();
    assert!(!said.contains("tare create"), "{said}");
    named(&["features"]).ok();
    for help in [&["help"][..], &["help", "exec"], &["exec", "--help"]] {
        let text = named(help).ok().stdout();
        assert!(text.contains("\nUsage: runc ") && !text.contains(" tare exec"), "{text}");
    }
}
