// SPDX-License-Identifier: Apache-2.0
//! Links the release binary without unwind tables: the sealed copy that every start makes costs with the size.

fn main() {
    println!("cargo::rerun-if-changed=src/link.ld");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let script = std::path::absolute("src/link.ld").expect("a current directory");
        println!("cargo::rustc-link-arg-bin=tare=-Wl,--no-eh-frame-hdr,-T,{}", script.display());
    }
}
