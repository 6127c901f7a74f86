// SPDX-License-Identifier: Apache-2.0
//! Builds init's program, which is put into tare's; links the release binary without unwind tables, and with what is called
//! at every start side by side, as what is mapped counts as memory.

#![allow(clippy::disallowed_methods, reason = "no container is near")]

use std::path::{Path, PathBuf, absolute};
use std::process::Command;

fn main() {
    for source in [
        "src/link.ld",
        "src/order.ld",
        "init",
        "src/init",
        "src/sys",
        "src/channel.rs",
        "src/step.rs",
        "src/work.rs",
    ] {
        println!("cargo::rerun-if-changed={source}");
    }
    init(Path::new(&std::env::var_os("OUT_DIR").expect("cargo sets it")));
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let script = |name: &str| absolute(name).expect("a current directory").display().to_string();
        let (link, order) = (script("src/link.ld"), script("src/order.ld"));
        println!("cargo::rustc-link-arg-bin=tare=-Wl,--no-eh-frame-hdr,-T,{link},-T,{order}");
    }
}

/// By a cargo of its own: no package of a workspace can be another's without the standard library while the rest has it.
fn init(out: &Path) {
    let target = std::env::var("TARGET").expect("cargo sets it");
    let built: PathBuf =
        [&*out.join("init"), Path::new(&target), Path::new("release/tare-init")].iter().collect();
    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo sets it"));
    cargo.args(["build", "--release", "--locked", "--manifest-path", "init/Cargo.toml", "--target", &target]);
    // What the outer build was told of flags, of wrappers for lints, is not for this program.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(name);
    }
    cargo.arg("--target-dir").arg(out.join("init"));
    assert!(cargo.status().expect("cargo runs").success(), "init's program must build");
    std::fs::copy(built, out.join("tare-init")).expect("the program that was built");
}
