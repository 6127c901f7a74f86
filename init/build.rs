// SPDX-License-Identifier: Apache-2.0
//! One static executable at a fixed address, with an entry of its own and no C library: nothing starts, nothing is
//! relocated, and the sealed copy that each container gets is a few dozen kilobytes.

fn main() {
    for arg in [
        "-nostdlib",
        "-nostartfiles",
        "-static",
        "-no-pie",
        "-Wl,--gc-sections,--no-eh-frame-hdr,-z,norelro,--build-id=none",
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
