// SPDX-License-Identifier: Apache-2.0
//! Real containers while something goes wrong: system calls that fail, do nothing or end in death, commands at once,
//! a machine without room. In CI a seeded part of each; `hack/fault-sweep` runs the whole (FAULTS=whole).
#![cfg(target_arch = "x86_64")]
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods
)]

#[path = "../harness/mod.rs"]
mod harness;

mod call;
mod holds;
mod inject;
mod kills;
mod left;
mod matrix;
mod noops;
mod peers;
mod places;
mod points;
mod races;
mod report;
mod rich;
mod soak;
mod starvation;
mod subject;
mod sweep;
mod tally;
mod whole;
